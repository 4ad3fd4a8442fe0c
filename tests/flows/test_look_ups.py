"""Looking a person up, and a new secret for the vault, as the command line does it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, read_key_file, sealed_version
from schemas.vault.rotation import sealed_files
from schemas.vault.subjects import LinkageRow, Vault
from tests.flows.conftest import (
    COMMITTED,
    LIVERCOHORT,
    clean_environment,
    require_one_error,
    run,
)
from tests.flows.exports import KEY, cut_export, file_bytes, write_key

pytestmark = pytest.mark.slow

OTHER_KEY = bytes(range(32, 64))
PATIENT = RawPatientId("HN-0042-7788")
REASON = "incidental finding, letter 7"


@pytest.fixture
def subject(home: Path) -> str:
    """A subject of the home's vault."""
    rows = [LinkageRow(SubjectNo("LC-17"), p) for p in (PATIENT, RawPatientId("OUT-991"))]
    known = Vault(Zones(home).vault, KeyRing(KEY)).assign(SiteCode("S91"), rows)
    return known[PATIENT].subject_id


def test_a_look_up_prints_who_it_is_and_the_log_tells_of_it(home: Path, subject: str) -> None:
    ended = run("reidentify", subject, "--reason", REASON, "--by", "Ana", "--home", home, "--json")
    assert ended.code == 0, ended.err
    found = ended.json()
    assert found["patient_ids"] == [PATIENT, "OUT-991"]
    assert (found["site"], found["study_subject_no"], found["subject"]) == ("S91", "LC-17", subject)
    assert 366 <= found["shift_days"] <= 3650
    plain = run("reidentify", subject, "--reason", "again", "--home", home)
    assert all(part in plain.out for part in (PATIENT, "LC-17", str(found["shift_days"]), "S91"))
    log = run("reidentify", "--check-log", "--home", home, "--json").json()
    assert [(entry["number"], entry["reason"]) for entry in log] == [(1, REASON), (2, "again")]
    assert log[0]["by"].endswith("(Ana)")
    assert run("reidentify", "--check-log", "--home", home).code == 0
    # Nothing of it anywhere but on the terminal.
    for name, data in file_bytes(home, "**/*").items():
        assert not [v for v in (PATIENT, "LC-17", REASON) if v.encode() in data], name
    assert not (home / "prefect").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["{subject}"], 2),
        (["{subject}", "--reason", "  "], 2),
        (["S91-AAAAAAAA", "--reason", REASON], 2),
        (["HN-0042-7788", "--reason", REASON], 2),
        (["--reason", REASON], 2),
        ([], 2),
        (["{subject}", "--check-log"], 2),
        (["{subject}", "--reason", REASON, "--out", "who.csv"], 2),
    ],
)
def test_a_look_up_that_is_refused_tells_and_writes_nothing(
    arguments: list[str], code: int, home: Path, subject: str
) -> None:
    before = file_bytes(home, "**/*")
    given = [part.format(subject=subject) for part in arguments]
    ended = run("reidentify", *given, "--home", home)
    require_one_error(ended, code)
    assert PATIENT not in ended.err
    assert file_bytes(home, "**/*") == before


@pytest.mark.parametrize(("key", "about"), [(None, "no master key"), (OTHER_KEY, "this key")])
def test_without_the_right_key_nobody_is_looked_up(
    key: bytes | None, about: str, home: Path, subject: str
) -> None:
    path = home / "restricted" / "key"
    path.unlink()
    if key:
        write_key(path, key)
    before = file_bytes(home, "**/*")
    for command in (
        ["reidentify", subject, "--reason", REASON],
        ["reidentify", "--check-log"],
        ["key", "rotate"],
        ["key", "check"],
    ):
        require_one_error(run(*command, "--home", home), 3, about=about)
    assert {n: d for n, d in file_bytes(home, "**/*").items() if "leases" not in n} == before


