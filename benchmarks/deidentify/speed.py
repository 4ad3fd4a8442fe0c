"""CPU and wall time of de-identification as ratios to floors and to other tools.

    python benchmarks/deidentify/speed.py FOLDER... [--peers PEERS/bin/python] [--rounds 3]

Runs are interleaved; medians are compared. Ours includes the hashes of source and output,
the scan of what was written, and the audit.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from schemas.identifiers import SiteCode
from schemas.keys import KeyRing
from tasks.deidentify.store_folder import deidentify_folder

RUNNER = Path(__file__).with_name("peer_runner.py")
FLOOR = "cp -r + sha256sum"


def main() -> None:
    """Print one line per tool: CPU, wall, ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--peers", type=Path, help="Python of the peers' environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        src = Path(scratch, "src")
        for number, folder in enumerate(options.folders):
            shutil.copytree(folder, src / str(number))
        measured = _measure(src, Path(scratch, "dst"), options)
    n_files = sum(1 for f in options.folders for p in f.rglob("*") if p.is_file())
    _print(measured, n_files)


def _measure(
    src: Path, dst: Path, options: argparse.Namespace
) -> dict[str, list[tuple[float, float]]]:
    runs: dict[str, Callable[[], object]] = {
        FLOOR: lambda: _copy_and_hash(src, dst),
        "livercohort": lambda: deidentify_folder(
            src,
            dst,
            SiteCode("S91"),
            KeyRing(bytes(range(32))),
            subject_from="patient_id",
            workers=options.workers,
        ),
    }
    runs["pydicom read + save"] = lambda: _peer(Path(sys.executable), "read-write", src, dst)
    if options.peers:
        for tool in ("dicom-anonymizer", "dicognito", "deid"):
            runs[tool] = lambda tool=tool: _peer(options.peers, tool, src, dst)  # type: ignore[misc]
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            shutil.rmtree(dst, ignore_errors=True)
            before, start = _cpu(), time.perf_counter()
            run()
            measured[name].append((_cpu() - before, time.perf_counter() - start))
    return measured


def _copy_and_hash(src: Path, dst: Path) -> None:
    subprocess.run(["cp", "-r", str(src), str(dst)], check=True)
    files = [str(p) for p in dst.rglob("*") if p.is_file()]
    subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)


def _peer(python: Path, tool: str, src: Path, dst: Path) -> None:
    dst.mkdir()
    command = [str(python), str(RUNNER), tool, str(src), str(dst)]
    subprocess.run(command, check=True, capture_output=True)


def _cpu() -> float:
    both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in both) + _forkserver_cpu()


def _forkserver_cpu() -> float:
    """CPU of the fork server's workers that ended: they are not children of this process."""
    from multiprocessing import forkserver

    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)  # noqa: SLF001  no public way
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(n) for n in fields[11:15]) / 100.0


def _print(measured: dict[str, list[tuple[float, float]]], n_files: int) -> None:
    medians = {
        name: tuple(statistics.median(run[i] for run in runs) for i in (0, 1))
        for name, runs in measured.items()
    }
    floor, ours = medians[FLOOR], medians["livercohort"]
    print(f"{n_files} files, {len(next(iter(measured.values())))} rounds, medians")
    head = ("CPU ms/file", "wall ms/file", "CPU / floor", "wall / floor", "CPU / ours")
    print(f"{'':<22}" + "".join(f"{h:>14}" for h in head))
    for name, (cpu, wall) in medians.items():
        cells = (1000 * cpu / n_files, 1000 * wall / n_files)
        ratios = (cpu / floor[0], wall / floor[1], cpu / ours[0])
        print(f"{name:<22}" + "".join(f"{c:>14.2f}" for c in (*cells, *ratios)))


if __name__ == "__main__":
    main()
