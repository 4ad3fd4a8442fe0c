"""More evidence about a lesion never turns a verdict into its opposite without saying so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate
from schemas.protocol import choices_of
from schemas.reference import ReferenceAnchors, SubjectReference
from tasks.eligibility.evaluate import evaluate_facts
from tasks.reference.adjudication import evidence_digest
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import CT, DCE, row

LITERAL = choices_of("literal")
ANCHORS = ReferenceAnchors(ct=CT, mri=DCE)
CLASSES = ("HCC", "metastasis", "FNH", "cyst", "indeterminate", "pending")
ROUTES = ("pathology", "followup", "imaging", "none")
_DAYS = st.integers(min_value=-40, max_value=400)


def _on(day: int) -> PartialDate:
    return PartialDate.of(DCE + dt.timedelta(days=day))


lesions = st.builds(
    lambda code, route: row("diagnosis", reference_class=code, reference_route=route),
    st.sampled_from(CLASSES),
    st.sampled_from(ROUTES),
)
specimens = st.builds(
    lambda number, day, code, procedure, lesion: row(
        "pathology", specimen_no=number, specimen_date=_on(day), report_date=_on(day + 3),
        diagnosis_code=code, procedure=procedure, lesion_no=lesion,
    ),
    st.integers(1, 90), _DAYS, st.sampled_from(CLASSES),
    st.sampled_from(("biopsy", "resection", "transplant")), st.just(1),
)  # fmt: skip
follow_ups = st.builds(
    lambda number, day, said, status, change: row(
        "follow_up", followup_no=number, image_date=_on(day), lesion_no=1, conclusion=said,
        followup_status=status, size_change_percent=change,
    ),
    st.integers(1, 90), _DAYS,
    st.sampled_from(("benign_stable", "progressed", "resolved", "indeterminate")),
    st.sampled_from(("open", "complete", "lost", "died", "treated")), st.floats(-100, 300),
)  # fmt: skip
records = st.one_of(specimens, follow_ups)


def judged(rows: Sequence[ClinicalRow]) -> SubjectReference:
    return judge_subject(rows, ANCHORS, LITERAL)


def e3(reference: SubjectReference) -> str:
    (facts,) = reference.diagnosis_facts
    return evaluate_facts("E3", facts).effect.value


@settings(max_examples=300, deadline=None)
@given(lesions, st.lists(records, max_size=4), records)
def test_a_record_more_never_turns_e3_into_its_opposite(
    lesion: ClinicalRow, some: list[ClinicalRow], more: ClinicalRow
) -> None:
    before, after = judged([lesion, *some]), judged([lesion, *some, more])
    assert {e3(before), e3(after)} != {"pass", "fail"}


@settings(max_examples=300, deadline=None)
@given(lesions, st.lists(records, max_size=4), records)
def test_a_proven_label_is_lost_only_to_a_contradiction_or_a_possible_treatment(
    lesion: ClinicalRow, some: list[ClinicalRow], more: ClinicalRow
) -> None:
    before, after = judged([lesion, *some]).lesions[0], judged([lesion, *some, more]).lesions[0]
    assert before.label == after.label
    if before.state == "proven" and after.state != "proven":
        treats = more.text("procedure") in ("resection", "transplant")
        treats = treats or more.text("followup_status") == "treated"
        assert after.state == "contradicted" or treats


@settings(max_examples=300, deadline=None)
@given(lesions, st.lists(records, max_size=3), st.sampled_from(CLASSES), _DAYS)
def test_a_biopsy_or_image_of_another_lesion_changes_nothing(
    lesion: ClinicalRow, some: list[ClinicalRow], code: str, day: int
) -> None:
    other = row("diagnosis", lesion_no=2, reference_class="pending", reference_route="none")
    tissue = row(
        "pathology", specimen_no=91, lesion_no=2, specimen_date=_on(day), diagnosis_code=code,
        procedure="biopsy",
    )  # fmt: skip
    image = row(
        "follow_up", followup_no=91, lesion_no=2, image_date=_on(day), conclusion="progressed",
        followup_status="open",
    )  # fmt: skip
    before = judged([lesion, other, *some]).lesions[0]
    after = judged([lesion, other, *some, tissue, image]).lesions[0]
    assert before == after


@settings(max_examples=100, deadline=None)
@given(lesions, st.lists(records, max_size=4, unique_by=lambda r: (r.form, r.key)), st.randoms())
def test_the_order_of_rows_changes_nothing(
    lesion: ClinicalRow, some: list[ClinicalRow], random: object
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = judged([lesion, *some]).lesions[0], judged([lesion, *shuffled]).lesions[0]
    assert (one.state, one.missing, one.conflicts, one.flags) == (
        two.state,
        two.missing,
        two.conflicts,
        two.flags,
    )


def _votes(lesion: ClinicalRow, seen: list[ClinicalRow], code: str) -> list[ClinicalRow]:
    digest = evidence_digest(lesion, [lesion, *seen])
    return [
        row("adjudication", reader_id=reader, reference_class=code, evidence_digest=digest)
        for reader in ("R-1", "R-2")
    ]


@settings(max_examples=200, deadline=None)
@given(lesions, st.lists(records, max_size=4), st.sampled_from(CLASSES))
def test_readers_never_turn_e3_into_its_opposite(
    lesion: ClinicalRow, some: list[ClinicalRow], code: str
) -> None:
    before = judged([lesion, *some])
    after = judged([lesion, *some, *_votes(lesion, some, code)])
    assert {e3(before), e3(after)} != {"pass", "fail"}


@settings(max_examples=200, deadline=None)
@given(lesions, st.lists(records, max_size=4), records, st.sampled_from(CLASSES))
def test_an_adjudication_never_survives_evidence_that_came_after_it(
    lesion: ClinicalRow, some: list[ClinicalRow], more: ClinicalRow, code: str
) -> None:
    alone = judged([lesion, *some, more]).lesions[0]
    after = judged([lesion, *some, more, *_votes(lesion, some, code)]).lesions[0]
    assert after == replace(alone, adjudication_problems=("REF_ADJUDICATION_STALE",))
