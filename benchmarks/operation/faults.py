"""SIGKILLs and full disks in the middle of nights with two sites, and what is left of them.

    PYTHONPATH=. python benchmarks/operation/faults.py RESULTS [--kills 200] [--full 20]
        [--shown] [--started] [--workers 1] [--minutes 9]

Every night starts from the same inbox (the two smallest series of MR and the planted faults of
each site) and the same key. A kill is drawn: a stage of what the night has still to do, a moment
within the time which that stage took undisturbed, and whether SIGKILL strikes the run alone or all
of its process group. It strikes only while the night runs; where it struck is counted by stage.
Then the night is begun again, with either site first, and killed again, up to ten times, and at
last left alone. A full disk is a tmpfs (needs root) with a ballast that leaves less than what a
night needs at its height; the ballast goes and the night runs again.

Nights are forks of a process that has imported everything; with `--started` they are the command
as users start it, and the moment is drawn over all of the night, imports included. `--shown` has
Prefect show them on a server. What came of each night is a line of RESULTS with its seed, and the
next call goes on where this one ended: `--kills` and `--full` are what one kind of night shall have
had in all. Inbox and undisturbed night are kept beside it, in RESULTS with the suffix `.kept`:
remove both when the code has changed.

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
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.operation.struck import Results
from benchmarks.operation.warm import Command, begin, load, load_as, start
from flows.orchestrator import prefect_server
from schemas.run.settings import apply_environment
from tasks.simulate.faults.apply import DEFAULT_FAULTS
from tests.flows.exports import write_key

SITES = ("S91", "S92")
_PATTERNS = ("warehouse/**/*", "restricted/quarantine/**/*")
_MIB = 1 << 20
_DISK = 256 * _MIB
_SERIES, _KILLS_A_NIGHT, _ASK_STATUS = 2, 10, 8
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
#: In this time whatever a killed run has started must have noticed.
_OUTLIVE_S = 10.0


@dataclass(frozen=True)
class Kind:
    """How nights are run."""

    workers: int
    started: bool
    shown: bool

    def __str__(self) -> str:
        """Say it in a table."""
        words = ["started" if self.started else "forked", "shown" if self.shown else "plain"]
        return " ".join([*words, f"{self.workers} worker{'s' * (self.workers > 1)}"])

    def night(self, home: Path, log: Path, sites: Sequence[str] = SITES) -> Command:
        """Begin a night of both sites."""
        options = ["--workers", str(self.workers), "--home", str(home)]
        return (start if self.started else begin)(log, "ingest", *sites, *options)


@dataclass
class Quiet:
    """A night that nobody disturbed: what it made, and how long each stage took."""

    digests: dict[str, str]
    stages: dict[str, float]
    length: float
    peak: int
    before: set[int]


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
    """Simulate one delivery of each site and keep little of it below `inbox`.

    Without burnt-in words: the model that reads them is loaded for seconds in every night, while
    the disk stays as it is.
    """
    faults = ",".join(name for name in DEFAULT_FAULTS if name != "burned_in")
    command = [sys.executable, "-m", "flows.cli", "simulate", str(root / "simulated")]
    options = ["--sites", "2", "--subjects", "1", "--nights", "1", "--faults", faults]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    for site in SITES:
        (whole,) = (path for path in (root / "simulated" / site).iterdir() if path.is_dir())
        sizes = Counter(p.parent for p in whole.glob("dicom/*/*MR*/*/*"))
        for folder in sorted(sizes, key=lambda folder: (sizes[folder], folder))[_SERIES:]:
            shutil.rmtree(folder)
        for folder in whole.glob("dicom/*/*CT*"):
            shutil.rmtree(folder)
        shutil.copytree(whole, root / "inbox" / site / whole.name, copy_function=shutil.copy2)


def undisturbed(root: Path, inbox: Path, kind: Kind, sites: Sequence[str] = SITES) -> Quiet:
    """Run a night that nobody disturbs, on a disk that is watched."""
    home, running = root / "home", children()
    new_home(home, inbox)
    before, begun = shutil.disk_usage(home).used, time.monotonic()
    command, peak = kind.night(home, root / "log", sites), 0
    while command.code is None:
        command.look()
        peak = max(peak, shutil.disk_usage(home).used - before)
        time.sleep(0.005)
    if command.end():
        sys.exit(command.log.read_text("utf-8"))
    now = time.monotonic()
    times = [when for when, _ in command.begun] + [now]
    names = [name for _, name in command.begun]
    stages = {name: times[n + 1] - times[n] for n, name in enumerate(names)}
    return Quiet(digests(home), stages, now - begun, peak, running)


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


def one_kill(home: Path, quiet: Quiet, kind: Kind, chance: random.Random) -> dict[str, Any] | None:
    """Begin a night and kill it at a moment that is drawn; None if it ended before."""
    group, sites = chance.random() < 0.5, chance.sample(SITES, 2)
    if kind.started:
        stage, after = "", chance.uniform(0, quiet.length)
    else:
        stage = chance.choice(left_to_do(home, quiet))
        after = chance.uniform(0, quiet.stages[stage])
    command = kind.night(home, home.parent / "log", sites)
    if kind.started or command.await_stage(stage):
        time.sleep(after)
        command.look()
    if command.code is not None:
        say(f"ended {command.end()} before {after:.2f} s of {stage} after {command.begun[-1:]}")
        if command.code:
            say(command.log.read_text("utf-8"))
        return None
    command.kill(group=group)
    struck = command.begun[-1][1] if command.begun else "start"
    return {"stage": struck, "after_s": after, "group": group, "torn": is_torn(home)}


def judge(home: Path, quiet: Quiet, kind: Kind) -> dict[str, int]:
    """Run the night again with nobody disturbing it, and compare."""
    again = kind.night(home, home.parent / "log")
    failed, made = again.end() != 0, digests(home)
    differs = made != quiet.digests
    if failed or differs:
        names = made.keys() | quiet.digests.keys()
        wrong = sorted(name for name in names if made.get(name) != quiet.digests.get(name))
        say("\n".join([again.log.read_text("utf-8"), *(f"differs: {name}" for name in wrong)]))
    orphans = sum(1 for _ in (home / "work").iterdir())
    deadline = time.monotonic() + _OUTLIVE_S
    while (left := children() - quiet.before) and time.monotonic() < deadline:
        time.sleep(0.02)
        for process in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
    for process in left:
        say(f"outlives: {process} {_described(process)}")
    return {"failed": failed, "differs": differs, "orphans": orphans, "outlive": len(left)}


def _described(process: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        state = Path(f"/proc/{process}/status").read_text("utf-8").split("State:")[1][:20]
        return f"{state.strip()} {words}"
    return "gone"


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


def killed_night(
    root: Path, inbox: Path, quiet: Quiet, kind: Kind, seed: int, wanted: int
) -> dict[str, Any]:
    """Kill one night up to so many times, and judge what is left."""
    folder, cpu = root / f"night{seed}", spent()
    home = folder / "home"
    new_home(home, inbox)
    chance = random.Random(f"{seed} {kind}")
    kills: list[dict[str, Any]] = []
    told: list[bool] = []
    while len(kills) < wanted and left_to_do(home, quiet):
        one = one_kill(home, quiet, kind, chance)
        if one is None:
            break
        kills.append(one)
        if (seed * _KILLS_A_NIGHT + len(kills)) % _ASK_STATUS == 0:
            told.append(is_told(home) or not left_to_do(home, quiet))
    left = judge(home, quiet, kind)
    shutil.rmtree(folder)
    return {"seed": seed, "kills": kills, "told": told, **left, "cpu_s": round(spent() - cpu, 1)}


def full_disk(root: Path, inbox: Path, quiet: Quiet, kind: Kind, seed: int) -> dict[str, Any]:
    """Let one night meet a full disk, and judge what is left."""
    cpu = spent()
    with small_disk(root / f"full{seed}") as folder:
        home = folder / "home"
        new_home(home, inbox)
        rest = random.Random(f"{seed} full").randint(0, quiet.peak)
        with (folder / "ballast").open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(home).free - rest)
        command = kind.night(home, root / "log")
        failed = command.end() != 0
        (folder / "ballast").unlink()
        begun = command.begun[-1][1] if command.begun else "start"
        full = {
            "left_of_peak": round(rest / quiet.peak, 3),
            "stage": begun if failed else "",
            "torn": is_torn(home),
        }
        told = [is_told(home)] if failed else []
        left = judge(home, quiet, kind)
    return {"seed": seed, "full": full, "told": told, **left, "cpu_s": round(spent() - cpu, 1)}


def spent() -> float:
    """Return the processor time of this run and of all that it has started and that ended."""
    both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def both_ways(root: Path, inbox: Path, kind: Kind) -> Quiet:
    """Run two nights that nobody disturbs, either site first; they must have made the same."""
    with small_disk(root / "cold") as folder:
        cold = undisturbed(folder, inbox, kind)
        if not kind.started:
            load_as(folder / "log")
    with small_disk(root / "quiet") as folder:
        quiet = undisturbed(folder, inbox, kind, SITES[::-1])
    if cold.digests != quiet.digests:
        sys.exit("the night of either site first differs")
    # The first night and the first site pay for what starts then: a kill would come late.
    quiet.stages = {name: min(t, cold.stages[name]) for name, t in quiet.stages.items()}
    return quiet


def kept_night(kept: Path, root: Path, inbox: Path, kind: Kind) -> Quiet:
    """Return the undisturbed night of a kind, run once for all calls."""
    facts, modules = kept / f"{kind}.json", kept / f"{kind}.modules"
    if facts.is_file():
        if not kind.started:
            load_as(modules)
        return Quiet(**json.loads(facts.read_text("utf-8")), before=children())
    quiet = both_ways(root, inbox, kind)
    if not kind.started:
        modules.write_text("\n".join(sys.modules), encoding="utf-8")
    told = {name: value for name, value in vars(quiet).items() if name != "before"}
    facts.write_text(json.dumps(told), encoding="utf-8")
    return quiet


def main() -> None:
    """Run nights, keep what came of them, print what is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--full", type=int, default=0)
    parser.add_argument("--shown", action="store_true")
    parser.add_argument("--started", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=9)
    options = parser.parse_args()
    kind = Kind(options.workers, options.started, options.shown)
    results = Results(options.results)
    deadline = time.monotonic() + 60 * options.minutes
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def kills_left() -> int:
        return max(0, options.kills - results.kills(str(kind)))

    def lacks() -> bool:
        full = results.full_disks(str(kind)) < options.full
        return (kills_left() > 0 or full) and time.monotonic() < deadline

    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        root = Path(scratch)
        kept = options.results.with_suffix(".kept")
        inbox = kept / "inbox"
        if lacks():
            if not inbox.is_dir():
                small_inbox(root)
                kept.mkdir(exist_ok=True)
                shutil.move(root / "inbox", inbox)
            if kind.shown:
                stack.enter_context(prefect_server(apply_environment(home=root / "server")))
            if not kind.started:
                load()
            quiet = kept_night(kept, root, inbox, kind)
            say(f"undisturbed {quiet.length:.1f} s, {len(quiet.digests)} files")
            say(", ".join(f"{name} {seconds:.2f}" for name, seconds in quiet.stages.items()))
        while lacks():
            seed = secrets.randbelow(1_000_000)
            if kills := min(kills_left(), _KILLS_A_NIGHT):
                night = killed_night(root, inbox, quiet, kind, seed, kills)
            else:
                night = full_disk(root, inbox, quiet, kind, seed)
            results.keep({"kind": str(kind), **night})
            say(f"{night}")
    say(results.table())


if __name__ == "__main__":
    main()
