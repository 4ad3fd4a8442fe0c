"""CPU and files per second of de-identification beside another tool and beside copying.

    PYTHONPATH=. python benchmarks/deidentify/speed.py FOLDER... --peers PEERS_FOLDER [--rounds 3]

Each command runs as a process of its own, start included, with 1 and with 2 workers: ours
(hashes of source and output, search of what was written, audit), dicom-anonymizer with its
newest table (two processes take half of the files each), and `cp -r` followed by `sha256sum`.
Runs are interleaved and medians compared. CPU is user and system time of the whole tree of
processes (`benchmarks/processes.py`).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.deidentify.peer_environment import RUNNER, peers_python
from benchmarks.processes import cost_of

OURS, PEER, FLOOR = "livercohort", "dicom-anonymizer", "cp -r + sha256sum"
OWN_RUNNER = Path(__file__).with_name("own_runner.py")
WORKERS = (1, 2)

Case = tuple[str, int]


def main() -> None:
    """Print one line per tool and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--peers", type=Path, required=True, help="folder of their environment")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    python = peers_python(options.peers)
    measured: dict[Case, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        src = Path(scratch, "src")
        for number, folder in enumerate(options.folders):
            shutil.copytree(folder, src / str(number))
        files = sorted(p for p in src.rglob("*") if p.is_file())
        n_bytes = sum(p.stat().st_size for p in files)
        for number in range(options.rounds):
            for case, commands in _cases(src, Path(scratch, f"dst{number}"), python).items():
                cost = cost_of(commands)
                measured.setdefault(case, []).append((cost.cpu_s, cost.wall_s))
    print(f"{len(files)} files, {n_bytes / 1e6:.0f} MB, {options.rounds} rounds, medians")
    _print(measured, len(files))


def _cases(src: Path, dst: Path, python: Path) -> dict[Case, list[list[str]]]:
    # Each writes where nothing was: where many files were deleted a moment ago, ext4 searches
    # long for the place of a new one.
    dst.mkdir()
    cases: dict[Case, list[list[str]]] = {}
    for n in WORKERS:
        cases[OURS, n] = [[sys.executable, str(OWN_RUNNER), str(src), str(dst / f"own{n}"), str(n)]]
        cases[PEER, n] = [
            [str(python), str(RUNNER), PEER, str(src), str(dst / f"peer{n}-{i}"), f"{i}/{n}"]
            for i in range(n)
        ]
    copy = dst / "copy"
    hashing = f"cp -r '{src}' '{copy}' && find '{copy}' -type f -print0 | xargs -0 sha256sum"
    cases[FLOOR, 1] = [["sh", "-c", hashing]]
    return cases


def _print(measured: dict[Case, list[tuple[float, float]]], n_files: int) -> None:
    medians = {
        case: (statistics.median(c for c, _ in runs), statistics.median(w for _, w in runs))
        for case, runs in measured.items()
    }
    ours, floor = medians[OURS, 1], medians[FLOOR, 1]
    head = ("CPU ms/file", "files/s", "CPU / ours", "CPU / floor")
    print(f"{'':<20}{'workers':>8}" + "".join(f"{h:>13}" for h in head))
    for (tool, workers), (cpu, wall) in sorted(medians.items(), key=lambda item: item[1][0]):
        cells = (1000 * cpu / n_files, n_files / wall, cpu / ours[0], cpu / floor[0])
        print(f"{tool:<20}{workers:>8}" + "".join(f"{c:>13.2f}" for c in cells))


if __name__ == "__main__":
    main()
