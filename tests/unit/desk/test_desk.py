"""From what is held to what is taken in again: grouping, decisions, rules, and once only."""

from __future__ import annotations

import csv
import datetime as dt
import re
import stat
from io import StringIO
from pathlib import Path

import pytest

from schemas.dispositions import disposition_of, load_dispositions
from schemas.errors import BadInputError
from schemas.held_series import INDEX_NAME, LISTING_NAME, read_listing
from schemas.identifiers import BatchId, RawPatientId, SubjectNo
from schemas.pixel_decisions import Box, Outcome, Scope
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.pixel_decision_log import decision_log, read_decisions
from schemas.vault.subjects import LinkageRow, Vault
from tasks import desk
from tasks.desk.decide import READY_REASONS
from tasks.desk.held import HoldState
from tasks.desk.page_data import key_of, payload
from tasks.desk.store_again import Desk, has_work, open_desk, take_again
from tasks.desk.store_decide import decide, open_desks
from tasks.desk.store_erase import erase_page
from tasks.desk.store_page import page_folder, write_page
from tasks.receive.store_erase import erase_from_warehouse
from tests.builders import make_instance, to_bytes
from tests.unit.desk.deciding import MASK, TODAY, ask, say
from tests.unit.desk.quarantined import (
    BATCH,
    RING,
    SITE,
    TEXT,
    Quarantine,
    commit,
    lettered,
)


def states(zones: Zones) -> dict[str, HoldState]:
    desk = open_desk(zones, RING, SITE)
    return {str(hold.reason): desk.state_of(hold) for hold in desk.holds}


def taken(zones: Zones, today: dt.date = TODAY) -> int:
    """Take decided files in and let their batch count; return how many came."""
    delivery = take_again(zones, RING, SITE, today)
    if delivery is None:
        return 0
    commit(zones, delivery.batch_id, len(delivery.files))
    return len(delivery.files)


def test_every_reason_has_a_row_and_what_is_no_picture_is_only_rejected() -> None:
    table = load_dispositions()
    assert {reason for reason, detail in table if not detail} == set(ReasonCode)
    only_reject = (Outcome.REJECT,)
    assert disposition_of(ReasonCode.SOP_CLASS_NOT_ADMITTED).actions == only_reject
    assert disposition_of(ReasonCode.EIGHT_BIT_PIXELS).actions == only_reject
    capture = disposition_of(ReasonCode.SECONDARY_OR_DERIVED, "secondary capture by its class")
    assert capture.actions == only_reject
    assert Outcome.MASK in disposition_of(ReasonCode.SECONDARY_OR_DERIVED).actions


def test_a_series_is_one_hold_and_a_file_nobody_knows_another(quarantine: Quarantine) -> None:
    hold_id = quarantine.add_series(lettered(n_slices=4))
    for one in lettered(n_slices=3, series=2):
        quarantine.add(to_bytes(one), ReasonCode.BURNED_IN_ANNOTATION, "BurnedInAnnotation")
    quarantine.add(b"hello", ReasonCode.NOT_DICOM)
    quarantine.write()
    holds = {str(h.reason): h for h in open_desk(quarantine.zones, RING, SITE).holds}
    assert holds["TEXT_IN_PIXELS"].hold_id == hold_id
    assert [seen.box for seen in holds["TEXT_IN_PIXELS"].boxes] == [TEXT]
    assert {reason: len(hold.files) for reason, hold in holds.items()} == {
        "TEXT_IN_PIXELS": 4,
        "BURNED_IN_ANNOTATION": 3,
        "NOT_DICOM": 1,
    }


def test_a_mask_is_taken_in_once_and_a_rejection_never(quarantine: Quarantine) -> None:
    zones = quarantine.zones
    masked = quarantine.add_series(lettered(n_slices=4))
    quarantine.add(b"hello", ReasonCode.NOT_DICOM)
    quarantine.write()
    assert taken(zones) == 0
    other = next(h for h in open_desk(zones, RING, SITE).holds if h.hold_id != masked)
    asked = (ask(masked, Outcome.MASK, boxes=(MASK,)), ask(other.hold_id, Outcome.REJECT))
    assert say(zones, *asked) == 2
    assert say(zones, *asked) == 0
    assert has_work(zones, RING, SITE, TODAY)
    assert taken(zones) == 4
    assert states(zones) == {
        "TEXT_IN_PIXELS": HoldState.TAKEN_IN,
        "NOT_DICOM": HoldState.REJECTED,
    }
    assert not has_work(zones, RING, SITE, TODAY)
    assert taken(zones) == 0


