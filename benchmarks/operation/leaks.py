"""Whether anything that nights tell, record or have recorded by their server names anybody.

    PYTHONPATH=. python benchmarks/operation/leaks.py HOME --key FOLDER [--also FILE ...]

What was planted is known from the answer key of the simulator, and from what the caller planted
besides, such as names of exports. It is looked for in every encoding that hospitals use, in every
byte of what people and monitors read: logs, digests, metrics, records of nights, what a client of
Prefect keeps, and the files that are named, such as a dump of the server's database. The search
shares nothing with ours. The same search has to find what was planted in the inbox.
`benchmarks/operation/sites.py` asks it after a night of many sites.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ahocorasick
import pyarrow.parquet as pq

from tests.flows.test_no_leak import contents, encoded

#: Zones of a home that people, monitors and servers read without the key.
TOLD = ("operations", "logs", "prefect")


@dataclass
class Found:
    """What was searched, and what of the planted values was found where."""

    values: int
    files: Counter[str] = field(default_factory=Counter)
    mib: float = 0.0
    hits: set[tuple[str, str]] = field(default_factory=set)
    in_inbox: int = 0

    def __str__(self) -> str:
        """Say it in a line for each place."""
        lines = [f"{self.values} planted values, {self.in_inbox} of them found in the inbox"]
        lines += [f"  {number:5d} {place}" for place, number in sorted(self.files.items())]
        lines += [f"  {self.mib:.1f} MiB searched, {len(self.hits)} planted identifiers found"]
        return "\n".join([*lines, *(f"  FOUND {kind} in {where}" for where, kind in self.hits)])


class Search:
    """Looks for planted values, each in every encoding."""

    def __init__(self, key: Path, also: Iterable[str] = ()) -> None:
        rows = pq.read_table(key / "identifiers.parquet").to_pylist()
        self.kinds = {row["value"]: row["kind"] for row in rows if row["scope"] == "everywhere"}
        self.kinds |= dict.fromkeys(also, "planted by hand")
        self._automaton = ahocorasick.Automaton()
        for value in self.kinds:
            for form in encoded(value):
                self._automaton.add_word(form.decode("latin-1"), value)
        self._automaton.make_automaton()

    def values_in(self, data: bytes) -> set[str]:
        """Return which of the planted values stand in some bytes."""
        return {value for _, value in self._automaton.iter(data.decode("latin-1"))}

    def told(self, home: Path, others: dict[str, list[bytes]]) -> Found:
        """Search what a home tells, and other bytes by the name of their place."""
        found = Found(len(self.kinds))
        for place, data in self._places(home, others):
            found.files[place.split(":")[0]] += 1
            found.mib += len(data) / (1 << 20)
            found.hits |= {(place, self.kinds[value]) for value in self.values_in(data)}
        inbox = {
            value
            for path in (home / "inbox").rglob("*")
            for data in (str(path).encode(), path.read_bytes() if path.is_file() else b"")
            for value in self.values_in(data)
        }
        found.in_inbox = len(inbox)
        return found

    @staticmethod
    def _places(home: Path, others: dict[str, list[bytes]]) -> Iterator[tuple[str, bytes]]:
        for zone in TOLD:
            for path in sorted(p for p in (home / zone).rglob("*") if p.is_file()):
                parts = path.relative_to(home).parts
                name = "/".join(parts[:2] if len(parts) > 2 else parts[:1])
                for data in contents(path):
                    yield f"{name}: {path.name}", data
        for name, texts in others.items():
            for data in texts:
                yield name, data


def main() -> None:
    """Search a home and some files; exit 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--also", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    others = {path.name: list(contents(path)) for path in options.also}
    found = Search(options.key).told(options.home, others)
    print(found)
    raise SystemExit(bool(found.hits))


if __name__ == "__main__":
    main()
