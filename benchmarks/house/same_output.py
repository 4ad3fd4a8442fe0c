"""Whether two checkouts write the same bytes over folders of DICOM, and what CPU each takes.

    python benchmarks/house/same_output.py BEFORE AFTER FOLDER... [--stages label] [--rounds 1]

`deidentify`, `convert` and `label` run from each checkout over each folder, in turns, as processes
of their own, with two workers and a fixed key. All files written are compared byte by byte; what
`convert` remembers of times (`unchanged.json`) apart. CPU is user and system time of the whole
tree of processes, start included; medians.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

STAGES = ("deidentify", "convert", "label")
NOT_COMPARED = {"unchanged.json"}
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Print one line per stage and folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    trees = {"before": options.before.resolve(), "after": options.after.resolve()}
    with tempfile.TemporaryDirectory() as scratch:
        for folder in options.folders:
            n_files = sum(path.is_file() for path in folder.rglob("*"))
            for stage in options.stages:
                cpu: dict[str, list[float]] = {name: [] for name in trees}
                for _ in range(options.rounds):
                    for name, tree in trees.items():
                        out = Path(scratch, name)
                        shutil.rmtree(out, ignore_errors=True)
                        out.mkdir()
                        # The same name for both: some tables hold where they were written.
                        link = Path(scratch, "home")
                        link.unlink(missing_ok=True)
                        link.symlink_to(out)
                        cpu[name].append(run(tree, stage, folder.resolve(), link / "out"))
                said = compared(Path(scratch, "before"), Path(scratch, "after"))
                before, after = (1000 * statistics.median(cpu[n]) / n_files for n in trees)
                print(
                    f"{stage:12}{folder.name:30}{n_files:6} files  CPU ms/file {before:7.3f} "
                    f"-> {after:7.3f}  x{after / before:.2f}  {said}",
                    flush=True,
                )


def run(tree: Path, stage: str, source: Path, out: Path) -> float:
    """Run one stage of one checkout; return CPU seconds."""
    command = [sys.executable, "-m", "flows.cli", stage, str(source)]
    if stage == "deidentify":
        runner = tree / "benchmarks" / "deidentify" / "own_runner.py"
        command = [sys.executable, str(runner), str(source), str(out), "2"]
    elif stage == "convert":
        command += [str(out), "--workers", "2"]
    else:
        command += ["--out", f"{out}.csv", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "LIVERCOHORT_HOME": f"{out}_home"}
    began = cpu_seconds()
    # Elsewhere: Python finds modules in the folder it is started in before all others.
    subprocess.run(command, env=environment, cwd=out.parent, capture_output=True, check=True)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return cpu_seconds() - began


def cpu_seconds() -> float:
    """Return user and system time of all processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compared(before: Path, after: Path) -> str:
    """Say how the files of two folders differ."""
    one, two = files_below(before), files_below(after)
    only = one.keys() ^ two.keys()
    differ = [n for n in one.keys() & two.keys() if one[n].read_bytes() != two[n].read_bytes()]
    if only or differ:
        return f"DIFFERENT: {len(only)} in one only, {len(differ)} differ {sorted(differ)[:3]}"
    return f"all {len(one)} files the same"


def files_below(folder: Path) -> dict[str, Path]:
    """Return what is compared, by its path below the folder."""
    return {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in NOT_COMPARED and "out_home" not in path.parts
    }


if __name__ == "__main__":
    main()
