"""Decisions remembered for the very same bytes: most elements are alike all through a series.

A decision depends on nothing but the element's place, tag, VR and bytes, and on the person;
so replaying it gives the same bytes as deciding anew. Without a memory everything is decided
anew: that is the reference the tests hold this against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from tasks.deidentify.replay import Reference

_T = TypeVar("_T")
_MOST_CONTEXTS, _MOST_DECISIONS, _LONGEST_VALUE = 8, 20_000, 16 << 10


class Memory:
    """What one worker remembers (restricted: it holds values of headers).

    Beside decisions, the files that series are replayed from, the last used first, and by
    shape of header which elements differed within a series (`replay`).
    """

    def __init__(self) -> None:
        self._contexts: dict[object, Decisions] = {}
        self.references: list[Reference] = []
        self.differing: dict[object, frozenset[int]] = {}

    def of(self, context: object) -> Decisions:
        """Return the decisions taken in one context; few contexts are kept at a time."""
        found = self._contexts.get(context)
        if found is None:
            if len(self._contexts) >= _MOST_CONTEXTS:
                self._contexts.clear()
            found = self._contexts[context] = Decisions()
        return found


class Decisions:
    """Decisions by place, tag, VR and bytes."""

    def __init__(self) -> None:
        self._known: dict[object, object] = {}

    def recall(
        self, place: str, tag: int, vr: str | None, value: bytes, decide: Callable[[], _T]
    ) -> _T:
        """Return what was decided for these bytes at this place, deciding once."""
        if len(value) > _LONGEST_VALUE:
            return decide()
        key = (place, tag, vr, value)
        known = self._known
        try:
            return cast(_T, known[key])
        except KeyError:
            if len(known) >= _MOST_DECISIONS:
                known.clear()
            made = known[key] = decide()
            return made
