"""Decisions come as files bound to what was looked at, and are kept whole and in turn."""

from __future__ import annotations

import json
import stat

import pytest

from schemas.errors import BadInputError, GateBlockedError
from schemas.held_series import LISTING_NAME
from schemas.pixel_decisions import Box, Outcome
from schemas.run.zones import Zones
from schemas.vault.pixel_decision_log import decision_log, read_decisions, record_decisions
from tasks.desk.decide import read_box, read_decision_file
from tasks.desk.store_decide import hold_sha256, open_desks
from tests.unit.desk.deciding import MASK, ask, say
from tests.unit.desk.quarantined import (
    BATCH,
    RING,
    SITE,
    Quarantine,
    lettered,
)


def saved(zones: Zones, **changes: object) -> bytes:
    """What a page saves about the first hold."""
    (desk,) = open_desks(zones, RING)
    hold = desk.holds[0]
    row = {
        "hold_id": hold.hold_id,
        "hold_sha256": hold_sha256(RING, hold),
        "outcome": "mask",
        "boxes": [[2, 2, 50, 16]],
        "reason": "a name is masked",
        "until": "",
    }
    rows = [{**row, **changes}]
    return json.dumps(
        {"format": "livercohort-quarantine/1", "reviewer": "QC01", "decisions": rows}
    ).encode()


def test_a_saved_file_is_bound_to_what_was_looked_at(quarantine: Quarantine) -> None:
    quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    zones, data = quarantine.zones, saved(quarantine.zones)
    assert say(zones, *read_decision_file(data)) == 1
    listing = zones.quarantine(SITE, BATCH) / LISTING_NAME
    listing.write_text(listing.read_text().replace('"x": 6', '"x": 7'))
    with pytest.raises(GateBlockedError, match="not as it was"):
        say(zones, *read_decision_file(data))


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "keep"},
        {"boxes": [[1, 2, 3]]},
        {"boxes": [["1", 2, 3, 4]]},
        {"reason": 7},
        {"hold_id": "../x"},
        {"until": "soon"},
        {"hold_sha256": ""},
    ],
    ids=str,
)
def test_a_malformed_file_is_refused_without_a_value(
    quarantine: Quarantine, changes: dict[str, object]
) -> None:
    quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    with pytest.raises(BadInputError, match="no list of decisions"):
        read_decision_file(saved(quarantine.zones, **changes))


def test_a_box_is_read_as_written() -> None:
    assert read_box("10, 12,150,24") == Box(10, 12, 150, 24)
    with pytest.raises(BadInputError):
        read_box("10,12,150")


def test_the_chain_of_decisions_shows_every_change(quarantine: Quarantine) -> None:
    zones = quarantine.zones
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(zones, ask(hold_id, Outcome.REJECT))
    say(zones, ask(hold_id, Outcome.MASK, boxes=(MASK,)))
    log = decision_log(zones)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    whole = log.read_text(encoding="utf-8")
    first, second = whole.splitlines()
    for broken in (
        whole.replace('"mask"', '"accept"'),
        first + "\n",
        second + "\n",
        f"{second}\n{first}\n",
        f"{whole}{second}\n",
        "",
    ):
        log.write_text(broken, encoding="utf-8")
        with pytest.raises(GateBlockedError):
            read_decisions(zones, RING)
        with pytest.raises(GateBlockedError):
            record_decisions(zones, RING, read_one(zones, whole))
    log.write_text(whole, encoding="utf-8")
    assert [d.outcome for d in read_decisions(zones, RING).decisions] == ["reject", "mask"]


def read_one(zones: Zones, text: str) -> list:  # type: ignore[type-arg]
    """Return the decisions of a whole log, read where it is whole."""
    log = decision_log(zones)
    now = log.read_text(encoding="utf-8")
    log.write_text(text, encoding="utf-8")
    found = list(read_decisions(zones, RING).decisions)
    log.write_text(now, encoding="utf-8")
    return found


def test_a_log_that_is_gone_is_missed(quarantine: Quarantine) -> None:
    hold_id = quarantine.add_series(lettered(n_slices=2))
    quarantine.write()
    say(quarantine.zones, ask(hold_id, Outcome.REJECT))
    decision_log(quarantine.zones).unlink()
    with pytest.raises(GateBlockedError, match="0 decisions are kept, not the 1"):
        read_decisions(quarantine.zones, RING)
