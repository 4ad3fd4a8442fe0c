"""What later rules hold of the warehouse is on the desk: accepted it goes on, never masked."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schemas.dicom.pixel_digests import pixel_content
from schemas.errors import BadInputError
from schemas.held_series import MEAN, SeenBox
from schemas.pixel_decisions import Outcome, PixelDecision
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.inspections import LaterInspection, add_later
from schemas.vault.pixel_decision_log import record_decisions
from schemas.vault.pixel_digests import keyed_pixel_digest
from tasks.desk.decide import Request
from tasks.desk.held import HoldState
from tasks.desk.store_again import take_again
from tasks.desk.store_decide import decide, open_desks
from tasks.desk.store_page import write_page
from tests.builders import to_bytes
from tests.unit.desk.quarantined import BATCH, RING, SITE, TEXT, commit, lettered, zones_at

TODAY = dt.date(2026, 11, 20)


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A committed batch with one series in the warehouse, in which later rules read something."""
    zones = zones_at(tmp_path)
    slices = lettered(n_slices=3)
    folder = zones.warehouse / "dicom" / SITE / "9"
    folder.mkdir(parents=True)
    uids = tuple(str(one.SOPInstanceUID) for one in slices)
    for uid, one in zip(uids, slices, strict=True):
        (folder / f"{uid}.dcm").write_bytes(to_bytes(one))
    commit(zones, BATCH, 3)
    held = LaterInspection(
        batch_id=BATCH,
        series_uid="9",
        subject_id="S91-ABCD2345",
        outcome="held",
        rules_id="r2",
        n_images=3,
        n_views=4,
        reason=str(ReasonCode.TEXT_IN_PIXELS),
        held=uids,
        digests=tuple(keyed_pixel_digest(RING, pixel_content(o.pixel_array)) for o in slices),
        boxes=(SeenBox(MEAN, TEXT, 0.9),),
        rows=128,
        columns=128,
    )
    add_later(zones, RING, SITE, [held])
    return zones


def _decide(zones: Zones, outcome: Outcome) -> None:
    (hold,) = open_desks(zones, RING)[0].holds
    boxes = (TEXT,) if outcome is Outcome.MASK else ()
    request = Request(
        hold_id=hold.hold_id, outcome=outcome, reviewer="QC01", reason="looked", boxes=boxes
    )
    decide(zones, RING, [request], search=lambda _: None, today=TODAY)


def _state(zones: Zones) -> HoldState:
    (desk,) = open_desks(zones, RING)
    return desk.state_of(desk.holds[0])


def test_it_is_on_the_page_with_its_pictures_and_where_something_was_read(zones: Zones) -> None:
    built = write_page(zones, RING, open_desks(zones, RING))
    assert (built.holds, built.pictures) == (1, 3)
    facts = (built.index.parent / "data.js").read_text(encoding="utf-8")
    assert '"actions": ["accept", "reject"]' in facts
    assert f'"seen": [[{TEXT.x}, {TEXT.y}, {TEXT.width}, {TEXT.height}]]' in facts


def test_accepted_it_waits_for_the_next_night_which_takes_nothing_in(zones: Zones) -> None:
    assert _state(zones) is HoldState.OPEN
    _decide(zones, Outcome.ACCEPT)
    assert _state(zones) is HoldState.WAITING
    assert take_again(zones, RING, SITE, TODAY) is None


def test_rejected_it_is_off_the_list(zones: Zones) -> None:
    _decide(zones, Outcome.REJECT)
    assert _state(zones) is HoldState.REJECTED


def test_it_cannot_be_masked_where_it_lies(zones: Zones) -> None:
    with pytest.raises(BadInputError, match="cannot be decided by mask"):
        _decide(zones, Outcome.MASK)


def test_that_the_same_pixels_were_masked_elsewhere_does_not_let_it_wait_for_ever(
    zones: Zones,
) -> None:
    (hold,) = open_desks(zones, RING)[0].holds
    elsewhere = PixelDecision(
        decision_id="",
        site=SITE,
        hold_id="0123456789abcdef",
        held_for=ReasonCode.TEXT_IN_PIXELS,
        outcome=Outcome.MASK,
        digests=hold.digests,
        boxes=(TEXT,),
        reviewer="QC01",
        reason="masked where it was delivered otherwise",
        decided_on=TODAY,
    )
    record_decisions(zones, RING, [elsewhere])
    assert _state(zones) is HoldState.OPEN
    _decide(zones, Outcome.ACCEPT)
    assert _state(zones) is HoldState.WAITING
