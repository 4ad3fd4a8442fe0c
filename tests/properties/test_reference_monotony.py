"""More evidence about a lesion never turns a verdict into its opposite without saying so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.clinical_rows import ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.protocol import choices_of
from schemas.reference import ReferenceAnchors, SubjectReference
from tasks.eligibility.assemble import assemble_cohort
from tasks.eligibility.evaluate import evaluate_facts
from tasks.reference.adjudication import evidence_digest
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import CT, DCE, plain_images, plain_rows, row

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


_NUMBERS = st.sampled_from((1, 2, 3, Missing.NOT_ENTERED))
#: Records of either lesion, of one that nobody entered, or of none by name.
scattered = st.builds(
    lambda record, number: replace(record, values={**record.values, "lesion_no": number}),
    records,
    _NUMBERS,
)


def effects(lesion: ClinicalRow, other: ClinicalRow, more: Sequence[ClinicalRow]) -> dict[str, str]:
    second = replace(other, key=("2",), values={**other.values, "lesion_no": 2})
    plain = [one for one in plain_rows() if one.form not in ("diagnosis", "pathology")]
    cohort = assemble_cohort([*plain, lesion, second, *more], plain_images(), judge_subject)
    found = {
        str(row["criterion_id"]): str(row["effect"])
        for row in cohort.tables["criterion_result"]
        if row["reading"] == "literal"
    }
    return found | {"label": str(cohort.tables["subject"][0]["patient_reference"])}


@settings(max_examples=60, deadline=None)
@given(lesions, lesions, st.lists(scattered, max_size=3), scattered)
def test_no_record_of_any_lesion_turns_verdicts_of_a_subject_into_their_opposite(
    lesion: ClinicalRow, other: ClinicalRow, some: list[ClinicalRow], more: ClinicalRow
) -> None:
    """I5 may go from fail to pass: a specimen in the window that was not entered before."""
    numbered = [replace(one, key=(str(n),)) for n, one in enumerate([*some, more])]
    before = effects(lesion, other, numbered[:-1])
    after = effects(lesion, other, numbered)
    assert {before["E3"], after["E3"]} != {"pass", "fail"}
    assert (before["I5"], after["I5"]) != ("pass", "fail")
    assert {before["label"], after["label"]} != {"malignant", "benign"}


@settings(max_examples=60, deadline=None)
@given(lesions, lesions, st.lists(scattered, max_size=4))
def test_a_subject_with_malignant_tissue_anywhere_is_never_benign(
    lesion: ClinicalRow, other: ClinicalRow, some: list[ClinicalRow]
) -> None:
    tissue = {one.text("diagnosis_code") for one in some if one.form == "pathology"}
    if tissue & {"HCC", "metastasis"}:
        numbered = [replace(one, key=(str(n),)) for n, one in enumerate(some)]
        assert effects(lesion, other, numbered)["label"] != "benign"


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
