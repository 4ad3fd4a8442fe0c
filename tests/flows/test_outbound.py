"""A hospital network is closed: a night and a release look for nobody outside this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import run
from tests.flows.exports import cut_export, new_home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("outbound")]

# Python's own audit events see every socket of every library, also those of asyncio and of the
# embedded server, and cannot be patched away by an import.
_WATCH = """
import json, os, sys

_FOLDER = os.environ["LIVERCOHORT_TEST_WATCH"]
_EVENTS = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
           "socket.gethostbyaddr", "socket.getnameinfo", "socket.bind"}

def _note(event, arguments):
    if event in _EVENTS:
        target = arguments[0] if event.startswith("socket.get") else arguments[1]
        with open(os.path.join(_FOLDER, f"{os.getpid()}.jsonl"), "a") as sink:
            sink.write(json.dumps([event, sys.argv[:3], target], default=repr) + "\\n")

sys.addaudithook(_note)
"""
HERE = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}


def watched(folder: Path) -> list[tuple[str, Any]]:
    """Return (event, host) of everything that was noted; sockets of this machine have no host."""
    notes = [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [
        (event, target[0] if isinstance(target, list) else target)
        for event, _, target in notes
        if not (isinstance(target, str) and target.startswith("/"))
    ]


def test_the_watch_sees_a_look_up(tmp_path: Path) -> None:
    environment = watch(tmp_path)
    url = "http://no-such-host.invalid/api"
    ended = run("doctor", "--home", tmp_path / "home", **environment, PREFECT_API_URL=url)
    assert ended.code == 3
    assert "no-such-host.invalid" in {host for _, host in watched(tmp_path / "notes")}


def test_a_night_and_a_release_reach_nobody_outside(whole_export: Path, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=1)
    environment = watch(tmp_path)
    for command in (["ingest", "S91"], ["release"], ["verify", "latest"]):
        ended = run(*command, "--home", home, **environment)
        assert ended.code == 0, ended.out + ended.err
    seen = watched(tmp_path / "notes")
    assert ("socket.connect", "127.0.0.1") in seen
    assert {(event, host) for event, host in seen if host not in HERE} == set()


def watch(folder: Path) -> dict[str, str]:
    """Return an environment in which every Python process notes its sockets."""
    (folder / "watch").mkdir()
    (folder / "notes").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder / "watch"), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "LIVERCOHORT_TEST_WATCH": str(folder / "notes")}
