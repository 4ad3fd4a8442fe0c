"""SIGKILLs and full disks in the middle of nights with two sites, and what is left of them.

    PYTHONPATH=. python benchmarks/operation/faults.py [--kills 200] [--full 20] [--seed 1]

Every night starts from the same inbox (the two smallest series of MR and the planted faults of
each site) and the same key. A kill is drawn: a stage of what the night has still to do, a moment
within the time which that stage took undisturbed, and whether SIGKILL strikes the run alone or all
of its process group. It strikes only while the night runs; where it struck is counted by stage.
Then the night is begun again, with either site first, and killed again, up to ten times, and at
last left alone. A full disk is a tmpfs (needs root) with a ballast that leaves less than what a
night needs at its height; the ballast goes and the night runs again.

In the end every byte of the warehouse and the quarantine is compared with a night that nobody
disturbed. Nothing may be left in `work/`, no batch may be half there between, no process may
outlive the run, and `status` must tell.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.operation.warm import Command, begin, load, load_as
from flows.orchestrator import prefect_server
from schemas.run.settings import apply_environment
from tests.flows.exports import write_key

SITES = ("S91", "S92")
#: One process beside the run: two would each load the models that inspect pixels.
_OPTIONS = ("--workers", "1", "--home")
_PATTERNS = ("warehouse/**/*", "restricted/quarantine/**/*")
_MIB = 1 << 20
_DISK = 256 * _MIB
_SERIES, _KILLS_A_NIGHT, _ASK_STATUS = 2, 10, 8
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
#: In this time whatever a killed run has started must have noticed.
_OUTLIVE_S = 10.0


@dataclass
class Quiet:
    """A night that nobody disturbed: what it made, and how long each stage took."""

    digests: dict[str, str]
    stages: dict[str, float]
    peak: int
    before: set[int]


@dataclass
class Tally:
    """What came of many disturbed nights."""

    counts: Counter[str] = field(default_factory=Counter)
    where: Counter[str] = field(default_factory=Counter)

    def show(self, name: str) -> None:
        """Print the counts, and a row for each stage."""
        say(f"{name}: {dict(self.counts)}")
        for stage, number in sorted(self.where.items()):
            say(f"  {number:4d} {stage}")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def digests(home: Path) -> dict[str, str]:
    """Return the hash of every file that a night has committed."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in _PATTERNS
        for path in home.glob(pattern)
        if path.is_file()
    }


def new_home(home: Path, inbox: Path) -> None:
    """Make a home with the key and the inbox of every night."""
    (home / "restricted").mkdir(parents=True, mode=0o700)
    write_key(home / "restricted" / "key")
    shutil.copytree(inbox, home / "inbox", copy_function=shutil.copy2)


def small_inbox(root: Path) -> None:
    """Simulate one delivery of each site and keep little of it below `inbox`."""
    command = [sys.executable, "-m", "flows.cli", "simulate", str(root / "simulated")]
    options = ["--sites", "2", "--subjects", "1", "--nights", "1"]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    for site in SITES:
        (whole,) = (path for path in (root / "simulated" / site).iterdir() if path.is_dir())
        sizes = Counter(p.parent for p in whole.glob("dicom/*/*MR*/*/*"))
        for folder in sorted(sizes, key=lambda folder: (sizes[folder], folder))[_SERIES:]:
            shutil.rmtree(folder)
        for folder in whole.glob("dicom/*/*CT*"):
            shutil.rmtree(folder)
        shutil.copytree(whole, root / "inbox" / site / whole.name, copy_function=shutil.copy2)


def night(home: Path, log: Path, sites: Sequence[str] = SITES) -> Command:
    """Begin a night of both sites."""
    return begin(log, "ingest", *sites, *_OPTIONS, str(home))


def undisturbed(root: Path, inbox: Path, sites: Sequence[str] = SITES) -> Quiet:
    """Run a night that nobody disturbs, on a disk that is watched."""
    home, running = root / "home", children()
    new_home(home, inbox)
    before = shutil.disk_usage(home).used
    command, peak = night(home, root / "log", sites), 0
    while command.code is None:
        command.look()
        peak = max(peak, shutil.disk_usage(home).used - before)
        time.sleep(0.005)
    if command.end():
        sys.exit(command.log.read_text("utf-8"))
    times = [when for when, _ in command.begun] + [time.monotonic()]
    names = [name for _, name in command.begun]
    stages = {name: times[n + 1] - times[n] for n, name in enumerate(names)}
    return Quiet(digests(home), stages, peak, running)


def is_torn(home: Path) -> bool:
    """Return whether a reader finds half a batch."""
    folders = [p for p in (home / "warehouse" / "batches").glob("*/[!.]*") if p.is_dir()]
    return any(not (folder / "batch.json").is_file() for folder in folders)


def is_told(home: Path) -> bool:
    """Return whether `status` asks somebody to act, or lists an export that is ready."""
    command = begin(home.parent / "status", "status", "--json", "--home", str(home))
    command.end()
    try:
        facts = json.loads(command.log.read_text("utf-8"))
    except ValueError:
        return False
    sites = facts["standing"]["sites"]
    acts = any(one["level"] == "act" for one in facts["attention"])
    # Between the night of one site and that of the next nothing has failed: an export is ready.
    return acts or any(site["exports"]["ready"] for site in sites)


