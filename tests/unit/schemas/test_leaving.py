"""A command ends at once: what was registered is done, what was said is out, nothing is added."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_WORKS = (
    "import duckdb\nfrom schemas.run.pool import run_isolated\nduckdb.connect().close()\n"
    "assert list(run_isolated(abs, [-1], workers=1)) == [(0, 1)]\n"
)


def _ended(program: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    lines = f"import atexit, sys, threading, time\nfrom schemas.run.leaving import leave\n{program}"
    return subprocess.run(
        [sys.executable, "-c", lines],
        check=False,
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        # Else what is printed is out at once, and nothing is left for the end.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )


def test_what_was_registered_is_done_and_what_was_said_is_out() -> None:
    ended = _ended("atexit.register(sys.stdout.write, 'last')\nprint('first', end=' ')\nleave(3)\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "first last", "")


@pytest.mark.parametrize("end", ["leave(0)", "sys.exit(0)"])
def test_no_library_tells_what_it_thinks_leaked(end: str) -> None:
    ended = _ended(f"{_WORKS}{end}\n")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_thread_that_works_is_waited_for() -> None:
    ended = _ended(
        "def work():\n    time.sleep(0.2)\n    print('worked')\n"
        "threading.Thread(target=work).start()\nleave(1)\n"
    )
    assert (ended.returncode, ended.stdout) == (1, "worked\n")


def test_what_nobody_reads_any_more_is_told_by_the_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = _ended("print('unread')\nleave(0)\n", stdout=writer)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (120, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_command_that_may_say_nothing_ends_as_it_came_out(closed: str) -> None:
    """`livercohort ingest >&-` in a table of cron: Python has no such stream then."""
    program = "from schemas.run.leaving import leave; leave(3)"
    shell = ["sh", "-c", f'exec "$0" -c "{program}" {closed}', sys.executable]
    ended = subprocess.run(shell, check=False, text=True, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
