"""Which committed series are looked at again: unseen by the rules, or accepted since."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.pixel_decisions import Outcome, PixelDecision, PixelDecisions
from schemas.run.atomic_files import canonical_json
from schemas.run.pool import Loss
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.tables.record_tables import table_from_records
from schemas.vault.inspections import LaterInspection, add_later
from schemas.vault.keys import KeyRing
from tasks.inspect.rules import load_rules
from tasks.inspect.store_again import series_to_do
from tasks.inspect.store_look_again import later_row

RING, SITE, BATCH = KeyRing(b"k" * 32), SiteCode("S91"), BatchId("00112233445566aa")
DIGEST = Sha256("d" * 64)


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A committed batch with one image."""
    zones = Zones(tmp_path)
    place = zones.batch(SITE, BATCH)
    place.mkdir(parents=True)
    member = InstanceFeatures(
        subject_id="S91-A", study_uid="1", series_uid="9", sop_uid="9.1", sop_class_uid="1.2"
    )
    table = table_from_records([member], InstanceFeatures, key=["sop_uid"])
    pq.write_table(table, place / "instance.parquet")
    (place / "batch.json").write_bytes(canonical_json({"batch_id": BATCH, "state": "committed"}))
    return zones


def _held(zones: Zones) -> None:
    row = LaterInspection(
        *(BATCH, "9", "S91-A", "held", "r2", 1, 4, "TEXT_IN_PIXELS", ("9.1",)), digests=(DIGEST,)
    )
    add_later(zones, RING, SITE, [row])


def _decided(
    outcome: Outcome,
    reason: ReasonCode = ReasonCode.TEXT_IN_PIXELS,
    digest: Sha256 = DIGEST,
) -> PixelDecisions:
    decision = PixelDecision(
        decision_id="0" * 16,
        site=SITE,
        hold_id="1" * 16,
        held_for=reason,
        outcome=outcome,
        digests=(digest,),
        reviewer="QC01",
        reason="looked",
        decided_on=dt.date(2026, 11, 20),
    )
    return PixelDecisions((decision,))


def test_a_series_is_looked_at_once_by_each_version_of_the_rules(zones: Zones) -> None:
    assert len(series_to_do(zones, RING, SITE, "r2", PixelDecisions())) == 1
    _held(zones)
    assert series_to_do(zones, RING, SITE, "r2", PixelDecisions()) == []
    assert len(series_to_do(zones, RING, SITE, "r3", PixelDecisions())) == 1


@pytest.mark.parametrize(
    ("decisions", "n_again"),
    [
        (_decided(Outcome.ACCEPT), 1),
        (_decided(Outcome.REJECT), 0),
        (_decided(Outcome.ACCEPT, ReasonCode.FACE_IN_VIEW), 0),
    ],
)
def test_what_was_held_is_looked_at_again_only_when_it_was_accepted_for_that(
    zones: Zones, decisions: PixelDecisions, n_again: int
) -> None:
    _held(zones)
    assert len(series_to_do(zones, RING, SITE, "r2", decisions)) == n_again


def test_what_nobody_could_look_at_is_let_go_when_a_person_accepted_it(zones: Zones) -> None:
    rules, unknown = load_rules(), PixelDecisions()
    [one] = series_to_do(zones, RING, SITE, rules.rules_id, unknown)
    before = later_row(one, Loss.FAILED, rules, RING, unknown)
    add_later(zones, RING, SITE, [before])
    assert (before.reason, before.held) == ("PIXELS_NOT_INSPECTED", ("9.1",))
    assert series_to_do(zones, RING, SITE, rules.rules_id, unknown) == []
    decisions = _decided(Outcome.ACCEPT, ReasonCode.PIXELS_NOT_INSPECTED, Sha256(before.digests[0]))
    [again] = series_to_do(zones, RING, SITE, rules.rules_id, decisions)
    after = later_row(again, Loss.FAILED, rules, RING, decisions)
    add_later(zones, RING, SITE, [after])
    assert (after.outcome, after.held) == ("decided", ())
    assert series_to_do(zones, RING, SITE, rules.rules_id, decisions) == []
