"""Why an object is set aside."""

from __future__ import annotations

from typing import NamedTuple

from schemas.states import ReasonCode


class Refusal(NamedTuple):
    """A reason and its detail, which names attributes or what was seen, never a value."""

    reason: ReasonCode
    detail: str = ""
