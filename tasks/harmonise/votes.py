"""Votes of rules, and what they come to: a value, nothing, or a conflict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.identifiers import RuleId


@dataclass(frozen=True)
class Vote:
    """One rule's vote and what it saw: the tag's keyword and the matched word or value."""

    rule_id: RuleId
    facet: str
    value: str
    priority: int
    tag: str
    matched: str

    @property
    def evidence(self) -> str:
        """Rule id, tag keyword, matched token; never the raw text."""
        return f"{self.rule_id} {self.tag}={self.matched}"


@dataclass(frozen=True)
class Resolution:
    """What the votes on one facet come to.

    `value` is that of the highest priority; None with `conflict` when votes of that
    priority disagree, and None without when nothing voted.
    """

    value: str | None = None
    votes: tuple[Vote, ...] = ()
    conflict: bool = False

    @property
    def priority(self) -> int:
        """Priority of the votes that decided, 0 without votes."""
        return self.votes[0].priority if self.votes else 0

    @property
    def evidence(self) -> tuple[str, ...]:
        """Evidence of the votes that decided."""
        return tuple(vote.evidence for vote in self.votes)


NOTHING = Resolution()


@dataclass(frozen=True)
class Facets:
    """Resolutions by facet."""

    by_facet: Mapping[str, Resolution] = field(default_factory=dict)

    def __getitem__(self, facet: str) -> Resolution:
        return self.by_facet.get(facet, NOTHING)

    def or_else(self, other: Facets) -> Facets:
        """Return these facets; where one is missing, the other's."""
        return Facets({**other.by_facet, **self.by_facet})


def resolve(votes: Iterable[Vote]) -> Facets:
    """Return per facet what the highest priority says."""
    by_facet: dict[str, list[Vote]] = {}
    for vote in votes:
        by_facet.setdefault(vote.facet, []).append(vote)
    return Facets({facet: _resolve_one(cast) for facet, cast in by_facet.items()})


def _resolve_one(votes: list[Vote]) -> Resolution:
    if len(votes) == 1:
        return Resolution(votes[0].value, tuple(votes))
    highest = max(vote.priority for vote in votes)
    deciding = tuple(
        sorted((v for v in votes if v.priority == highest), key=lambda v: (v.rule_id, v.matched))
    )
    values = {vote.value for vote in deciding}
    if len(values) > 1:
        return Resolution(None, deciding, conflict=True)
    return Resolution(deciding[0].value, deciding)
