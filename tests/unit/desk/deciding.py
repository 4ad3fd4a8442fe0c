"""Decisions as the tests of the desk make them."""

from __future__ import annotations

import datetime as dt

from schemas.pixel_decisions import Box, Outcome
from schemas.run.zones import Zones
from tasks.desk.decide import Request
from tasks.desk.store_decide import decide
from tests.unit.desk.quarantined import (
    RING,
)

TODAY = dt.date(2026, 11, 20)


MASK = Box(x=2, y=2, width=50, height=16)


def nobody(_: str) -> None:
    """Stand for a search that finds nothing."""


def ask(hold_id: str, outcome: Outcome, **more: object) -> Request:
    facts: dict[str, object] = {"reviewer": "QC01", "reason": "looked at", **more}
    return Request(hold_id=hold_id, outcome=outcome, **facts)  # type: ignore[arg-type]


def say(zones: Zones, *requests: Request, today: dt.date = TODAY) -> int:
    """Decide and return how many decisions were new."""
    return sum(new for _, new in decide(zones, RING, requests, search=nobody, today=today))
