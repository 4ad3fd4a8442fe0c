"""Unit costs of nights, and from them what a cohort costs.

    PYTHONPATH=. python benchmarks/operation/capacity.py [--subjects 4]

Two nights of one site, a small and a larger one, give the fixed cost of a night and the cost of a
file with few bytes; de-identification and conversion of the same number of slices with a small and
a large matrix give the cost of bytes. Processor time is user + system of the run and all it
started. Nothing here is a wall time: that is processor time over cores, where disks keep up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cost_of
from tests.builders import make_series, write_files
from tests.flows.exports import write_key

_MIB = 1 << 20
_SLICES = 240
#: What 28 sites x 200 subjects deliver if a subject is 1 600 images, 1 100 of CT (512 x 512) and
#: 500 of MR (320 x 320), as the dynamic studies of the protocol have it.
_SUBJECTS, _IMAGES, _IMAGE_MIB = 28 * 200, 1600, (1100 * 0.5 + 500 * 0.2) / 1600


@dataclass(frozen=True)
class Night:
    """What one run took."""

    files: int
    mib: float
    seconds: float
    peak_mib: float
    grown_mib: float


def measured(*arguments: str) -> tuple[float, float]:
    """Run one command; return its processor time in seconds and its largest process in MiB."""
    cost = cost_of([[sys.executable, "-m", "flows.cli", *arguments]])
    return cost.cpu_s, cost.peak_mib


def size_of(*folders: Path) -> tuple[int, float]:
    """Return how many files lie below, and their MiB."""
    sizes = [p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file()]
    return len(sizes), sum(sizes) / _MIB


def a_night(root: Path, subjects: int) -> Night:
    """Simulate one delivery of one site and take it in."""
    home = root / f"home{subjects}"
    options = ["--sites", "1", "--subjects", str(subjects), "--nights", "1", "--faults", "none"]
    measured("simulate", str(home / "inbox"), *options, "--exams", "full")
    (home / "restricted").mkdir(mode=0o700)
    write_key(home / "restricted" / "key", bytes(range(32)))
    files, mib = size_of(home / "inbox" / "S91")
    seconds, peak = measured("ingest", "S91", "--home", str(home))
    grown = size_of(home / "warehouse", home / "restricted", home / "operations")[1]
    return Night(files, mib, seconds, peak, grown)


def of_bytes(root: Path, side: int) -> tuple[float, float]:
    """De-identify and convert slices of one matrix; return processor time and MiB."""
    source, made = root / f"slices{side}", root / f"made{side}"
    slices = make_series(n_slices=_SLICES)
    for number, one in enumerate(slices):
        one.Rows = one.Columns = side
        one.PixelData = bytes([number % 251, 1]) * (side * side)
    write_files(source, slices)
    home = ["--home", str(root / "home1"), "--subject-from", "patient_id"]
    seconds, _ = measured("deidentify", str(source), str(made), *home)
    converted, _ = measured("convert", str(made), str(root / f"nifti{side}"))
    return seconds + converted, size_of(source)[1]


def main() -> None:
    """Measure, and print unit costs and what follows from them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        small, large = a_night(root, 1), a_night(root, options.subjects)
        few, many = of_bytes(root, 64), of_bytes(root, 512)
    for night in (small, large):
        print(night)
    by_mib = (many[0] - few[0]) / (many[1] - few[1])
    by_file = (large.seconds - small.seconds) / (large.files - small.files)
    by_file -= by_mib * (large.mib - small.mib) / (large.files - small.files)
    fixed = small.seconds - by_file * small.files - by_mib * small.mib
    print(f"night {fixed:.1f} s + {1e3 * by_file:.1f} ms a file + {1e3 * by_mib:.1f} ms a MiB")
    growth = (large.grown_mib - small.grown_mib) / (large.mib - small.mib)
    print(f"home grows by {growth:.2f} of what is delivered (small images)")
    for factor in (1, 10):
        images = _SUBJECTS * _IMAGES * factor
        tib = images * _IMAGE_MIB / _MIB
        seconds = images * (by_file + by_mib * _IMAGE_MIB)
        print(
            f"{28 * factor} sites x 200: {images / 1e6:.1f} M images, {tib:.1f} TiB delivered, "
            f"{seconds / 3600:.0f} processor hours"
        )


if __name__ == "__main__":
    main()
