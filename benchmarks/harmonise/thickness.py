"""Decisions of slice thickness and field strength on constructed cases, one line each.

python benchmarks/harmonise/thickness.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tasks.harmonise.exam import label_instances
from tasks.harmonise.thickness import check_field_strength
from tests.unit.harmonise.exams import rows_of, series
from tests.unit.harmonise.thickness_cases import FIELD_CASES, thickness_cases


def main() -> None:
    """Print each case, what was decided and whether it is right."""
    right = total = 0
    for case in thickness_cases():
        verdicts = tuple(r.thickness_verdict for r in label_instances(case.instances).series)
        right, total = right + (verdicts == case.verdicts), total + 1
        said = ", ".join(str(v) if v is not None else "no limit" for v in verdicts)
        print(f"{'ok  ' if verdicts == case.verdicts else 'BAD '} {case.name}: {said}")
    for raw, tesla, wanted in FIELD_CASES:
        [row] = rows_of(series(1, "t1_vibe_fs_tra_art", MagneticFieldStrength=raw))
        verdict = check_field_strength(row.field_strength_t)
        fits = verdict == wanted and row.field_strength_t == tesla
        right, total = right + fits, total + 1
        print(f"{'ok  ' if fits else 'BAD '} field {raw}: {row.field_strength_t} T, {verdict}")
    print(f"{right} of {total} right")


if __name__ == "__main__":
    main()