def test_a_batch_that_was_not_committed_is_made_again_the_same(quarantine: Quarantine) -> None:
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(quarantine.zones, ask(hold_id, Outcome.ACCEPT))
    first = take_again(quarantine.zones, RING, SITE, TODAY)
    assert first == take_again(quarantine.zones, RING, SITE, TODAY)
    assert first is not None
    assert [file.relative_path for file in first.files] == [
        f"taken_again/{BATCH}/000000{number}" for number in (1, 2)
    ]


def test_what_is_held_again_by_its_decision_asks_again_and_is_not_taken_for_ever(
    quarantine: Quarantine,
) -> None:
    """A decision takes a file in once: held again, the file is open, and no night repeats it."""
    zones = quarantine.zones
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(zones, ask(hold_id, Outcome.ACCEPT))
    delivery = take_again(zones, RING, SITE, TODAY)
    assert delivery is not None
    again = Quarantine(zones, delivery.batch_id)
    again.add_series(lettered(n_slices=2))
    again.write()
    assert states(zones) == {"TEXT_IN_PIXELS": HoldState.OPEN}
    assert taken(zones) == 0
    say(zones, ask(hold_id, Outcome.MASK, boxes=(MASK,)))
    assert taken(zones) == 2


def test_a_mask_beside_which_text_was_read_can_be_confirmed_and_is_then_the_last_word(
    quarantine: Quarantine,
) -> None:
    zones = quarantine.zones
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    mask = ask(hold_id, Outcome.MASK, boxes=(MASK,))
    say(zones, mask)
    delivery = take_again(zones, RING, SITE, TODAY)
    assert delivery is not None
    again = Quarantine(zones, delivery.batch_id)
    again.add_series(lettered(n_slices=2), boxes=(Box(80, 80, 20, 8),))
    again.write()
    (desk,) = open_desks(zones, RING)
    (hold,) = desk.holds
    (case,) = payload([(desk, hold)], {}, {key_of(hold): "x"}, made_on="")["cases"]
    assert case["again"]
    assert [2, 2, 50, 16] in case["mask"]
    assert [76, 76, 28, 16] in case["mask"]
    assert [say(zones, mask), say(zones, mask)] == [1, 0]
    known = read_decisions(zones, RING)
    first, second = known.decisions
    assert second.follows == first.decision_id
    assert known.settles(hold.digests[0], second)
    assert taken(zones) == 2
    assert taken(zones) == 0


def test_the_same_pixels_in_another_batch_are_decided_already(quarantine: Quarantine) -> None:
    zones = quarantine.zones
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(zones, ask(hold_id, Outcome.REJECT))
    later = Quarantine(zones, BatchId("ffee112233445566"))
    later.add_series(lettered(n_slices=2, SeriesDescription="sent again"))
    later.write()
    assert states(zones) == {"TEXT_IN_PIXELS": HoldState.REJECTED}


def test_a_series_of_which_a_slice_is_not_decided_is_not_taken_in_by_halves(
    quarantine: Quarantine,
) -> None:
    zones = quarantine.zones
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(zones, ask(hold_id, Outcome.ACCEPT))
    assert taken(zones) == 2
    later = Quarantine(zones, BatchId("ffee112233445566"))
    more = later.add_series(lettered(n_slices=3))
    later.write()
    assert taken(zones) == 0
    say(zones, ask(more, Outcome.ACCEPT))
    assert taken(zones) == 3


def test_files_without_linkage_come_in_by_themselves_once_it_has_come(
    quarantine: Quarantine,
) -> None:
    zones = quarantine.zones
    quarantine.add(to_bytes(make_instance()), ReasonCode.NO_LINKAGE)
    quarantine.write()
    assert taken(zones) == 0
    row = LinkageRow(SubjectNo("LC-001"), RawPatientId("PID000001"), None)
    Vault(zones.vault, RING).assign(SITE, [row])
    assert taken(zones) == 1
    assert states(zones) == {"NO_LINKAGE": HoldState.TAKEN_IN}


