"""Every look-up is in the log before anything is told, and the log shows what was done to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from schemas.errors import BadInputError, EnvironmentProblemError, GateBlockedError
from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.records import SubjectAssignment
from schemas.vault.database import VaultDatabase
from schemas.vault.keys import KeyRing
from schemas.vault.look_ups import LookUp, look_up_subject, read_log
from schemas.vault.subjects import LinkageRow, Vault

SITE = SiteCode("S91")


@dataclass(frozen=True)
class Installation:
    """A vault with one subject, and the head of its log."""

    vault: Vault
    head: Path
    subject_id: SubjectId

    def look_up(self, reason: str = "letter 7") -> SubjectAssignment:
        return look_up_subject(self.vault, self.head, self.subject_id, reason=reason, by="ana")

    def log(self) -> list[LookUp]:
        return read_log(self.vault, self.head)


def installed(place: Path | SecretStr, ring: KeyRing, folder: Path) -> Installation:
    vault = Vault(place, ring)
    rows = [LinkageRow(SubjectNo("A01"), RawPatientId(p)) for p in ("P1", "P2")]
    known = vault.assign(SITE, rows)
    return Installation(vault, folder / "head.sealed", known[RawPatientId("P1")].subject_id)


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, ring: KeyRing) -> Installation:
    place: Path | SecretStr = tmp_path / "vault.sqlite"
    if request.param == "postgresql":
        place = request.getfixturevalue("postgres_url")
    return installed(place, ring, tmp_path)


@pytest.fixture
def here(tmp_path: Path, ring: KeyRing) -> Installation:
    return installed(tmp_path / "vault.sqlite", ring, tmp_path)


def test_a_look_up_tells_who_the_subject_is_and_leaves_an_entry(either: Installation) -> None:
    found = either.look_up("incidental finding")
    assert (found.site, found.subject_no, found.patient_ids) == ("S91", "A01", ("P1", "P2"))
    assert found == either.vault.assignments(SITE)[RawPatientId("P1")]
    either.look_up("again")
    first, second = either.log()
    assert (first.number, first.by, first.reason) == (1, "ana", "incidental finding")
    assert first.subject_id == either.subject_id
    assert first.returned == ("site", "study_subject_no", "patient_ids", "shift_days")
    assert first.at_utc.endswith("+00:00")
    assert (second.number, second.reason) == (2, "again")


def test_look_ups_at_once_each_have_their_number(either: Installation) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(either.look_up, [f"letter {n}" for n in range(8)]))
    log = either.log()
    assert [entry.number for entry in log] == list(range(1, 9))
    assert {entry.reason for entry in log} == {f"letter {n}" for n in range(8)}


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_without_a_reason_nothing_is_told_or_logged(reason: str, here: Installation) -> None:
    with pytest.raises(BadInputError, match="reason"):
        here.look_up(reason)
    assert here.log() == []


def test_an_unknown_subject_is_refused_without_repeating_what_was_typed(
    here: Installation,
) -> None:
    other = replace(here, subject_id=SubjectId("Zhang San"))
    with pytest.raises(BadInputError) as caught:
        other.look_up()
    assert "Zhang" not in str(caught.value)
    assert here.log() == []


def test_another_key_is_refused_before_the_log_grows(here: Installation, tmp_path: Path) -> None:
    here.look_up()
    other = replace(here, vault=Vault(tmp_path / "vault.sqlite", KeyRing(bytes(32))))
    for attempt in (other.look_up, other.log):
        with pytest.raises(EnvironmentProblemError, match="this key"):
            attempt()
    assert len(here.log()) == 1


def test_nothing_is_told_when_the_head_cannot_be_written(here: Installation) -> None:
    here.head.mkdir()
    with pytest.raises(OSError, match="head"):
        here.look_up()


def test_a_kill_between_entry_and_head_breaks_nothing(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.look_up()
    stale = here.head.read_bytes()
    here.look_up()
    here.head.write_bytes(stale)
    assert len(here.log()) == 2
    here.look_up()
    assert len(here.log()) == 3


def test_neither_reason_nor_asker_stands_readable_in_the_file(
    here: Installation, tmp_path: Path
) -> None:
    here.look_up("because of WANG")
    for path in (tmp_path / "vault.sqlite", here.head):
        assert b"WANG" not in path.read_bytes()
        assert b"ana" not in path.read_bytes()
    assert here.head.stat().st_mode & 0o077 == 0


def tamper(here: Installation, tmp_path: Path, *statements: str) -> None:
    """Do what an owner of the database can do."""
    with sqlite3.connect(tmp_path / "vault.sqlite") as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)


_SWAP = (
    "UPDATE look_up SET number = 99 WHERE number = 2",
    "UPDATE look_up SET number = 2 WHERE number = 3",
    "UPDATE look_up SET number = 3 WHERE number = 99",
)
TAMPERED = {
    "time changed": (["UPDATE look_up SET at_utc = '2020' WHERE number = 2"], "entry 2 .* changed"),
    "link changed": (["UPDATE look_up SET mac = 'ab' WHERE number = 1"], "entry 1 .* changed"),
    "dropped from the middle": (["DELETE FROM look_up WHERE number = 2"], "entry 2 .* missing"),
    "dropped and closed up": (
        ["DELETE FROM look_up WHERE number = 1", "UPDATE look_up SET number = number - 1"],
        "entry 1 ",
    ),
    "two swapped": (list(_SWAP), "entry 2 "),
    "seal of another entry": (
        [
            "DELETE FROM seal WHERE token = 'look-up/3'",
            "UPDATE seal SET token = 'look-up/3' WHERE token = 'look-up/2'",
        ],
        "entry 2 .* cannot be read",
    ),
    "seal gone": (["DELETE FROM seal WHERE token = 'look-up/1'"], "entry 1 .* cannot be read"),
    "end cut off": (["DELETE FROM look_up WHERE number = 3"], "ends at entry 2, but had 3"),
    "all gone": (["DELETE FROM look_up"], "ends at entry 0, but had 3"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_the_first_broken_link_is_named(how: str, here: Installation, tmp_path: Path) -> None:
    for _ in range(3):
        here.look_up()
    statements, said = TAMPERED[how]
    tamper(here, tmp_path, *statements)
    with pytest.raises(GateBlockedError, match=said):
        here.log()
    # Nobody is looked up over a broken log, which would cover the tracks.
    with pytest.raises(GateBlockedError, match=said):
        here.look_up()


def _remove(head: Path) -> None:
    head.unlink()


def _garble(head: Path) -> None:
    head.write_bytes(head.read_bytes()[:-1] + b"\0")


@pytest.mark.parametrize(
    ("spoil", "said"), [(_remove, "head .* missing"), (_garble, "cannot be opened")]
)
def test_a_log_without_its_head_is_broken(
    spoil: Callable[[Path], None], said: str, here: Installation
) -> None:
    here.look_up()
    spoil(here.head)
    with pytest.raises(GateBlockedError, match=said):
        here.log()


def test_an_old_vault_file_with_todays_head_is_broken(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "vault.sqlite"
    here.look_up()
    older = file.read_bytes()
    here.look_up()
    file.write_bytes(older)
    with pytest.raises(GateBlockedError, match="ends at entry 1, but had 2"):
        here.log()


@pytest.mark.parametrize("statement", ["UPDATE look_up SET mac = ''", "DELETE FROM look_up"])
def test_the_database_itself_refuses_to_change_the_log(
    statement: str, postgres_url: SecretStr, ring: KeyRing, tmp_path: Path
) -> None:
    for place in (postgres_url, tmp_path / "vault.sqlite"):
        installation = replace(installed(place, ring, tmp_path), head=tmp_path / uuid4().hex)
        installation.look_up()
        with (
            pytest.raises(EnvironmentProblemError, match="refused"),
            VaultDatabase(place).writing() as connection,
        ):
            connection.exec_driver_sql(statement)
        assert len(installation.log()) == 1


def test_a_vault_that_was_emptied_is_told_and_not_taken_for_a_wrong_pseudonym(
    here: Installation, tmp_path: Path
) -> None:
    here.look_up()
    (tmp_path / "vault.sqlite").write_bytes(b"")
    with pytest.raises(GateBlockedError, match="had 1"):
        here.look_up()
