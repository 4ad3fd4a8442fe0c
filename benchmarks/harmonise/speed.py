"""How fast labels are given: strings, series from header features, and reading the rules anew.

    python benchmarks/harmonise/speed.py [--strings FILE.csv] [--folder DICOM]

Processor time of one process, rules read before. The strings are real series descriptions, made
into 100 000 of which no two are alike, in three ways: *varied* has the words of one description
in their order, with other separators, another case, one word more that stands in no vocabulary,
and another number behind; *numbered* has only the number; *mixed* is harder than any hospital,
with the words of two descriptions shuffled. Last, as a cohort has them, where hospitals repeat
their names (each 50 times). Goals: 50 000 strings/s, 2 000 series/s, rules in less than a second.
With a folder only that: user and system time of labelling it for each file, in one process that
has read it once before. Goal: 1.0 ms.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from exams import make_exam

from schemas.dicom.descriptors import clean_descriptor
from tasks.harmonise.exam import label_instances
from tasks.harmonise.store import label_folder
from tasks.harmonise.store_rules import require_tables, with_tables
from tasks.harmonise.text import label_strings

_GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "series_names.csv"
_N_NEW = 100_000

Row = dict[str, str]


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=Path, default=_GOLDEN)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.folder is not None:
        _measure_folder(options.folder)
        return
    with options.strings.open(encoding="utf-8-sig", newline="") as stream:
        names = [
            {"description": row["description"], "modality": row["modality"]}
            for row in csv.DictReader(stream)
        ]
    seconds = _cost(lambda: with_tables(None, require_tables))
    print(f"rules read anew with all examples: {seconds:.2f} s")
    _measure_strings("every one new, varied", _varied(names))
    _measure_strings("every one new, mixed", _mixed(names))
    _measure_strings("every one new, numbered", _numbered(names))
    cohort = names * 50
    random.Random(1).shuffle(cohort)
    _measure_strings("as a cohort repeats them", cohort)
    exams = [make_exam(seed) for seed in range(900_000, 900_300)]
    n_series = sum(len({m.series_uid for m in exam.instances}) for exam in exams)
    _print("series", n_series, _cost(lambda: [label_instances(e.instances) for e in exams]))


def _varied(names: Sequence[Row]) -> list[Row]:
    source = random.Random(2)
    return _all_new(names, source, lambda row: _words(row))


def _mixed(names: Sequence[Row]) -> list[Row]:
    source = random.Random(3)

    def words(row: Row) -> list[str]:
        both = _words(row) + _words(source.choice(names))
        source.shuffle(both)
        return both[: source.randint(2, 6)]

    return _all_new(names, source, words)


def _words(row: Row) -> list[str]:
    return re.split(r"[\s_]+", row["description"])


def _all_new(
    names: Sequence[Row], source: random.Random, words_of: Callable[[Row], list[str]]
) -> list[Row]:
    found: dict[str, Row] = {}
    while len(found) < _N_NEW:
        row = source.choice(names)
        words = words_of(row)
        unknown = "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=5))
        words.insert(source.randint(0, len(words)), unknown)
        words.append(f"{source.randint(1, 400) / 10:g}{source.choice(['', 'mm', ' mm'])}")
        text = "".join(word + source.choice([" ", " ", "_", "_", "-", "  "]) for word in words)
        text = source.choice([text, text.upper(), text.lower()])
        found[text] = {"description": text, "modality": row["modality"]}
    return list(found.values())


def _numbered(names: Sequence[Row]) -> list[Row]:
    numbers = range(1, 1 + _N_NEW // len(names))
    return [
        {**r, "description": f"{r['description']} {n / 10:g}mm"} for n in numbers for r in names
    ]


def _measure_strings(what: str, rows: Sequence[Row]) -> None:
    with_tables(None, require_tables)
    require_tables()
    seconds = _cost(lambda: label_strings(rows))
    texts = {row["description"] for row in rows}
    n_cleaned = len({clean_descriptor(text) for text in texts})
    _print(f"strings, {what} ({len(texts)} texts, {n_cleaned} when cleaned)", len(rows), seconds)


def _measure_folder(folder: Path) -> None:
    n_files = len(label_folder(folder).files)
    seconds = _cost(lambda: label_folder(folder))
    print(f"{1000 * seconds / n_files:.2f} ms a file ({n_files} files in {seconds:.2f} s)")


def _cost(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _print(what: str, count: int, seconds: float) -> None:
    print(f"{what}: {count / seconds:,.0f}/s ({count} in {seconds:.2f} s)")


if __name__ == "__main__":
    main()
