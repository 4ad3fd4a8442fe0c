"""What a release costs for each subject: a first one, and one in which a single subject changed.

    PYTHONPATH=. python benchmarks/publish/subjects.py [--subjects 20 40] [--tree ../other]
        [--homes FOLDER]

Homes of one simulated site each (`simulate --scale`, about 210 small images a subject) are taken
in, released, and released again after one subject was given another role in the study: everything
is looked at, one row changes. CPU is user + system time of the whole command. The difference
between two sizes is what a subject costs; what is left is start-up.

The nights look into no pixels: that takes a second for each series and is nothing a release does.
With `--homes` the homes are kept, and made only where they are not there: so that several checkouts
are measured over copies of the same ones, and on a shared machine in pieces.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CLI = (sys.executable, "-m", "flows.cli")
#: A night whose series are all taken for clean.
_NIGHT = """
import hashlib, sys
import tasks.inspect.task as task
from tasks.inspect.records import Looked, PixelsOfFile

def look_at(jobs, *_, **__):
    content = lambda uid: hashlib.sha256(uid.encode()).hexdigest()
    pixels = [tuple(PixelsOfFile(f.sop_uid, content(f.sop_uid), False) for f in job.files)
              for job in jobs]
    return [Looked((), 0, 1, 0, 64, 64, one) for one in pixels]

task.look_at = look_at
from flows.cli import main
main()
"""
_ROLE = "subject_id,analysis_role,model_version,assigned_by,assigned_on,document\n"


def cpu_of(command: list[str], tree: Path, environment: dict[str, str]) -> float:
    """Run a command of a checkout and return the CPU seconds it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        command,
        check=False,
        cwd=tree,
        env={**os.environ, **environment, "PYTHONPATH": str(tree), "LIVERCOHORT_WORKERS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if ended.returncode != 0:
        raise SystemExit(
            f"{' '.join(command[:5])} ended {ended.returncode}: {ended.stderr[-2000:]}"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def give_role(home: Path, role: str) -> None:
    """Give one subject of the newest release a role in the study."""
    pages = (home / "reports" / "release-1.0.0" / "subjects").glob("*.html")
    line = f"{min(path.stem for path in pages)},{role},m1,A. Person,2026-11-01,doc-1\n"
    (home / "restricted" / "analysis_roles.csv").write_text(_ROLE + line, encoding="utf-8")


def made_home(place: Path, subjects: int) -> Path:
    """Return a folder with a home after one night, made where it is not there."""
    whole = place / f"{subjects}"
    if whole.is_dir():
        return whole
    made = place / f"{subjects}.part"
    shutil.rmtree(made, ignore_errors=True)
    exports, home = made / "exports", made / "home"
    at = environment_of(made)
    simulate = ["simulate", str(exports), "--scale", "--sites", "1", "--nights", "1"]
    cpu_of([*_CLI, *simulate, "--subjects", str(subjects), "--faults", "none"], ROOT, {})
    (home / "restricted").mkdir(parents=True, mode=0o700)
    cpu_of([*_CLI, "key", "create"], ROOT, at)
    cpu_of([sys.executable, "-c", _NIGHT, "ingest", "X001", "--inbox", str(exports)], ROOT, at)
    made.rename(whole)
    return whole


def environment_of(place: Path) -> dict[str, str]:
    """Return what names the home in a folder, and the site that delivers to it."""
    return {
        "LIVERCOHORT_HOME": str(place / "home"),
        "LIVERCOHORT_LOAD_SITES": str(place / "exports" / "site_files"),
    }


def measured(whole: Path, tree: Path) -> tuple[float, ...]:
    """Return the CPU of a first release, and of two in which one subject changed."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(whole, copy, symlinks=True)
        at = environment_of(copy)
        found = [cpu_of([*_CLI, "release"], tree, at)]
        for role in ("phase2_development", "phase2_validation"):
            give_role(copy / "home", role)
            found.append(cpu_of([*_CLI, "release"], tree, at))
    return tuple(found)


def main() -> None:
    """Print one line a size, and what a subject costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, nargs=2, default=(20, 40))
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout that releases")
    parser.add_argument("--homes", type=Path, help="keep the homes here")
    parser.add_argument("--make", action="store_true", help="make the homes and measure nothing")
    given = parser.parse_args()
    few, many = given.subjects
    with contextlib.ExitStack() as stack:
        place = given.homes or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        homes = {subjects: made_home(place.resolve(), subjects) for subjects in (few, many)}
        if not given.make:
            tell(homes, given.tree.resolve())


def tell(homes: dict[int, Path], tree: Path) -> None:
    """Measure a checkout over copies of the homes and print what it took."""
    (few, many), rows = sorted(homes), {}
    print(f"{'CPU s':20}{'first':>8}{'one changed':>14}{'again':>8}")
    for subjects in (few, many):
        rows[subjects] = measured(homes[subjects], tree)
        print(f"{subjects:>3} subjects{'':8}" + "".join(f"{one:>10.1f}" for one in rows[subjects]))
    pairs = zip(rows[few], rows[many], strict=True)
    each = [(after - before) / (many - few) for before, after in pairs]
    print(f"{'a subject':20}" + "".join(f"{one:>10.3f}" for one in each))


if __name__ == "__main__":
    main()
