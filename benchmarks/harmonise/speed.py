"""How fast labels are given: strings, series from header features, and reading the rules anew.

    python benchmarks/harmonise/speed.py [--strings FILE.csv]

Processor time of one process. Strings are measured twice: every one new, and as a cohort has
them, where hospitals repeat their names (each 50 times). Goals: 50 000 strings/s, 2 000
series/s, rules in less than a second.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
from collections.abc import Callable
from pathlib import Path

from exams import make_exam

from tasks.harmonise.exam import label_instances
from tasks.harmonise.store_rules import require_tables, with_tables
from tasks.harmonise.text import label_strings

_GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "series_names.csv"


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=Path, default=_GOLDEN)
    options = parser.parse_args()
    with options.strings.open(encoding="utf-8-sig", newline="") as stream:
        names = [
            {"description": row["description"], "modality": row["modality"]}
            for row in csv.DictReader(stream)
        ]
    seconds = _cost(lambda: with_tables(None, require_tables))
    print(f"rules read anew with all examples: {seconds:.2f} s")
    new = [
        {**row, "description": f"{row['description']} {number}mm"}
        for number in range(1, 21)
        for row in names
    ]
    _print("strings, every one new", len(new), _cost(lambda: label_strings(new)))
    cohort = names * 50
    random.Random(1).shuffle(cohort)
    with_tables(None, require_tables)
    _print("strings, as a cohort repeats them", len(cohort), _cost(lambda: label_strings(cohort)))
    exams = [make_exam(seed) for seed in range(900_000, 900_300)]
    n_series = sum(len({m.series_uid for m in exam.instances}) for exam in exams)
    _print("series", n_series, _cost(lambda: [label_instances(e.instances) for e in exams]))


def _cost(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _print(what: str, count: int, seconds: float) -> None:
    print(f"{what}: {count / seconds:,.0f}/s ({count} in {seconds:.2f} s)")


if __name__ == "__main__":
    main()
