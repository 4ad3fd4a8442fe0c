"""Where the delivered files ended: one row per batch, summed per site and over all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.states import FileState
from tasks.report.model import BatchAccount

STATES: tuple[str, ...] = tuple(state.value for state in FileState)


@dataclass(frozen=True)
class FileSum:
    """Files delivered and where they ended."""

    n_batches: int
    n_files: int
    counts: tuple[tuple[str, int], ...]

    @property
    def accounted(self) -> int:
        """Files in one of the five states."""
        return sum(count for _, count in self.counts)

    @property
    def gap(self) -> int:
        """Files delivered less files accounted for; 0 when the account closes."""
        return self.n_files - self.accounted

    @property
    def adds_up(self) -> bool:
        """Whether every file is in exactly one state."""
        return self.gap == 0


def sum_files(batches: Iterable[BatchAccount]) -> FileSum:
    """Return the account over batches; a state outside the five counts as a gap."""
    taken = list(batches)
    counts: Counter[str] = Counter()
    for batch in taken:
        counts.update(batch.counts)
    return FileSum(
        n_batches=len(taken),
        n_files=sum(batch.n_files for batch in taken),
        counts=tuple((state, counts[state]) for state in STATES),
    )


def sites_off(batches: Sequence[BatchAccount]) -> tuple[str, ...]:
    """Return the sites with a batch whose states do not sum to its files.

    Batches are looked at one by one: two errors of opposite sign must not cancel.
    """
    return tuple(sorted({batch.site_code for batch in batches if not sum_files([batch]).adds_up}))


def sum_reasons(batches: Iterable[BatchAccount]) -> tuple[tuple[str, int], ...]:
    """Return why files were set aside, most frequent first."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(batch.reasons)
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
