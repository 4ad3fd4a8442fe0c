"""What leaves a night on its own: messages, digest, metrics, logs, the scheduler's database.

A night with planted identifiers in its files, in the names of its exports and in what breaks is
run on a real server; what it tells is delivered to a receiver, and nothing of it names anybody.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.run.settings import QUIET_ENVIRONMENT
from tests.flows.conftest import clean_environment, run
from tests.flows.exports import cut_export, new_home
from tests.flows.test_clock import ROOT, Server, served
from tests.flows.test_no_leak import contents, encoded
from tests.postgres import postgres_programs, running_postgres
from tests.unit.operate.test_notify import serving

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]

_NAME, _NUMBER = "王小明", "11010519491231002X"


@dataclass(frozen=True)
class Told:
    """A server that saw a good and bad nights, and every message that was sent of them."""

    home: Path
    messages: list[dict[str, str]]
    dump: bytes
    server_log: Path
    planted: tuple[bytes, ...]


@contextmanager
def receiving(messages: list[dict[str, str]]) -> Iterator[str]:
    """Take messages for the time of the block; yield the URL of the webhook."""

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with serving(Hook) as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def server_with_dump(folder: Path) -> Iterator[tuple[Server, list[str]]]:
    """Run a server on PostgreSQL; yield it and the command that dumps its database."""
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("LIVERCOHORT_REQUIRE_POSTGRES"):
            pytest.fail("PostgreSQL is required and not installed")
        pytest.skip("PostgreSQL is not installed")
    with (
        running_postgres(programs) as sockets,
        served(folder, f"postgresql+asyncpg://vault@/postgres?host={sockets}") as server,
    ):
        yield (
            server,
            [
                shutil.which("pg_dump") or str(programs / "pg_dump"),
                "-h",
                str(sockets),
                "-U",
                "vault",
                "postgres",
            ],
        )


def as_scheduled(environment: dict[str, str]) -> int:
    """Run the flow as a worker does: no command has looked at the home before."""
    command = [sys.executable, "-c", "from flows.ingest_site import ingest_site as f; f('S91')"]
    ended = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, timeout=300, check=False
    )
    return ended.returncode


@pytest.fixture(scope="module")
def told(whole_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    home = new_home(folder)
    good = cut_export(whole_export, home / "inbox", series=2, planted=True)
    good.rename(good.with_name(f"{_NAME}_{_NUMBER}"))
    refused = good.with_name(f"refused_{_NAME}")
    refused.mkdir()
    refused.with_name(f"{refused.name}.READY").touch()  # complete, and nothing in it
    messages: list[dict[str, str]] = []
    with receiving(messages) as hook, server_with_dump(folder) as (server, dump):
        environment = {
            **server.environment(home), "LIVERCOHORT_NOTIFY_WEBHOOK": hook,
        }  # fmt: skip
        assert run("ingest", "S91", "--home", home, **environment).code == 1
        # The next night breaks where no rule foresees it, in the middle of its work.
        broken = cut_export(whole_export, home / "inbox", series=1)
        broken.rename(broken.with_name(f"second_{_NAME}"))
        (home / "restricted" / "vault.sqlite").write_bytes(f"{_NAME} {_NUMBER}".encode() * 400)
        assert as_scheduled(environment) != 0
        assert run("digest", "--send", "--home", home, **environment).code == 0
        dumped = subprocess.run(dump, capture_output=True, check=True, timeout=60).stdout
    key = pq.read_table(whole_export.parent.parent / "answer_key" / "identifiers.parquet")
    values = {r["value"] for r in key.to_pylist() if r["scope"] == "everywhere"} | {_NAME, _NUMBER}
    planted = tuple(form for value in sorted(values) for form in encoded(value))
    return Told(home, messages, dumped, folder / "server.log", planted)


def test_a_night_that_fails_is_delivered_to_the_receiver_at_once(told: Told) -> None:
    first, second, digest = told.messages
    assert "S91 incomplete" in first["subject"]
    assert "is empty" in first["text"]
    assert "S91" in second["subject"]
    assert "at S91 failed. the vault" in second["text"]
    assert "to act on" in digest["subject"]
    assert "# " in digest["text"]


def test_nothing_that_is_told_names_anybody(told: Told) -> None:
    said = json.dumps(told.messages, ensure_ascii=False).encode()
    written = {
        path: list(contents(path))
        for zone in ("operations", "logs", "prefect")
        for path in sorted(p for p in (told.home / zone).rglob("*") if p.is_file())
    }
    names = {path.suffix for path in written}
    assert {".md", ".json", ".prom", ".jsonl", ".log"} <= names
    written |= {Path("messages"): [said], Path("database"): [told.dump]}
    written[told.server_log] = [told.server_log.read_bytes()]
    found = {
        str(path)
        for path, texts in written.items()
        for text in texts
        if any(form in text for form in told.planted)
    }
    assert found == set()


def test_the_search_would_find_what_it_looks_for(told: Told) -> None:
    assert len(told.planted) > 100
    inbox = b"".join(p.read_bytes() for p in (told.home / "inbox").rglob("*.csv"))
    assert any(form in inbox for form in told.planted)
    assert b"ingest-S91" in told.dump
    assert b"COPY public.log" in told.dump


def test_a_night_that_cannot_even_leave_a_record_is_told(prefect_api: str, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    (home / "warehouse").write_bytes(b"no folder")
    messages: list[dict[str, str]] = []
    with receiving(messages) as hook:
        environment = {
            **clean_environment(),
            **QUIET_ENVIRONMENT,
            "PREFECT_API_URL": prefect_api,
            "PREFECT_HOME": str(tmp_path / "client"),
            "LIVERCOHORT_HOME": str(home),
            "LIVERCOHORT_NOTIFY_WEBHOOK": hook,
            "NO_PROXY": "127.0.0.1",
        }
        assert as_scheduled(environment) != 0
    (message,) = messages
    assert message["subject"] == "livercohort: the night at S91 failed and left no record"
    assert "File exists" in message["text"]
