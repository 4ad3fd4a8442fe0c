"""Han names of a batch looked up in a process that ends: its dictionary is no part of the night."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.run.pool import Loss, run_isolated
from tasks.deidentify.identifiers import IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.name_forms import han_names, know_spellings, spellings_of

_NAMES = frozenset({IdentifierKind.NAME, IdentifierKind.PHYSICIAN})


def learn_spellings(people: Iterable[SubjectIdentifiers]) -> None:
    """Have at hand how the names of these people are spelled, and no others.

    One that is not among them, or all where the process was lost, are looked up when they are
    asked for.
    """
    values = {one.value for person in people for one in person.identifiers if one.kind in _NAMES}
    names = sorted({name for value in values for name in han_names(value)})
    outcomes = dict(run_isolated(spellings_of, [names], workers=1)) if names else {}
    know_spellings(
        {
            name: spelling
            for found in outcomes.values()
            if not isinstance(found, Loss)
            for name, spelling in found.items()
        }
    )
