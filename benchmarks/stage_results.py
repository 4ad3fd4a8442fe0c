"""What `benchmarks/stages.py` measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BASE, NOW, BEFORE = "base", "now", "before"


@dataclass(frozen=True)
class Measured:
    """Median CPU seconds of one case, their spread, median wall seconds, largest process in MiB."""

    cpu_s: float
    spread_s: tuple[float, float]
    wall_s: float
    peak_mib: float


@dataclass(frozen=True)
class Results:
    """All of a run.

    Attributes
    ----------
    facts : mapping
        What a reader has to know of the machine and the corpus.
    sources : mapping
        Case to the delivery that it reads.
    files : mapping
        Delivery to how many files it has, and their bytes.
    measured : mapping
        By case and who; of a delivery and `BASE` for copying it.
    disk : mapping
        Bytes of the warehouse for each byte delivered, by case and who.
    problems : sequence of str
        What could not be measured, and why.
    """

    facts: Mapping[str, str]
    sources: Mapping[str, str]
    files: Mapping[str, tuple[int, int]]
    measured: Mapping[tuple[str, str], Measured]
    disk: Mapping[tuple[str, str], float]
    problems: Sequence[str]

    def of_case(self, case: str) -> list[tuple[str, Measured]]:
        """Return base, peers and ours of a case, as they stand in table and plot."""
        base = self.measured.get((self.sources[case], BASE))
        others = [(who, one) for (name, who), one in self.measured.items() if name == case]
        rank = {BEFORE: 1, NOW: 2}
        others.sort(key=lambda found: rank.get(found[0], 0))
        return [*([(BASE, base)] if base else []), *others]
