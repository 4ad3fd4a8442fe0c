"""Labels of the cast of exams, kind by kind, today and with an earlier code beside it.

    python benchmarks/harmonise/cast.py [FILE] [--before FOLDER] [--show]

`FOLDER` is a checkout of an earlier version; it is run with the same exams in a process of its
own. A label counts as right when the cast allows it, as open when there is none, and as wrong
otherwise. A slot is wrong when an image fills it that may not, or one does not that should.
`FILE` is one of the casts in `tests/golden`. Per facet: how many series have a label that the
cast allows of those that have any (precision), and of those whose truth the facet is (recall),
with 95 % intervals (Wilson).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tasks.harmonise.exam import label_instances
from tasks.harmonise.vocabulary import read_labels

_CAST = Path(__file__).parents[2] / "tests" / "unit" / "harmonise" / "cast.py"
_OPEN = "UNCLASSIFIED"
_FACETS = (
    ("CT_", "CT phase"), ("MR_T1_IP", "T1 echo"), ("MR_T1_OP", "T1 echo"),
    ("MR_T1_FAT", "Dixon fat"), ("MR_T1_", "T1 phase"), ("MR_T2", "T2"), ("MR_DWI", "diffusion"),
    ("MR_ADC", "diffusion"), ("MR_", "other MR"),
)  # fmt: skip
_OUTCOMES = ("right", "open", "wrong", "slot wrong")


def main() -> None:
    """Print one line per exam, and the precision of each tier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="cast_of_exams.csv")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    found = measure(options.file, show=options.show)
    if options.json:
        print(json.dumps(found))
        return
    before = _run(options.file, options.before) if options.before else None
    _print(found, before)


def measure(file: str, *, show: bool = False) -> dict[str, dict[str, int]]:
    """Return counts of outcomes by exam, by tier of what is named, and by facet."""
    found: dict[str, Counter[str]] = {}
    for exam, parts in _cast(file).items():
        rows = {
            row.series_uid: row
            for row in label_instances([m for part in parts for m in part.instances]).series
        }
        tally = found.setdefault(exam, Counter())
        for part in parts:
            for uid in sorted({m.series_uid for m in part.instances}):
                row = rows[uid]
                outcome = "right" if row.label in part.right else "wrong"
                outcome = "open" if row.label == _OPEN and outcome == "wrong" else outcome
                tally[outcome] += 1
                if row.label != _OPEN:
                    found.setdefault(f"tier {row.label_tier}", Counter())[outcome] += 1
                    named = found.setdefault(f"facet {_facet(row.label)}", Counter())
                    named[f"named {outcome}"] += 1
                if part.truth != _OPEN:
                    true = found.setdefault(f"facet {_facet(part.truth)}", Counter())
                    true["true"] += 1
                    true["found"] += row.label != _OPEN and outcome == "right"
                fills = _fills(row)
                tally["slot wrong"] += part.fills_slot is not None and fills != part.fills_slot
                if show and outcome != "right":
                    print(outcome, exam, part.name, row.label, *row.label_evidence, sep=" | ")
    return {name: dict(tally) for name, tally in found.items()}


def _fills(row: object) -> bool:
    definition = read_labels()[row.label]  # type: ignore[attr-defined]  # of either version
    has_slot = bool(definition.required_in or definition.thickness_limit_mm)
    has_slot = has_slot or definition.label == "CT_NC"
    # Earlier versions looked at the plane alone.
    return has_slot and getattr(row, "is_diagnostic", getattr(row, "orientation", "") == "axial")


def _facet(label: str) -> str:
    return next((facet for start, facet in _FACETS if label.startswith(start)), "no image of it")


def _cast(file: str) -> dict[str, list[object]]:
    spec = importlib.util.spec_from_file_location("cast_of_exams", _CAST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.read_cast(file)


def _run(file: str, folder: Path) -> dict[str, dict[str, int]]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, __file__, file, "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _print(found: dict[str, dict[str, int]], before: dict[str, dict[str, int]] | None) -> None:
    heads = [f"{o} before -> after" if before else o for o in _OUTCOMES]
    print("| exam | " + " | ".join(heads) + " |\n|---|" + "---|" * len(_OUTCOMES))
    total: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for name in found:
        if name.startswith(("tier ", "facet ")):
            continue
        old = (before or {}).get(name, {})
        total[False].update(old)
        total[True].update(found[name])
        print(
            f"| {name} | "
            + " | ".join(_cell(old, found[name], o, before) for o in _OUTCOMES)
            + " |"
        )
    print(
        "| all | "
        + " | ".join(_cell(total[False], total[True], o, before) for o in _OUTCOMES)
        + " |"
    )
    for title, one in (("before", before), ("after", found)):
        for tier in sorted(n for n in one or {} if n.startswith("tier ")):
            counts = (one or {})[tier]
            print(f"{title}, {tier}: precision {_share(counts.get('right', 0), counts.values())}")
        for facet in sorted(n for n in one or {} if n.startswith("facet ")):
            counts = (one or {})[facet]
            right, wrong = counts.get("named right", 0), counts.get("named wrong", 0)
            true, hit = counts.get("true", 0), counts.get("found", 0)
            print(
                f"{title}, {facet}: precision {_share(right, (right, wrong))}; "
                f"recall {_share(hit, (hit, true - hit))}"
            )


def _share(right: int, counts: Iterable[int]) -> str:
    """Return a share with the 95 % interval of Wilson (J Am Stat Assoc 1927;22:209)."""
    n, z2 = sum(counts), 1.96**2
    if not n:
        return "of none"
    share = right / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * share * (1 - share) / n + z2**2 / (4 * n * n)) / (1 + z2 / n)
    return (
        f"{right} of {n}, {share:.4f} ({max(middle - half, 0):.3f} to {min(middle + half, 1):.3f})"
    )


def _cell(old: dict[str, int], new: dict[str, int], outcome: str, before: object) -> str:
    after = str(new.get(outcome, 0))
    return f"{old.get(outcome, 0)} -> {after}" if before else after


if __name__ == "__main__":
    main()
