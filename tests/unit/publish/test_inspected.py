"""Images of a registered hospital go out only when each series was inspected by today's rules."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import GateBlockedError
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.inspection import INSPECTION_TABLE, LIFTED, InspectionOutcome, InspectionRow
from schemas.states import ReasonCode
from schemas.tables.record_tables import table_from_records
from schemas.vault.inspections import LaterInspection
from tasks.publish.batches import HOLD, BatchTables, CommittedBatch, CommittedBatches, merge_batches
from tasks.publish.gates import require_releasable
from tasks.publish.inspected import RulesInForce, inspected_rows, inspection_facts, with_later

RULES = RulesInForce("today", {"detection": "a" * 64})
HELD = InspectionOutcome.HELD


def _instance(number: int, series: str = "9") -> InstanceFeatures:
    return InstanceFeatures(
        subject_id="S01-AAAA2222",
        study_uid="1",
        series_uid=series,
        sop_uid=f"{series}.{number}",
        sop_class_uid=None,
    )


def _row(series: str = "9", rules: str = "today", outcome: str = "clean") -> InspectionRow:
    held = outcome == HELD
    return InspectionRow(
        series_uid=series,
        subject_id="S01-AAAA2222",
        outcome=InspectionOutcome(outcome),
        rules_id=rules,
        n_images=2,
        n_views=3,
        reason=ReasonCode.TEXT_IN_PIXELS if held else None,
    )


def _batch(
    *rows: InspectionRow, site: str = "S01", holds: dict[str, str] | None = None
) -> BatchTables:
    batch = CommittedBatch(
        batch_id=BatchId("b1"),
        site_code=SiteCode(site),
        n_files=2,
        n_bytes=2,
        counts={},
        manifest_sha256=Sha256("0" * 64),
    )
    held = [{"sop_uid": uid, "reason": reason} for uid, reason in (holds or {}).items()]
    schema = pa.schema([("sop_uid", pa.string()), ("reason", pa.string())])
    return BatchTables(
        batch=batch,
        instances=(_instance(1), _instance(2)),
        others={
            INSPECTION_TABLE: table_from_records(rows, InspectionRow, key=["series_uid"]),
            HOLD: pa.Table.from_pylist(held, schema=schema),
        },
    )


def _merged(*rows: InspectionRow, site: str = "S01") -> CommittedBatches:
    return merge_batches([_batch(*rows, site=site)])


def test_an_inspected_series_of_a_registered_hospital_may_be_released() -> None:
    for outcome in ("clean", "annotation", "decided"):
        assert require_releasable(_merged(_row(outcome=outcome)), RULES) == ["S01"]


@pytest.mark.parametrize(
    "rows",
    [(), (_row("8"),), (_row(rules="yesterday"),), (_row(outcome="held"),)],
    ids=["no row", "of another series", "by other rules", "held"],
)
def test_without_an_inspection_in_force_it_is_refused_and_says_what_lacks(
    rows: tuple[InspectionRow, ...],
) -> None:
    with pytest.raises(GateBlockedError, match=r"1 of batch b1 \(S01\)"):
        require_releasable(_merged(*rows), RULES)


def test_a_fictitious_site_is_not_kept_back_and_the_manifest_counts_what_lacks() -> None:
    committed = _merged(site="S91")
    assert require_releasable(committed, RULES) == ["S91"]
    facts = inspection_facts(committed, RULES)
    assert facts["series_not_inspected"] == 1
    assert facts["models"] == {"detection": "a" * 64}


def test_the_table_has_what_was_released_and_nothing_held() -> None:
    committed = _merged(_row(), _row("8"), _row("7", outcome="held"))
    (row,) = inspected_rows(committed)
    assert row["series_uid"] == "9"
    assert row["outcome"] == "clean"


def _later(outcome: str, held: tuple[str, ...] = (), batch: str = "b1") -> LaterInspection:
    return LaterInspection(batch, "9", "S01-AAAA2222", outcome, "today", 2, 3, held=held)


def test_a_later_inspection_by_todays_rules_opens_the_release() -> None:
    old = _batch(_row(rules="yesterday"))
    assert require_releasable(merge_batches([with_later(old, [_later("clean")])]), RULES)
    other = merge_batches([with_later(old, [_later("clean", batch="b2")])])
    with pytest.raises(GateBlockedError):
        require_releasable(other, RULES)


def test_what_a_later_inspection_holds_is_in_no_release() -> None:
    old = _batch(_row(rules="yesterday"))
    held = replace(_later("held", ("9.1", "9.2")), reason="TEXT_IN_PIXELS")
    assert merge_batches([with_later(old, [held])]).instances == ()


def test_what_was_held_beside_another_subject_comes_back_when_a_person_says_so() -> None:
    same = str(ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT)
    held = _batch(_row(), holds={"9.1": same, "9.2": str(ReasonCode.UID_REUSED)})
    assert merge_batches([held]).instances == ()
    lift = replace(
        _batch(_row(), holds={"9.1": LIFTED, "9.2": LIFTED}),
        batch=replace(held.batch, batch_id=BatchId("b2")),
        instances=(),
    )
    # A person said that both may have the pixels; nobody said which of two UIDs is right.
    assert [i.sop_uid for i in merge_batches([held, lift]).instances] == ["9.1"]
