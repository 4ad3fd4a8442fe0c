"""Labels from text alone, measured on a CSV of real series descriptions.

    python benchmarks/harmonise/strings.py FILE.csv [--half looked-at|held-out] [--show-errors]

A row belongs to a half by the hash of its description; rules were written looking at the one,
and are measured on the other.

Columns: description, vendor, modality, gold_label, and, where present, text_decidable (yes or
no) and accept_if_agent_unknown (labels that also count, separated by `|`). Rows without a
gold label are ambiguous: the right answer is to abstain.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import time
from collections import Counter
from pathlib import Path

from tasks.harmonise.text import label_strings

UNCLASSIFIED = "UNCLASSIFIED"


def main() -> None:
    """Print one line per gold label and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--show-errors", action="store_true")
    parser.add_argument("--half", choices=["looked-at", "held-out"])
    options = parser.parse_args()
    with options.file.open(encoding="utf-8-sig", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if options.half in (None, _half(r))]
    label_strings(rows[:1])
    start = time.perf_counter()
    labels = [answer.label for answer in label_strings(rows)]
    seconds = time.perf_counter() - start
    tally: dict[str, Counter[str]] = {}
    for row, label in zip(rows, labels, strict=True):
        gold, outcome = _outcome(row, label)
        tally.setdefault(gold, Counter())[outcome] += 1
        if options.show_errors and outcome not in ("right", "right abstention", "abstained (fair)"):
            print(f"{outcome}: {row['description']!r} [{row['modality']}] {gold} -> {label}")
    _print_table(tally)
    print(f"{len(rows) / seconds:,.0f} strings/s")


def _half(row: dict[str, str]) -> str:
    first = hashlib.sha256(row["description"].encode()).digest()[0]
    return "looked-at" if first % 2 else "held-out"


def _outcome(row: dict[str, str], label: str) -> tuple[str, str]:
    gold = row["gold_label"]
    if not gold:
        kind = "ambiguous " + row["modality"]
        return kind, "right abstention" if label == UNCLASSIFIED else "labelled"
    accepted = {gold, *filter(None, (row.get("accept_if_agent_unknown") or "").split("|"))}
    if label in accepted:
        return gold, "right"
    if label != UNCLASSIFIED:
        return gold, "wrong"
    return gold, "abstained (fair)" if row.get("text_decidable") == "no" else "abstained"


def _print_table(tally: dict[str, Counter[str]]) -> None:
    outcomes = ["right", "abstained", "abstained (fair)", "wrong", "right abstention", "labelled"]
    print(f"{'gold label':<16}" + "".join(f"{name:>18}" for name in outcomes))
    total: Counter[str] = Counter()
    for gold in sorted(tally):
        total += tally[gold]
        print(f"{gold:<16}" + "".join(f"{tally[gold][name]:>18}" for name in outcomes))
    print(f"{'total':<16}" + "".join(f"{total[name]:>18}" for name in outcomes))


if __name__ == "__main__":
    main()
