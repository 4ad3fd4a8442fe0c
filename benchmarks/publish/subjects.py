"""What a release costs for each subject: a first one, and one in which a single subject changed.

    PYTHONPATH=. python benchmarks/publish/subjects.py [--subjects 20 40] [--tree ../other]

Homes of one simulated site each (`simulate --scale`, about 210 small images a subject) are taken
in, released, and released again after one subject was given another role in the study: everything
is looked at, one row changes. CPU is user + system time of the whole command. The difference
between two sizes is what a subject costs; what is left is start-up.

The nights look into no pixels: that takes a second for each series and is nothing a release does.
"""

from __future__ import annotations

import argparse
import os
import resource
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
    subprocess.run(
        command,
        check=True,
        cwd=tree,
        env={**os.environ, **environment, "PYTHONPATH": str(tree), "LIVERCOHORT_WORKERS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def give_role(home: Path, role: str) -> None:
    """Give one subject of the newest release a role in the study."""
    pages = (home / "reports" / "release-1.0.0" / "subjects").glob("*.html")
    line = f"{min(path.stem for path in pages)},{role},m1,A. Person,2026-11-01,doc-1\n"
    (home / "restricted" / "analysis_roles.csv").write_text(_ROLE + line, encoding="utf-8")


def measured(place: Path, subjects: int, tree: Path) -> tuple[float, ...]:
    """Return the CPU of a first release, and of two in which one subject changed."""
    exports, home = place / "exports", place / "home"
    at = {"LIVERCOHORT_HOME": str(home), "LIVERCOHORT_LOAD_SITES": str(exports / "site_files")}
    simulate = ["simulate", str(exports), "--scale", "--sites", "1", "--nights", "1"]
    cpu_of([*_CLI, *simulate, "--subjects", str(subjects), "--faults", "none"], ROOT, {})
    (home / "restricted").mkdir(parents=True, mode=0o700)
    cpu_of([*_CLI, "key", "create"], ROOT, at)
    cpu_of([sys.executable, "-c", _NIGHT, "ingest", "X001", "--inbox", str(exports)], ROOT, at)
    found = [cpu_of([*_CLI, "release"], tree, at)]
    for role in ("phase2_development", "phase2_validation"):
        give_role(home, role)
        found.append(cpu_of([*_CLI, "release"], tree, at))
    return tuple(found)


def main() -> None:
    """Print one line a size, and what a subject costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, nargs=2, default=(20, 40))
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout that releases")
    given = parser.parse_args()
    few, many = given.subjects
    rows = {}
    print(f"{'CPU s':20}{'first':>8}{'one changed':>14}{'again':>8}")
    for subjects in (few, many):
        with tempfile.TemporaryDirectory() as scratch:
            rows[subjects] = measured(Path(scratch), subjects, given.tree.resolve())
        print(f"{subjects:>3} subjects{'':8}" + "".join(f"{one:>10.1f}" for one in rows[subjects]))
    pairs = zip(rows[few], rows[many], strict=True)
    each = [(after - before) / (many - few) for before, after in pairs]
    print(f"{'a subject':20}" + "".join(f"{one:>10.3f}" for one in each))


if __name__ == "__main__":
    main()
