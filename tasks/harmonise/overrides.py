"""Decisions of reviewers that come back as overrides: who, when, why, for which sub-stack.

An override names one sub-stack by series UID and digest. It stands above every rule, shows in
the evidence, and is a finding when the sub-stack it names is no longer there: a series that
grew has another digest, and nobody has looked at it yet.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from io import StringIO

from schemas.errors import ContractError
from schemas.rule_tables import TableShape, one_line, parse_table
from tasks.harmonise.decide import Decision
from tasks.harmonise.vocabulary import UNCLASSIFIED, read_labels

OVERRIDE_COLUMNS = ("series_uid", "sub_stack_digest", "label", "author", "date", "reason")
_UID = re.compile(r"[0-9.]{3,64}")
_DIGEST = re.compile(r"[0-9a-f]{16}")
_AUTHOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")

_SHAPE = TableShape(
    OVERRIDE_COLUMNS, key=("series_uid", "sub_stack_digest"), stated=(), may_be_empty=True
)

Key = tuple[str, str]


@dataclass(frozen=True)
class Override:
    """One reviewer's decision about one sub-stack."""

    series_uid: str
    sub_stack_digest: str
    label: str
    author: str
    day: str
    reason: str

    @property
    def key(self) -> Key:
        """Primary key of the series table."""
        return self.series_uid, self.sub_stack_digest

    @property
    def evidence(self) -> str:
        """What a label made by this decision shows; the reason stays in the file of decisions."""
        return f"OVERRIDE author={self.author} date={self.day}"


def parse_overrides(data: bytes | str, name: str) -> dict[Key, Override]:
    """Parse a file of decisions, one for each sub-stack.

    Raises
    ------
    ContractError
        For other columns, or a row without author, date or reason, with a label that does not
        exist, a key that names nothing or stands twice; the message names file and line.
    """
    decisions = parse_table(data, name, _SHAPE, make_override)
    return {decision.key: decision for decision in decisions}


def make_override(row: Mapping[str, str | None], where: str = "") -> Override:
    """Return the decision of one row, or refuse it by file, line and reason."""
    values = [one_line(row.get(column) or "") for column in OVERRIDE_COLUMNS]
    series_uid, digest, label, author, day, reason = values
    if not _UID.fullmatch(series_uid) or not _DIGEST.fullmatch(digest):
        raise ContractError("no series UID and digest of a sub-stack", where=where)
    if label not in read_labels() or label == UNCLASSIFIED:
        raise ContractError("a label that does not exist, or none", where=where)
    if not is_author(author):
        raise ContractError(
            "no author", expected="a short code: letters, digits, dot, dash", where=where
        )
    if not is_day(day) or not reason:
        raise ContractError("no date or no reason", expected="YYYY-MM-DD and words", where=where)
    return Override(series_uid, digest, label, author, day, reason)


def is_author(text: str) -> bool:
    """Return whether a text is the short code of a person."""
    return _AUTHOR.fullmatch(text) is not None


def is_day(text: str) -> bool:
    """Return whether a text is a day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def render_overrides(overrides: Iterable[Override]) -> str:
    """Return a file of decisions, sorted by key."""
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(OVERRIDE_COLUMNS)
    for o in sorted(overrides, key=lambda o: o.key):
        writer.writerow((o.series_uid, o.sub_stack_digest, o.label, o.author, o.day, o.reason))
    return stream.getvalue()


def decided(decision: Decision, override: Override) -> Decision:
    """Return the decision that a reviewer put in a rule's place."""
    definition = read_labels()[override.label]
    phase = definition.contrast_phase
    return replace(
        decision,
        label=override.label,
        tier="A",
        evidence=(override.evidence,),
        weighting=definition.weighting,
        is_dynamic=phase is not None,
        contrast_phase=phase,
    )


def stale_overrides(
    overrides: Mapping[Key, Override], present: Collection[Key], *, all_series: bool
) -> tuple[Override, ...]:
    """Return the decisions whose sub-stack is not there any more.

    Parameters
    ----------
    overrides : mapping
        Decisions by key.
    present : collection of keys
        Sub-stacks that were labelled.
    all_series : bool
        Whether everything was labelled. Of a part, a series that is not in it says nothing.
    """
    known = {series_uid for series_uid, _ in present}
    gone: Sequence[Override] = [
        o
        for key, o in sorted(overrides.items())
        if key not in present and (all_series or o.series_uid in known)
    ]
    return tuple(gone)
