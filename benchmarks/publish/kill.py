"""SIGKILL at random moments of a publish: torn releases, and whether the next run ends it.

    PYTHONPATH=. python benchmarks/publish/kill.py [--kills 200] [--subjects 4]

Each round starts from a home with release 1.0.0, starts a publish of 1.1.0 in a process of its
own, kills it at a random moment of its life, looks at what a reader finds, publishes again and
compares every byte with an undisturbed publish. `cohort.duckdb`, which never repeats, and its
line in `SHA256SUMS` are left out of the comparison.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing as mp
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.publish.made_cohort import make_facts, make_sources, make_tables
from tasks.publish.store import build_release, sweep_staging
from tasks.publish.store_verify import verify_release

NEVER_REPEATS = {"cohort.duckdb", "SHA256SUMS"}


def publish(home: Path, subjects: int, begun: Path | None = None) -> None:
    """Publish the cohort as the flow does: sweep first, then build."""
    tables = make_tables(subjects, instances=subjects * 200, sites=3)
    sources = make_sources(home / "warehouse", tables)
    if begun is not None:
        begun.touch()
    sweep_staging(home / "releases")
    build_release(tables, releases_dir=home / "releases", nifti_sources=sources, facts=make_facts())


def in_a_process(home: Path, subjects: int) -> tuple[mp.process.BaseProcess, Path]:
    """Start a publish in a process of its own and wait until it begins."""
    begun = home / "begun"
    begun.unlink(missing_ok=True)
    process = mp.get_context("forkserver").Process(target=publish, args=(home, subjects, begun))
    process.start()
    while not begun.exists() and process.is_alive():
        time.sleep(0.0005)
    return process, begun


def files_of(release: Path) -> dict[str, str]:
    """Return path → SHA-256 of what must repeat."""
    return {
        path.relative_to(release).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name not in NEVER_REPEATS
    }


def torn(home: Path, reference: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with the releases a reader can see after the kill."""
    releases = home / "releases"
    for path in releases.iterdir():
        if path.is_symlink():
            if path.name == "latest" and not path.resolve().is_dir():
                yield "latest leads nowhere"
        elif not path.name.startswith("."):
            if verify_release(path):
                yield f"{path.name} does not verify"
            if path.name == "1.1.0" and files_of(path) != reference:
                yield "1.1.0 has other bytes"


def main() -> int:
    """Print how the rounds ended; 1 when any was torn or did not end the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--subjects", type=int, default=4)
    parser.add_argument("--seed", type=int, default=9)
    given = parser.parse_args()
    mp.get_context("forkserver").set_forkserver_preload(["benchmarks.publish.kill"])
    numbers = random.Random(given.seed)
    ended: Counter[str] = Counter()
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        base, whole = Path(folder, "base"), Path(folder, "whole")
        publish(base, given.subjects)
        shutil.copytree(base, whole, symlinks=True)
        process, _ = in_a_process(whole, given.subjects + 2)
        started = time.monotonic()
        process.join()
        seconds = time.monotonic() - started
        reference = files_of(whole / "releases" / "1.1.0")
        for number in range(given.kills):
            home = Path(folder, f"home-{number}")
            shutil.copytree(base, home, symlinks=True)
            process, _ = in_a_process(home, given.subjects + 2)
            time.sleep(numbers.uniform(0, seconds * 1.02))
            if process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            published = (home / "releases" / "1.1.0").is_dir()
            left = any((home / "releases").glob(".*.part"))
            ended[
                "ended before"
                if process.exitcode == 0
                else "killed, published"
                if published
                else "killed, staging left"
                if left
                else "killed, nothing begun"
            ] += 1
            problems += torn(home, reference)
            publish(home, given.subjects + 2)
            problems += torn(home, reference)
            names = sorted(path.name for path in (home / "releases").iterdir())
            if names != ["1.0.0", "1.1.0", "latest"]:
                problems.append(f"after the next run: {names}")
            shutil.rmtree(home)
    print(f"publish undisturbed: {seconds:.2f} s, {len(reference)} files compared")
    for what, number in sorted(ended.items()):
        print(f"{what:24} {number:5}")
    print(f"torn or different        {len(problems):5}")
    for problem in problems[:10]:
        print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