def left_to_do(home: Path, quiet: Quiet) -> list[str]:
    """Return the stages that a night still runs: none of a site whose batch is committed."""
    done = {p.parent.parent.name for p in home.glob("warehouse/batches/*/[!.]*/batch.json")}
    return [name for name in quiet.stages if name.split()[0] not in done]


def one_kill(home: Path, quiet: Quiet, chance: random.Random, tally: Tally) -> bool:
    """Begin a night and kill it at a moment that is drawn; False if it ended before."""
    stage = chance.choice(left_to_do(home, quiet))
    after, group = chance.uniform(0, quiet.stages[stage]), chance.random() < 0.5
    sites = chance.sample(SITES, 2)
    command = night(home, home.parent / "log", sites)
    if command.await_stage(stage):
        time.sleep(after)
        command.look()
    if command.code is not None:
        say(f"ended {command.end()} before {after:.2f} s of {stage} after {command.begun[-1:]}")
        tally.counts["ended before the kill"] += 1
        tally.counts["ended with an error"] += command.code != 0
        return False
    command.kill(group=group)
    tally.counts["kills"] += 1
    tally.counts["of the whole group" if group else "of the run alone"] += 1
    tally.where[command.begun[-1][1]] += 1
    tally.counts["torn"] += is_torn(home)
    return True


def judge(home: Path, quiet: Quiet, tally: Tally) -> None:
    """Run the night again with nobody disturbing it, and compare."""
    tally.counts["nights"] += 1
    again = night(home, home.parent / "log")
    code = again.end()
    tally.counts["last night failed"] += code != 0
    tally.counts["differs"] += digests(home) != quiet.digests
    tally.counts["orphans in work"] += sum(1 for _ in (home / "work").iterdir())
    deadline = time.monotonic() + _OUTLIVE_S
    while (left := children() - quiet.before) and time.monotonic() < deadline:
        time.sleep(0.02)
        for process in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
    tally.counts["processes that outlive"] += len(left)


def children() -> set[int]:
    """Return the processes whose parent is this one: what a killed run leaves comes to it."""
    listed = Path("/proc/self/task").glob("*/children")
    return {int(child) for path in listed for child in path.read_text("ascii").split()}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Have a folder that is a disk of its own."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def kill_nights(root: Path, inbox: Path, quiet: Quiet, number: int, seed: int) -> None:
    """Kill nights so many times in all, and print what is left."""
    tally, count = Tally(), 0
    while tally.counts["kills"] < number:
        folder = root / f"night{count}"
        home = folder / "home"
        new_home(home, inbox)
        chance = random.Random(seed + count)
        begun = tally.counts["kills"]
        wanted = min(_KILLS_A_NIGHT, number - begun)
        while tally.counts["kills"] - begun < wanted and left_to_do(home, quiet):
            if not one_kill(home, quiet, chance, tally):
                break
            if tally.counts["kills"] % _ASK_STATUS == 0:
                tally.counts["status asked"] += 1
                tally.counts["told"] += is_told(home) or not left_to_do(home, quiet)
        judge(home, quiet, tally)
        killed = tally.counts["kills"] - begun
        say(f"seed {seed + count}: {killed} kills; {dict(tally.counts)}; {spent():.0f} CPU s")
        shutil.rmtree(folder)
        count += 1
    tally.show("kills")


def full_disks(root: Path, inbox: Path, quiet: Quiet, number: int, seed: int) -> None:
    """Let nights meet full disks, and print what is left."""
    tally = Tally()
    chance = random.Random(seed)
    for point in range(number):
        with small_disk(root / f"full{point}") as folder:
            home = folder / "home"
            new_home(home, inbox)
            rest = chance.randint(0, quiet.peak)
            with (folder / "ballast").open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(home).free - rest)
            command = night(home, root / "log")
            failed = command.end() != 0
            (folder / "ballast").unlink()
            tally.counts["nights that failed"] += failed
            if failed:
                tally.where[command.begun[-1][1] if command.begun else "before the first"] += 1
            tally.counts["torn"] += is_torn(home)
            tally.counts["told"] += is_told(home)
            judge(home, quiet, tally)
        left = f"{rest / _MIB:.1f} of {quiet.peak / _MIB:.1f} MiB left"
        say(f"{left}: {dict(tally.counts)}; {spent():.0f} CPU s")
    tally.show("full disks")


def spent() -> float:
    """Return the processor time of this run and of all that it has started and that ended."""
    both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def main() -> None:
    """Run the nights and print what they left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--full", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        small_inbox(root)
        with prefect_server(apply_environment(home=root / "server")):
            load()
            with small_disk(root / "cold") as folder:
                cold = undisturbed(folder, root / "inbox")
                load_as(folder / "log")
            with small_disk(root / "quiet") as folder:
                quiet = undisturbed(folder, root / "inbox", SITES[::-1])
            say(f"either site first: {'the same' if cold.digests == quiet.digests else 'DIFFERS'}")
            # The first night and the first site pay for what starts then: a kill would come late.
            quiet.stages = {name: min(t, cold.stages[name]) for name, t in quiet.stages.items()}
            length = sum(quiet.stages.values())
            say(f"undisturbed: {length:.1f} s, {len(quiet.digests)} files, {spent():.0f} CPU s")
            if options.kills:
                kill_nights(root, root / "inbox", quiet, options.kills, options.seed)
            if options.full:
                full_disks(root, root / "inbox", quiet, options.full, options.seed)


if __name__ == "__main__":
    main()
