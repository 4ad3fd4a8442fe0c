"""SIGKILL at random moments of a publish: torn releases, and whether the next run ends it.

    PYTHONPATH=. python benchmarks/publish/kill.py [--kills 200] [--store-kills 40]

Each round starts from a home with release 1.0.0, starts a publish of 1.1.0 in a process of its
own, kills it at a random moment of its life, looks at what a reader finds, publishes again and
compares every byte with an undisturbed publish. `cohort.duckdb`, which never repeats, and its
line in `SHA256SUMS` are left out of the comparison. What is killed is the publish itself (sweep,
build, rename), called as the release flow calls it, with tables made beforehand: labels and
eligibility, which write nothing under `releases/`, are not run two hundred times.

With `--store-kills` the copy of a release to a server of the S3 protocol (`moto.server`) is
killed likewise; there a reader must find 1.0.0 alone or both versions whole, and after the next
copy every byte of the local folder.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing as mp
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs

from benchmarks.publish.made_cohort import make_facts, make_sources, make_tables
from tasks.publish.store import build_release, sweep_staging
from tasks.publish.store_places import open_store
from tasks.publish.store_remote import fetch_release, push_release, remote_versions
from tasks.publish.store_verify import verify_release

NEVER_REPEATS = {"cohort.duckdb", "SHA256SUMS", "SHA256SUMS.minisig"}
#: A kill aimed a little behind the expected end now and then meets a publish that has ended.
BEYOND_THE_END = 1.05


def publish(home: Path, subjects: int, begun: Path | None = None) -> float:
    """Publish the cohort as the flow does: sweep first, then build; return the seconds."""
    tables = make_tables(subjects, instances=subjects * 200, sites=3)
    sources = make_sources(home / "warehouse", tables)
    if begun is not None:
        begun.touch()
    started = time.monotonic()
    sweep_staging(home / "releases")
    build_release(tables, releases_dir=home / "releases", nifti_sources=sources, facts=make_facts())
    return time.monotonic() - started


def push(url: str, release: Path, begun: Path | None = None) -> float:
    """Copy a release to the store; return the seconds."""
    if begun is not None:
        begun.touch()
    started = time.monotonic()
    push_release(url, release)
    return time.monotonic() - started


def kill_at_random(
    work: Callable[..., float], arguments: tuple[object, ...], begun: Path, after: float
) -> bool:
    """Do the work in a process of its own, kill it so many seconds on; True if it was killed."""
    begun.unlink(missing_ok=True)
    process = mp.get_context("forkserver").Process(target=work, args=(*arguments, begun))
    process.start()
    while not begun.exists() and process.is_alive():
        time.sleep(0.0005)
    time.sleep(after)
    if process.pid and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode != 0


def files_of(release: Path, without: frozenset[str] | set[str] = frozenset()) -> dict[str, str]:
    """Return path → SHA-256 of the files of a release."""
    return {
        path.relative_to(release).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.name not in without
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
            if path.name == "1.1.0" and files_of(path, NEVER_REPEATS) != reference:
                yield "1.1.0 has other bytes"


def kill_publishes(folder: Path, kills: int, subjects: int, numbers: random.Random) -> list[str]:
    """Print how the rounds ended and return what was wrong."""
    base, whole = folder / "base", folder / "whole"
    publish(base, subjects)
    shutil.copytree(base, whole, symlinks=True)
    lasted = [publish(whole, subjects + 2)]
    reference = files_of(whole / "releases" / "1.1.0", NEVER_REPEATS)
    ended: Counter[str] = Counter()
    problems: list[str] = []
    for number in range(kills):
        home = folder / f"home-{number}"
        shutil.copytree(base, home, symlinks=True)
        moment = numbers.uniform(0, BEYOND_THE_END * statistics.median(lasted[-9:]))
        killed = kill_at_random(publish, (home, subjects + 2), home / "begun", moment)
        staged = [p for p in (home / "releases").glob(".*.part") if p.is_dir()]
        if not killed:
            ended["ended before the kill"] += 1
        elif (home / "releases" / "1.1.0").is_dir():
            ended["killed, 1.1.0 was published"] += 1
        elif staged:
            share = sum(p.is_file() for p in staged[0].rglob("*")) / (len(reference) + 2)
            ended[f"killed, {min(int(share * 4), 3) * 25:2} % of files staged, or more"] += 1
        else:
            ended["killed, nothing staged yet"] += 1
        problems += torn(home, reference)
        lasted.append(publish(home, subjects + 2))
        problems += torn(home, reference)
        names = sorted(path.name for path in (home / "releases").iterdir())
        if names != ["1.0.0", "1.1.0", "latest"]:
            problems.append(f"after the next run: {names}")
        shutil.rmtree(home)
    print(f"publish: {statistics.median(lasted):.2f} s, {len(reference)} files compared")
    _print_ends(ended, problems)
    return problems


def kill_copies(folder: Path, kills: int, subjects: int, numbers: random.Random) -> list[str]:
    """Kill copies to a store, print how the rounds ended and return what was wrong."""
    home = folder / "store-home"
    publish(home, subjects)
    publish(home, subjects + 2)
    one, other = home / "releases" / "1.0.0", home / "releases" / "1.1.0"
    wanted = {path.name: files_of(path) for path in (one, other)}
    ended: Counter[str] = Counter()
    problems: list[str] = []
    lasted: list[float] = []
    with s3_server() as server:
        for number in range(kills):
            url = f"s3://cohort/{number}?endpoint_override={server}&scheme=http"
            lasted.append(push(url, one))
            moment = numbers.uniform(0, BEYOND_THE_END * statistics.median(lasted[-9:]))
            killed = kill_at_random(push, (url, other), folder / "begun", moment)
            seen = remote_versions(open_store(url))
            how = "killed" if killed else "ended before the kill"
            ended[f"{how}, 1.1.0 {'whole' if '1.1.0' in seen else 'not seen'}"] += 1
            back = folder / f"back-{number}"
            problems += [
                f"store, killed: {version} has other bytes"
                for version in seen
                if files_of(fetch_release(url, version, back / "killed")) != wanted[version]
            ]
            lasted.append(push(url, other))
            newest = fetch_release(url, "latest", back / "next")
            if newest.name != "1.1.0" or files_of(newest) != wanted["1.1.0"]:
                problems.append("store, next run: the newest is not 1.1.0 as it is here")
            if not {"1.0.0"} <= set(seen) <= {"1.0.0", "1.1.0"}:
                problems.append(f"store, killed: a reader sees {seen}")
            shutil.rmtree(back)
    print(f"copy to the store: {statistics.median(lasted):.2f} s, {len(wanted['1.1.0'])} files")
    _print_ends(ended, problems)
    return problems


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server of the S3 protocol on this machine, with an empty bucket `cohort`."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", place.split(":")[1]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://{place}/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        files = fs.S3FileSystem(
            access_key="testing",
            secret_key="testing",
            endpoint_override=place,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        files.create_dir("cohort")
        yield place
    finally:
        process.terminate()
        process.wait()


def _print_ends(ended: Counter[str], problems: list[str]) -> None:
    for what, number in sorted(ended.items()):
        print(f"{what:44} {number:5}")
    print(f"{'torn or different':44} {len(problems):5}")
    for problem in problems[:10]:
        print(f"  {problem}")


def main() -> int:
    """Print how the rounds ended; 1 when any was torn or did not end the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store-kills", type=int, default=40)
    parser.add_argument("--subjects", type=int, default=4)
    parser.add_argument("--seed", type=int, default=9)
    given = parser.parse_args()
    mp.get_context("forkserver").set_forkserver_preload(["benchmarks.publish.kill"])
    numbers = random.Random(given.seed)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.kills:
            problems += kill_publishes(folder, given.kills, given.subjects, numbers)
        if given.store_kills:
            problems += kill_copies(folder, given.store_kills, 2, numbers)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
