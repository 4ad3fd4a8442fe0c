"""Words that a person decided name nobody: left out of the search, with a reason each."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from schemas.errors import ContractError
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers

#: In the restricted zone: a word may be one that names somebody after all.
ACCEPTED_NAME = "accepted_words.csv"
_COLUMNS = ("site", "kind", "value", "decided_by", "date", "reason")
_SHORTEST_REASON = 10
#: A number or a name of a patient is never accepted away.
_DECIDABLE = frozenset([IdentifierKind.PHYSICIAN, IdentifierKind.HOSPITAL, IdentifierKind.ADDRESS])

Accepted = frozenset[tuple[str, Identifier]]


def read_accepted(path: Path) -> Accepted:
    """Return (site, identifier) for each decision; none when there is no file.

    Raises
    ------
    ContractError
        If a row is without author, day or reason, or decides about what a person may not;
        the word is not quoted.
    """
    if not path.is_file():
        return frozenset()
    found = set()
    rows = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)
    for line, row in enumerate(rows, start=2):
        if tuple(row) != _COLUMNS or None in row.values() or not all(row.values()):
            raise _refused(line, "a column is missing or empty", ",".join(_COLUMNS))
        if row["kind"] not in _DECIDABLE:
            raise _refused(line, "this kind cannot be decided", ", ".join(sorted(_DECIDABLE)))
        if len(row["reason"]) < _SHORTEST_REASON:
            raise _refused(line, "no reason", f"{_SHORTEST_REASON} characters or more")
        found.add((row["site"], Identifier(IdentifierKind(row["kind"]), row["value"])))
    return frozenset(found)


def without_accepted(person: SubjectIdentifiers, accepted: Accepted) -> SubjectIdentifiers:
    """Return a person without the words that were decided for their site."""
    site = person.subject_id.partition("-")[0]
    left = frozenset(one for one in person.identifiers if (site, one) not in accepted)
    return replace(person, identifiers=left)


def _refused(line: int, found: str, expected: str) -> ContractError:
    return ContractError(found, where=f"restricted/{ACCEPTED_NAME} line {line}", expected=expected)