def test_a_release_with_another_key_writes_nothing(released: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(released, home, symlinks=True)
    write_key(home / "restricted" / "key", OTHER_KEY)
    watched = (*COMMITTED, "releases/**/*", "restricted/vault.sqlite")
    before = file_bytes(home, *watched)
    ended = run("release", "--home", home)
    require_one_error(ended, 3, about="Use the key with which this home was started")
    assert file_bytes(home, *watched) == before


def test_a_night_with_the_vault_in_postgresql_gives_the_same_bytes(
    home: Path, night: Path, whole_export: Path, postgres_url: SecretStr
) -> None:
    # The server trusts its socket, so any password will do; it must stand nowhere.
    url = postgres_url.get_secret_value().replace("vault@", "vault:GEHEIM-77@")
    cut_export(whole_export, home / "inbox", series=2, planted=True)
    environment = {"LIVERCOHORT_VAULT_URL": url}
    ended = run("ingest", "S91", "--home", home, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert not Zones(home).vault_file.exists()
    known = Vault(postgres_url, KeyRing(KEY)).assignments(SiteCode("S91"))
    assert known == Vault(Zones(night).vault, KeyRing(KEY)).assignments(SiteCode("S91"))
    one = next(iter(known.values())).subject_id
    asked = run("reidentify", one, "--reason", REASON, "--home", home, **environment)
    checked = run("doctor", "--home", home, "--json", **environment)
    vault = next(check for check in checked.json() if check["name"] == "vault")
    assert (vault["ok"], "PostgreSQL" in vault["found"]) == (True, True)
    told = b"".join(file_bytes(home, "**/*").values()).decode("latin-1")
    told += "".join(e.out + e.err for e in (ended, asked, checked))
    assert "GEHEIM-77" not in told
    # A database that is away is one error, and nothing is begun.
    environment["LIVERCOHORT_VAULT_URL"] = "postgresql://vault:GEHEIM-77@127.0.0.1:1/none"
    away = run("reidentify", one, "--reason", REASON, "--home", home, **environment)
    require_one_error(away, 3, about="the vault's database refused")
    assert "GEHEIM-77" not in away.err


def test_a_broken_log_is_told_and_stops_look_ups(home: Path, subject: str) -> None:
    assert run("reidentify", subject, "--reason", REASON, "--home", home).code == 0
    Zones(home).look_up_head.unlink()
    for command in (["--check-log"], [subject, "--reason", REASON]):
        ended = run("reidentify", *command, "--home", home)
        require_one_error(ended, 1, about="head of the look-up log is missing")


def test_a_new_secret_changes_nothing_that_is_released_or_looked_up(
    released: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(released, home, symlinks=True)
    zones, key = Zones(home), home / "restricted" / "key"
    known = Vault(zones.vault, read_key_file(key)).assignments(SiteCode("S91"))
    one = next(iter(known.values()))
    ask = ("reidentify", one.subject_id, "--reason", REASON, "--home", home, "--json")
    told, before = run(*ask).json(), file_bytes(home, *COMMITTED, "releases/**/*")
    old_key = key.read_bytes()
    ended = run("key", "rotate", "--home", home, "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["version"] == 2
    assert ended.json()["files"] >= 3
    assert run("key", "check", "--home", home, "--json").json()["look_ups"] == 1
    assert run(*ask).json() == told
    assert file_bytes(home, *COMMITTED, "releases/**/*") == before
    again = run("release", "--home", home)
    assert (again.code, "Nothing changed" in again.out) == (0, True), again.out + again.err
    key.write_bytes(old_key)
    require_one_error(run(*ask), 3, about="the key they were sealed with")
    require_one_error(run("key", "check", "--home", home), 3, about="this key")


def test_a_rotation_waits_for_no_night_but_refuses(home: Path, subject: str) -> None:
    lease = home / "operations" / "leases" / "S91.json"
    facts = {
        "owner": "x",
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "heartbeat": time.time(),
    }
    write_bytes(lease, json.dumps(facts).encode())
    before = file_bytes(home, "restricted/**/*")
    require_one_error(run("key", "rotate", "--home", home), 3, about="another run holds S91")
    assert file_bytes(home, "restricted/**/*") == before


@pytest.mark.parametrize("sign", ["key", "first file", "many files"])
def test_a_rotation_killed_in_the_middle_leaves_all_readable_and_is_finished_later(
    sign: str, home: Path, subject: str
) -> None:
    zones, key = Zones(home), home / "restricted" / "key"
    ring = read_key_file(key)
    for number in range(300):
        path = zones.restricted / "batches" / "S91" / f"b{number:03}" / "identifiers.sealed"
        write_bytes(path, ring.seal(b"[]", context="identifiers/v1"), mode=0o600)
    paths = list(sealed_files(zones))
    watched = {"first file": paths[0], "many files": paths[150]}

    def has_come() -> bool:
        if sign == "key":
            return b"vault 2" in key.read_bytes()
        return sealed_version(watched[sign].read_bytes()) == 2

    process = subprocess.Popen(
        [LIVERCOHORT, "key", "rotate", "--home", home],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    while not has_come():
        assert process.poll() is None, "the rotation ended before the sign"
    process.send_signal(signal.SIGKILL)
    process.wait()
    versions = {sealed_version(path.read_bytes()) for path in paths}
    assert versions != {2}, "killed too late to show anything"
    assert run("key", "check", "--home", home, "--json").json()["files"] == 300
    ended = run("key", "rotate", "--home", home, "--json")
    assert (ended.code, ended.json()["version"]) == (0, 3), ended.err
    assert {sealed_version(path.read_bytes()) for path in paths} == {3}
    assert list(read_key_file(key).vault_secrets) == [3]
    assert run("reidentify", subject, "--reason", REASON, "--home", home).code == 0
