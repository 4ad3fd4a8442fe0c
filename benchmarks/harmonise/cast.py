"""Labels of the cast of exams, kind by kind, today and with an earlier code beside it.

    python benchmarks/harmonise/cast.py [--before FOLDER] [--show]

`FOLDER` is a checkout of an earlier version; it is run with the same exams in a process of its
own. A label counts as right when the cast allows it, as open when there is none, and as wrong
otherwise. A slot is wrong when an image fills it that may not, or one does not that should.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tasks.harmonise.exam import label_instances
from tasks.harmonise.vocabulary import read_labels

_CAST = Path(__file__).parents[2] / "tests" / "unit" / "harmonise" / "cast.py"
_OPEN = "UNCLASSIFIED"
_OUTCOMES = ("right", "open", "wrong", "slot wrong")


def main() -> None:
    """Print one line per exam, and the precision of each tier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    found = measure(show=options.show)
    if options.json:
        print(json.dumps(found))
        return
    before = _run(options.before) if options.before else None
    _print(found, before)


def measure(*, show: bool = False) -> dict[str, dict[str, int]]:
    """Return counts of outcomes by exam, and under `tier X` those of named labels by tier."""
    found: dict[str, Counter[str]] = {}
    for exam, parts in _cast().items():
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


def _cast() -> dict[str, list[object]]:
    spec = importlib.util.spec_from_file_location("cast_of_exams", _CAST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.read_cast()


def _run(folder: Path) -> dict[str, dict[str, int]]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, __file__, "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _print(found: dict[str, dict[str, int]], before: dict[str, dict[str, int]] | None) -> None:
    heads = [f"{o} before -> after" if before else o for o in _OUTCOMES]
    print("| exam | " + " | ".join(heads) + " |\n|---|" + "---|" * len(_OUTCOMES))
    total: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for name in found:
        if name.startswith("tier "):
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
            n = sum(counts.values())
            print(f"{title}, {tier}: {n} named, precision {counts.get('right', 0) / n:.4f}")


def _cell(old: dict[str, int], new: dict[str, int], outcome: str, before: object) -> str:
    after = str(new.get(outcome, 0))
    return f"{old.get(outcome, 0)} -> {after}" if before else after


if __name__ == "__main__":
    main()