def test_a_rule_for_a_device_decides_about_its_next_series_in_the_same_place(
    quarantine: Quarantine,
) -> None:
    zones = quarantine.zones
    first = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    until = TODAY + dt.timedelta(days=30)
    say(zones, ask(first, Outcome.MASK, boxes=(MASK,), until=until))
    (rule,) = read_decisions(zones, RING).decisions
    assert (rule.scope, rule.until) == (Scope.DEVICE, until)
    assert taken(zones) == 2
    later = Quarantine(zones, BatchId("ffee112233445566"))
    later.add_series(lettered(n_slices=3, series=5))
    later.add_series(lettered(n_slices=3, series=6), boxes=(Box(60, 60, 20, 8),))
    other = lettered(n_slices=3, series=7)
    for one in other:
        one.DeviceSerialNumber = "D8"
    later.add_series(other)
    later.write()
    assert not has_work(zones, RING, SITE, until + dt.timedelta(days=1))
    assert taken(zones) == 3
    made = read_decisions(zones, RING).decisions[-1]
    assert (made.by_rule, made.scope) == (rule.decision_id, Scope.SERIES)
    assert MASK in made.boxes
    assert any(TEXT.lies_in(box) for box in made.boxes)
    assert taken(zones) == 0


def test_an_accepted_series_that_is_held_again_beside_others_is_one_case_with_its_new_boxes(
    quarantine: Quarantine,
) -> None:
    """The bytes are the same in both batches: what is told of the later one is not of the first."""
    zones = quarantine.zones
    first = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(zones, ask(first, Outcome.ACCEPT))
    delivery = take_again(zones, RING, SITE, TODAY)
    assert delivery is not None
    found = Box(80, 80, 20, 8)
    again = Quarantine(zones, delivery.batch_id)
    second = again.add_series(lettered(n_slices=3), boxes=(found,))
    again.write()
    holds = {hold.hold_id: hold for hold in open_desk(zones, RING, SITE).holds}
    told = [(len(holds[one].files), holds[one].boxes[0].box) for one in (first, second)]
    assert told == [(2, TEXT), (3, found)]


def test_a_rule_accepts_nothing_in_which_the_person_is_named(quarantine: Quarantine) -> None:
    zones = quarantine.zones
    first = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(zones, ask(first, Outcome.ACCEPT, until=TODAY + dt.timedelta(days=30)))
    assert taken(zones) == 2
    later = Quarantine(zones, BatchId("ffee112233445566"))
    later.add_series(lettered(n_slices=3, series=5), of_person=True)
    later.add_series(lettered(n_slices=4, series=6))
    later.write()
    assert taken(zones) == 4


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"outcome": Outcome.MASK}, "boxes inside the image"),
        ({"outcome": Outcome.MASK, "boxes": (Box(0, 0, 500, 2),)}, "boxes inside the image"),
        ({"outcome": Outcome.ACCEPT, "boxes": (MASK,)}, "boxes belong to a mask"),
        ({"outcome": Outcome.ACCEPT, "reviewer": "Dr Wang"}, "no code"),
        ({"outcome": Outcome.ACCEPT, "reviewer": "ZHANGWEI"}, "no code"),
        ({"outcome": Outcome.ACCEPT, "reason": " "}, "needs a reason"),
        ({"outcome": Outcome.ACCEPT, "until": TODAY - dt.timedelta(days=1)}, "last day"),
        ({"outcome": Outcome.ACCEPT, "until": TODAY + dt.timedelta(days=900)}, "last day"),
        ({"outcome": Outcome.REJECT, "until": TODAY}, "no rule for a device"),
        ({"hold_id": "0" * 16, "outcome": Outcome.REJECT}, "nothing is held"),
    ],
)
def test_what_may_not_be_decided_like_that_is_refused_and_nothing_kept(
    quarantine: Quarantine, request_: dict[str, object], told: str
) -> None:
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    facts = {"hold_id": hold_id, **request_}
    with pytest.raises(BadInputError, match=told):
        say(quarantine.zones, ask(**facts))  # type: ignore[arg-type]
    assert not read_decisions(quarantine.zones, RING)


