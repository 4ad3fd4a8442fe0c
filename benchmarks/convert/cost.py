"""Cost of converted + proven + compressed, as a ratio to `cp -r` + `sha256sum`, on two cores.

    PYTHONPATH=. python benchmarks/convert/cost.py DICOM_FOLDER [--copies 4 24] [--peers PEERS]

`DICOM_FOLDER` holds real DICOM. Each of its series is copied under new UIDs, once for each of
`--copies`: a few make a small export, many one as large as a night. CT and MR are measured
apart. All commands run interleaved, each from a fresh process with its start-up counted; the
table gives medians of wall time and of CPU time as multiples of the base. An empty folder is
measured too: what starting the command costs whatever the number of files. Byte code is
compiled beforehand, as in an installation. `--peers` names the folder of an environment
with dcm2bids and heudiconv, made if it is not there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dcm2niix
import pydicom

from benchmarks.convert.peers import peer_scripts
from benchmarks.processes import adopt_orphans, wait_for_orphans

OURS = [sys.executable, "-m", "flows.cli", "convert", "--workers", "2"]


@dataclass(frozen=True)
class Command:
    """One way to treat a folder: `prepare` makes the destination, `arguments` the process."""

    name: str
    arguments: Callable[[Path, Path], list[str]]
    keep: bool = False


@dataclass
class Cost:
    """Wall and CPU seconds and peak MiB of one run, and what it printed last."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    said: str


def copy_series(source: Path, target: Path, copies: int) -> None:
    """Copy every DICOM file with study, series and instance UIDs of its own for each copy."""
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        try:
            data = pydicom.dcmread(path)
        except pydicom.errors.InvalidDicomError:
            continue
        original = {k: str(data[k].value) for k in ("StudyInstanceUID", "SeriesInstanceUID")}
        sop_uid = str(data.SOPInstanceUID)
        for number in range(copies):
            for keyword, uid in original.items():
                setattr(data, keyword, new_uid(uid, number))
            data.SOPInstanceUID = new_uid(sop_uid, number)
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
            folder = target / f"{number:02d}" / path.parent.relative_to(source)
            folder.mkdir(parents=True, exist_ok=True)
            data.save_as(folder / path.name)


def new_uid(uid: str, number: int) -> str:
    """Return a UID for one copy."""
    digest = hashlib.sha256(f"{uid}/{number}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def measure(command: Command, source: Path, target: Path) -> Cost:
    """Run once from a fresh process; its destination is emptied first unless kept."""
    if not command.keep:
        shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        adopt_orphans()
        began, answer = time.perf_counter(), ""
        ran = subprocess.run(
            command.arguments(source, target),
            capture_output=True,
            text=True,
            check=False,
            env=installed_environment(target.parent / "byte_code"),
        )
        wall = time.perf_counter() - began
        wait_for_orphans()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = ran.stdout.strip().splitlines() if command.name.startswith("ours") else []
        answer = said[0] if said else ""
        cost = [wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, f"{ran.returncode}"]
        os.write(writer, json.dumps([*cost[:3], f"exit {ran.returncode} {answer}"]).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as stream:
        return Cost(*json.loads(stream.read()))


def installed_environment(byte_code: Path) -> dict[str, str]:
    """Return the environment, with byte code of Python kept in a folder between runs."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(byte_code)}


def shell(script: str) -> Callable[[Path, Path], list[str]]:
    """Return a command of the shell with source and destination as $1 and $2."""
    return lambda source, target: ["sh", "-c", script, "sh", str(source), str(target)]


def commands(peers: Path | None, work: Path) -> list[Command]:
    """Return what is compared."""
    niix = dcm2niix.bin
    found = [
        Command(
            "base: cp -r + sha256sum",
            shell(
                'cp -r "$1" "$2" && find "$2" -type f -print0'
                " | xargs -0 -P2 -n64 sha256sum >/dev/null"
            ),
        ),
        Command("ours", lambda s, d: [*OURS, str(s), str(d)]),
        Command("ours, rerun", lambda s, d: [*OURS, str(s), str(d)], keep=True),
        Command("dcm2niix -z n", shell(f'mkdir -p "$2" && {niix} -z n -f %s_%j -o "$2" "$1"')),
        Command("dcm2niix -z i", shell(f'mkdir -p "$2" && {niix} -z i -f %s_%j -o "$2" "$1"')),
        Command("dcm2niix -z y", shell(f'mkdir -p "$2" && {niix} -z y -f %s_%j -o "$2" "$1"')),
    ]
    scripts = peer_scripts(peers, work)
    found += [Command(name, shell(scripts[name])) for name in scripts if name != "dcm2niix"]
    return found


def main() -> None:
    """Print one table per corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, nargs="+", default=[4, 24])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    parser.add_argument(
        "--corpora", nargs="*", default=["ge_ct_chest_abdomen_pelvis", "ge_mr", "siemens_ge_mr_epi"]
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        todo = commands(options.peers, work)
        empty = work / "source" / "nothing"
        empty.mkdir(parents=True)
        # The first run compiles.
        measure(todo[1], empty, work / "out" / "first")
        print_table("nothing", empty, todo[:3], work, options.rounds)
        for name in options.corpora:
            for copies in options.copies:
                source = work / "source" / f"{name}_x{copies}"
                copy_series(options.folder / name, source, copies)
                print_table(source.name, source, todo, work, options.rounds)
                shutil.rmtree(work / "source")


def print_table(name: str, source: Path, todo: list[Command], work: Path, rounds: int) -> None:
    """Measure all commands in turn, `rounds` times, and print medians."""
    costs: dict[str, list[Cost]] = {command.name: [] for command in todo}
    for _ in range(rounds):
        for command in todo:
            # A rerun works on what the first run left.
            place = work / "out" / command.name.removesuffix(", rerun").replace(" ", "_")
            costs[command.name].append(measure(command, source, place))
    files = [p for p in source.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files) / 1e6
    print(f"\n{name}: {len(files)} files, {size:.0f} MB, {rounds} rounds")
    print(f"{'':28}{'wall s':>8}{'x base':>8}{'CPU s':>8}{'x base':>8}{'peak MiB':>10}  said")
    base = costs[todo[0].name]
    wall0 = statistics.median(c.wall_s for c in base)
    cpu0 = statistics.median(c.cpu_s for c in base)
    for command in todo:
        found = costs[command.name]
        wall = statistics.median(c.wall_s for c in found)
        cpu = statistics.median(c.cpu_s for c in found)
        peak = max(c.peak_mib for c in found)
        print(
            f"{command.name:28}{wall:8.2f}{wall / wall0:8.2f}{cpu:8.2f}{cpu / cpu0:8.2f}"
            f"{peak:10.0f}  {found[-1].said}"
        )


if __name__ == "__main__":
    main()
