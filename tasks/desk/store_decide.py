"""Keep what reviewers decide: checked against what is held now, all of a file or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

from schemas.errors import BadInputError, GateBlockedError
from schemas.identifiers import Sha256, SiteCode
from schemas.pixel_decisions import PixelDecision
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, Purpose
from schemas.vault.pixel_decision_log import record_decisions, with_id
from tasks.desk.decide import MAX_BYTES, READY_REASONS, Request, draft, read_decision_file
from tasks.desk.held import Hold, HoldState
from tasks.desk.store_again import Desk, open_desk
from tasks.desk.store_held import sites_with_holds

_PREFERRED = (HoldState.OPEN, HoldState.WAITING, HoldState.REJECTED, HoldState.TAKEN_IN)


def open_desks(zones: Zones, ring: KeyRing, site: SiteCode | None = None) -> list[Desk]:
    """Return what is held of a site, or of every site."""
    sites = [site] if site is not None else sites_with_holds(zones)
    return [open_desk(zones, ring, code) for code in sites]


def hold_sha256(ring: KeyRing, hold: Hold) -> Sha256:
    """Return the keyed hash of what a decision is about: a page's decisions are bound to it."""
    return Sha256(ring.mac(Purpose.DECISIONS, "hold", hold.content()).hex())


def find_hold(desks: Sequence[Desk], hold_id: str) -> tuple[Hold, HoldState]:
    """Return a hold by its id, the one that still asks something where there are several.

    Raises
    ------
    BadInputError
        If there is none.
    """
    found = [
        (hold, desk.state_of(hold))
        for desk in desks
        for hold in desk.holds
        if hold.hold_id == hold_id
    ]
    if not found:
        raise BadInputError(
            "nothing is held under this id",
            expected="16 hex digits as `livercohort quarantine list` prints them",
        )
    return min(found, key=lambda pair: _PREFERRED.index(pair[1]))


def decide(
    zones: Zones,
    ring: KeyRing,
    requests: Sequence[Request],
    *,
    search: Callable[[str], None],
    today: dt.date,
) -> list[tuple[PixelDecision, bool]]:
    """Check and keep decisions, all or none.

    Parameters
    ----------
    zones, ring
        The home and its key.
    requests : sequence of Request
        What reviewers ask for.
    search : callable
        Looks through free text; raises BadInputError when it says who somebody is.
    today : date
        The day at the hospitals.

    Returns
    -------
    list of (PixelDecision, bool)
        Each decision, and whether it is new.

    Raises
    ------
    BadInputError
        If one may not be decided like that.
    GateBlockedError
        If what is held is not what was looked at.
    """
    desks = open_desks(zones, ring)
    drafts = []
    for request in requests:
        hold, state = _looked_at(desks, request, ring)
        drafts.append(draft(hold, state, request, today, _follows(desks, hold, state)))
    for reason in sorted({request.reason for request in requests} - READY_REASONS):
        search(reason)
    new = {decision.decision_id for decision in record_decisions(zones, ring, drafts)}
    made = [with_id(ring, one) for one in drafts]
    return [(decision, decision.decision_id in new) for decision in made]


def _follows(desks: Sequence[Desk], hold: Hold, state: HoldState) -> str:
    """Return after which decision a hold is open again; of one that waits, what that followed.

    So the same answer to the same hold is the same decision, and to a hold that came back a new.
    """
    decided = desks[0].decisions.of_all(hold.digests, hold.question)
    if decided is None:
        return ""
    return decided.decision_id if state is HoldState.OPEN else decided.follows


def _looked_at(desks: Sequence[Desk], request: Request, ring: KeyRing) -> tuple[Hold, HoldState]:
    """Return the hold of a request: from a page exactly the one that was looked at."""
    if not request.hold_sha256:
        return find_hold(desks, request.hold_id)
    for desk in desks:
        for hold in desk.holds:
            same = hold.hold_id == request.hold_id
            if same and hold_sha256(ring, hold) == request.hold_sha256:
                return hold, desk.state_of(hold)
    find_hold(desks, request.hold_id)
    raise GateBlockedError(
        f"hold {request.hold_id} is not as it was when it was looked at",
        hint="Build the page again (`livercohort quarantine page`) and look again.",
    )


def read_requests(path: Path) -> tuple[Request, ...]:
    """Read the file of a review page.

    Raises
    ------
    BadInputError
        If it cannot be read or is no such file.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError:
        raise BadInputError("the decision file cannot be read", expected="a file") from None
    return read_decision_file(data)
