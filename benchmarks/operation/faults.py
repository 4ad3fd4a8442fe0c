"""SIGKILLs and full disks at random moments of a night with two sites, and what is left of it.

    PYTHONPATH=. python benchmarks/operation/faults.py [--kills 200] [--full 20] [--seed 1]

Each round starts from the same inbox (two series of MR and the planted faults of each site) and
the same key. A kill comes at a random moment between the start of
the first site's night and the end of the second's; a full disk is a tmpfs (needs root) with a
ballast that leaves a random rest of what a night needs. Then the night runs again undisturbed, and
every byte of the warehouse and the quarantine is compared with a night that nobody disturbed.
Nothing may be left in `work/`, no batch may be half there before, and `status` must tell.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from flows.orchestrator import prefect_server
from schemas.run.settings import apply_environment
from tests.flows.exports import cut_export

SITES = ("S91", "S92")
_PATTERNS = ("warehouse/**/*", "restricted/quarantine/**/*")
_MIB = 1 << 20


def cli(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    command = [sys.executable, "-m", "flows.cli", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def digests(home: Path) -> dict[str, str]:
    """Return the hash of every file that a night has committed."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in _PATTERNS
        for path in home.glob(pattern)
        if path.is_file()
    }


def new_home(home: Path, inbox: Path, key: bytes) -> None:
    """Make a home with the key and the inbox of every round."""
    (home / "restricted").mkdir(parents=True, mode=0o700)
    (home / "restricted" / "key").write_bytes(key)
    (home / "restricted" / "key").chmod(0o600)
    shutil.copytree(inbox, home / "inbox", copy_function=shutil.copy2)


def small_inbox(root: Path) -> None:
    """Simulate one delivery of each site and keep little of it below `inbox`."""
    command = [sys.executable, "-m", "flows.cli", "simulate", str(root / "simulated")]
    options = ["--sites", "2", "--subjects", "1", "--nights", "1"]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    for site in SITES:
        (whole,) = (path for path in (root / "simulated" / site).iterdir() if path.is_dir())
        cut_export(whole, root / "inbox", series=2, planted=True)


def is_torn(home: Path) -> bool:
    """Return whether a reader finds half a batch."""
    folders = [p for p in (home / "warehouse" / "batches").glob("*/[!.]*") if p.is_dir()]
    return any(not (folder / "batch.json").is_file() for folder in folders)


def one_kill(home: Path, after: float) -> bool:
    """Start a night and kill it so many seconds after it has begun; True if it was killed."""
    command = [sys.executable, "-m", "flows.cli", "ingest", *SITES, "--home", str(home)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(home.glob("operations/nights/*/*.json")) and process.poll() is None:
        time.sleep(0.002)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def one_full_disk(home: Path, rest: int) -> bool:
    """Fill the disk but for a rest and run a night; True if it failed."""
    with (home / "ballast").open("wb") as stream:
        free = shutil.disk_usage(home).free - rest
        for _ in range(max(0, free // _MIB)):
            stream.write(bytes(_MIB))
    ended = cli(home, "ingest", *SITES)
    (home / "ballast").unlink()
    return ended.returncode != 0


def what_status_tells(home: Path) -> tuple[bool, bool]:
    """Return whether `status` asks somebody to act, and whether it lists an export as ready."""
    try:
        facts = json.loads(cli(home, "status", "--json").stdout)
    except ValueError:
        return False, False
    sites = facts["standing"]["sites"]
    acts = any(one["level"] == "act" for one in facts["attention"])
    return acts, any(site["exports"]["ready"] for site in sites)


def judge(home: Path, undisturbed: dict[str, str], tally: Counter[str], *, failed: bool) -> None:
    """Look at what is left, run the night again, and compare."""
    tally["rounds"] += 1
    tally["disturbed"] += failed
    tally["torn"] += is_torn(home)
    told, ready = what_status_tells(home)
    tally["told by status"] += failed and told
    # Between the night of one site and that of the next nothing has failed: an export is ready.
    tally["not told, but ready"] += failed and not told and ready
    again = cli(home, "ingest", *SITES)
    tally["second night failed"] += again.returncode != 0
    tally["differs"] += digests(home) != undisturbed
    tally["orphans in work"] += sum(1 for _ in (home / "work").iterdir())


def main() -> None:
    """Run the rounds and print what they left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--full", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cli(root / "k", "key", "create")
        key = (root / "k" / "restricted" / "key").read_bytes()
        small_inbox(root)
        settings = apply_environment(home=root / "server")
        with prefect_server(settings):
            quiet = root / "quiet"
            new_home(quiet, root / "inbox", key)
            begun = time.monotonic()
            cli(quiet, "ingest", *SITES)
            length = time.monotonic() - begun
            undisturbed = digests(quiet)
            needs = sum(p.stat().st_size for p in (quiet / "warehouse").rglob("*") if p.is_file())
            print(f"undisturbed: {length:.1f} s, {len(undisturbed)} files, {needs / _MIB:.1f} MiB")
            kills: Counter[str] = Counter()
            for number in range(options.kills):
                home = root / f"kill{number}"
                new_home(home, root / "inbox", key)
                failed = one_kill(home, chance.uniform(0, length))
                judge(home, undisturbed, kills, failed=failed)
                shutil.rmtree(home)
            print("kills", dict(kills))
            full: Counter[str] = Counter()
            for number in range(options.full):
                home = root / f"full{number}"
                home.mkdir()
                mount = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(home)]
                subprocess.run(mount, check=True)
                try:
                    new_home(home, root / "inbox", key)
                    failed = one_full_disk(home, chance.randint(0, 2 * needs))
                    judge(home, undisturbed, full, failed=failed)
                finally:
                    subprocess.run(["umount", str(home)], check=True)
            print("full disks", dict(full))


if __name__ == "__main__":
    main()