def test_a_document_is_neither_accepted_nor_masked(quarantine: Quarantine) -> None:
    pdf = make_instance(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1")
    quarantine.add(to_bytes(pdf), ReasonCode.SOP_CLASS_NOT_ADMITTED)
    quarantine.write()
    (hold,) = open_desk(quarantine.zones, RING, SITE).holds
    for outcome in (Outcome.ACCEPT, Outcome.MASK):
        with pytest.raises(BadInputError, match="cannot be decided by"):
            say(quarantine.zones, ask(hold.hold_id, outcome))


def test_the_page_offers_the_reasons_that_need_no_search() -> None:
    words = (Path(desk.__file__).parent / "assets" / "words.js").read_text(encoding="utf-8")
    offered = words.split("window.deskReasons")[1].split("other:")[0]
    assert set(re.findall(r'\["([^"]+)", "', offered)) == READY_REASONS


def test_a_reason_that_names_somebody_is_kept_nowhere(quarantine: Quarantine) -> None:
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()

    def finds(text: str) -> None:
        raise BadInputError("the text holds what identifies somebody: name")

    with pytest.raises(BadInputError, match="identifies somebody"):
        decide(quarantine.zones, RING, [ask(hold_id, Outcome.ACCEPT)], search=finds, today=TODAY)
    assert not decision_log(quarantine.zones).exists()


def test_the_page_lies_in_the_restricted_zone_and_names_no_file_of_the_site(
    quarantine: Quarantine,
) -> None:
    quarantine.add_series(lettered(n_slices=3))
    quarantine.add(to_bytes(make_instance(subject=7)), ReasonCode.NO_LINKAGE)
    quarantine.write()
    zones = quarantine.zones
    built = write_page(zones, RING, open_desks(zones, RING))
    assert built.index == zones.restricted / "review_desk" / "index.html"
    assert (built.holds, built.pictures) == (2, 3)
    for path in page_folder(zones).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
        if path.suffix in (".js", ".html"):
            text = path.read_text(encoding="utf-8")
            assert not [w for w in ("secret name", "PID0000", "Test^Subject") if w in text]
            assert "http" not in text


def test_the_index_of_a_quarantine_holds_no_value_and_follows_its_reasons(
    quarantine: Quarantine,
) -> None:
    quarantine.add(to_bytes(make_instance()), ReasonCode.NO_LINKAGE)
    quarantine.add(to_bytes(make_instance(instance=2)), ReasonCode.NO_LINKAGE)
    quarantine.write()
    folder = quarantine.zones.quarantine(SITE, BATCH)
    assert isinstance(open_desk(quarantine.zones, RING, SITE), Desk)
    text = (folder / INDEX_NAME).read_text(encoding="utf-8")
    assert not [word for word in ("PID000001", "Test", "2.25.", "secret") if word in text]
    reasons = folder / "reasons.csv"
    reasons.write_text("".join(reasons.read_text().splitlines(keepends=True)[:2]))
    (hold,) = open_desk(quarantine.zones, RING, SITE).holds
    assert len(hold.files) == 1


def test_a_quarantine_that_older_software_listed_is_read(quarantine: Quarantine) -> None:
    """Before reasons had a detail, `reasons.csv` had no such column; every night reads it."""
    quarantine.add(b"no image", ReasonCode.NOT_DICOM)
    quarantine.write()
    (reasons,) = quarantine.zones.restricted.glob("quarantine/*/*/reasons.csv")
    rows = list(csv.DictReader(StringIO(reasons.read_text(encoding="utf-8"))))
    older = [name for name in rows[0] if name != "detail"]
    text = StringIO(newline="")
    writer = csv.DictWriter(text, older, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    reasons.write_text(text.getvalue(), encoding="utf-8")
    assert list(states(quarantine.zones).values()) == [HoldState.OPEN]
    assert taken(quarantine.zones) == 0


def test_an_erasure_takes_a_persons_files_out_of_listing_index_and_page(
    quarantine: Quarantine,
) -> None:
    zones = quarantine.zones
    quarantine.add_series(lettered(n_slices=2))
    stays = quarantine.add_series(lettered(n_slices=2, series=2, subject=2))
    quarantine.write()
    write_page(zones, RING, open_desks(zones, RING))
    erase_from_warehouse(zones, SITE, "S91-ZZZZ2222", ["PID000001"])
    erase_page(zones)
    (hold,) = open_desk(zones, RING, SITE).holds
    assert (hold.hold_id, len(hold.files)) == (stays, 2)
    assert len(read_listing((zones.quarantine(SITE, BATCH) / LISTING_NAME).read_bytes())) == 1
    assert not page_folder(zones).exists()
