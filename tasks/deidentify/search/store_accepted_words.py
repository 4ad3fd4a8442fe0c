"""Words that a person decided name nobody: left out of the search, with a reason each."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from schemas.errors import BadInputError, ContractError
from schemas.rule_tables import Cells, TableShape, read_table
from schemas.run.atomic_files import write_bytes
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers

#: In the restricted zone: a word may be one that names somebody after all.
ACCEPTED_NAME = "accepted_words.csv"
_COLUMNS = ("site", "kind", "value", "decided_by", "date", "reason")
_SHORTEST_REASON = 10
_SHAPE = TableShape(_COLUMNS, key=("site", "kind", "value"), stated=_COLUMNS, may_be_empty=True)
#: A number or a name of a patient is never accepted away.
_DECIDABLE = frozenset([IdentifierKind.PHYSICIAN, IdentifierKind.HOSPITAL, IdentifierKind.ADDRESS])

Accepted = frozenset[tuple[str, Identifier]]


class Decision(NamedTuple):
    """Who decided when, and why."""

    decided_by: str
    date: str
    reason: str


def read_accepted(path: Path) -> Accepted:
    """Return (site, identifier) for each decision; none when there is no file.

    Raises
    ------
    ContractError
        If a row is without author, day or reason, or decides about what a person may not;
        the word is not quoted.
    """
    return frozenset(read_table(path, _SHAPE, _decided)) if path.is_file() else frozenset()


def is_decidable(kind: IdentifierKind) -> bool:
    """Return whether a person may decide that a word of this kind names nobody."""
    return kind in _DECIDABLE


def add_decision(path: Path, site: str, word: Identifier, decision: Decision) -> None:
    """Write down that a word of a site names nobody.

    Raises
    ------
    BadInputError
        If who decided is not said, or the reason is too short; nothing is written then.
    """
    if not decision.decided_by.strip():
        raise BadInputError("nobody is said to have decided", expected="a short code of a person")
    if len(decision.reason.strip()) < _SHORTEST_REASON:
        raise BadInputError("no reason", expected=f"{_SHORTEST_REASON} characters or more")
    rows = list(read_table(path, _SHAPE, lambda row: row)) if path.is_file() else []
    rows.append(dict(zip(_COLUMNS, (site, str(word.kind), word.value, *decision), strict=True)))
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode("utf-8"), mode=0o600)


def _decided(row: Cells) -> tuple[str, Identifier]:
    if row["kind"] not in _DECIDABLE:
        raise ContractError("a kind that cannot be decided", expected=", ".join(sorted(_DECIDABLE)))
    if len(row["reason"]) < _SHORTEST_REASON:
        raise ContractError("no reason", expected=f"{_SHORTEST_REASON} characters or more")
    return row["site"], Identifier(IdentifierKind(row["kind"]), row["value"])


def without_accepted(person: SubjectIdentifiers, accepted: Accepted) -> SubjectIdentifiers:
    """Return a person without the words that were decided for their site."""
    site = person.subject_id.partition("-")[0]
    left = frozenset(one for one in person.identifiers if (site, one) not in accepted)
    return replace(person, identifiers=left)
