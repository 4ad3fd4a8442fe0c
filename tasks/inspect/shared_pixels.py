"""The same pictures of two subjects: one person under two numbers, or one exam sent twice. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.inspection import PixelRow
from schemas.pixel_decisions import Question
from tasks.inspect.plan import Settled


@dataclass(frozen=True)
class Shared:
    """`series` of this batch to hold; instances of earlier batches to hold, or to let go."""

    series: frozenset[str]
    held: frozenset[str]
    lifted: frozenset[str]


def shared_pixels(
    arrived: Sequence[PixelRow], known: Iterable[PixelRow], settled: Settled
) -> Shared:
    """Return what is held because pictures of one subject are those of another.

    Parameters
    ----------
    arrived : sequence of PixelRow
        Instances of this batch.
    known : iterable of PixelRow
        Instances of committed batches, of all sites, with digests of these.
    settled : mapping
        Who has been asked already: a digest about which a person said yes holds nothing, and
        what it held before goes on.
    """
    known = list(known)
    persons: dict[str, set[str]] = defaultdict(set)
    for row in (*arrived, *known):
        persons[row.digest].add(row.subject_id)
    shared = {digest for digest, who in persons.items() if len(who) > 1}
    here = [row for row in arrived if row.digest in shared]
    answered = {r.digest for r in here if Question.PERSON in settled.get(r.sop_uid, ())}
    asked = {row.digest for row in here} - answered
    return Shared(
        series=frozenset(row.series_uid for row in here if row.digest in asked),
        held=frozenset(row.sop_uid for row in known if row.digest in asked),
        lifted=frozenset(row.sop_uid for row in known if row.digest in answered),
    )
