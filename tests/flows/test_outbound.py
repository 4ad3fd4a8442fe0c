"""A hospital network is closed: a night and a release look for nobody outside this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from flows.orchestrator import prefect_server
from schemas.run.settings import apply_environment
from tests.flows.conftest import clean_environment, run
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
_KEPT = {"PYTHONPATH", "TMPDIR", "LIVERCOHORT_TEST_WATCH"}
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


def test_a_night_that_prefect_shows_reaches_nobody_outside(
    whole_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=1)
    watched_here = clean_environment() | watch(tmp_path)
    # Below the folder of the machine: names of sockets are at most 107 bytes long.
    with TemporaryDirectory() as shared:
        monkeypatch.setattr(os, "environ", watched_here | {"TMPDIR": shared})
        with prefect_server(apply_environment(home=home)):
            ended = run("ingest", "S91", "--home", home, **of_prefect(os.environ))
        assert [path.name for path in Path(shared).iterdir() if "prefect" in path.name] == []
    assert ended.code == 0, ended.out + ended.err
    assert b"ingest-S91" in (home / "prefect" / "prefect.db").read_bytes()
    seen = watched(tmp_path / "notes")
    assert ("socket.connect", "127.0.0.1") in seen
    assert {(event, host) for event, host in seen if host not in HERE} == set()


def test_a_night_and_a_release_without_a_server_open_no_port_and_connect_to_nobody(
    whole_export: Path, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=1)
    environment = watch(tmp_path)
    for command in (["ingest", "S91"], ["release"], ["verify", "latest"]):
        ended = run(*command, "--home", home, **environment)
        assert ended.code == 0, ended.out + ended.err
    # urllib3 tries, when it is imported, whether this machine has IPv6; it listens to nobody.
    assert set(watched(tmp_path / "notes")) <= {("socket.bind", "::1")}
    # What Prefect would show is kept in the log.
    log = (home / "logs" / "livercohort.log").read_text(encoding="utf-8")
    assert "'accepted': 3" in log
    assert "release 1.0.0: " in log
    assert not (home / "prefect").exists()


def of_prefect(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith("PREFECT_API") or k in _KEPT}


def watch(folder: Path) -> dict[str, str]:
    """Return an environment in which every Python process notes its sockets."""
    (folder / "watch").mkdir()
    (folder / "notes").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder / "watch"), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "LIVERCOHORT_TEST_WATCH": str(folder / "notes")}
