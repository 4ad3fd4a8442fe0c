"""The vault keeps who a subject is: once made an assignment never changes, and nothing shows."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.vault.database import VaultDatabase, VaultPlace, metadata
from schemas.vault.keys import KeyRing
from schemas.vault.subjects import LinkageConflictError, LinkageRow, Vault

SITE, OTHER_SITE = SiteCode("S91"), SiteCode("S92")
RESIDENT = "11010519491231002X"


def row(subject: str, patient: str, resident: str | None = None) -> LinkageRow:
    return LinkageRow(SubjectNo(subject), RawPatientId(patient), resident)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> VaultPlace:
    if request.param == "sqlite":
        return tmp_path / "vault.sqlite"
    url: SecretStr = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def vault(place: VaultPlace, ring: KeyRing) -> Vault:
    return Vault(place, ring)


def everything(place: VaultPlace) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables."""
    with VaultDatabase(place).reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def test_several_patient_ids_of_one_subject_share_pseudonym_and_shift(vault: Vault) -> None:
    known = vault.assign(SITE, [row("A01", "P1"), row("A01", "P2"), row("A02", "P3")])
    assert known[RawPatientId("P1")] == known[RawPatientId("P2")]
    assert known[RawPatientId("P1")].patient_ids == ("P1", "P2")
    assert known[RawPatientId("P3")].subject_id != known[RawPatientId("P1")].subject_id


def test_the_same_linkage_again_changes_nothing(vault: Vault, place: VaultPlace) -> None:
    rows = [row("A01", "P1", RESIDENT), row("A01", "P1", RESIDENT)]
    first = vault.assign(SITE, rows)
    before = everything(place)
    assert vault.assign(SITE, rows) == first
    assert everything(place) == before


def test_the_same_number_at_two_sites_is_two_subjects(vault: Vault) -> None:
    one = vault.assign(SITE, [row("A01", "P1")])[RawPatientId("P1")]
    two = vault.assign(OTHER_SITE, [row("A01", "P1")])[RawPatientId("P1")]
    assert one.subject_id != two.subject_id
    assert list(vault.assignments(SITE)) == ["P1"]


def test_a_patient_id_that_moves_to_another_subject_is_refused_whole(vault: Vault) -> None:
    vault.assign(SITE, [row("A01", "P1")])
    with pytest.raises(LinkageConflictError) as caught:
        vault.assign(SITE, [row("A03", "P9"), row("A02", "P1")])
    assert "P1" not in str(caught.value)
    assert list(vault.assignments(SITE)) == ["P1"]


def test_no_value_stands_in_the_database(vault: Vault, place: VaultPlace) -> None:
    vault.assign(SITE, [row("SUBJECT-77", "PATIENT-88", RESIDENT)])
    data = place.read_bytes() if isinstance(place, Path) else repr(everything(place)).encode()
    for value in (b"SUBJECT-77", b"PATIENT-88", RESIDENT.encode()):
        assert value not in data
    if isinstance(place, Path):
        assert place.stat().st_mode & 0o077 == 0


def test_one_resident_id_links_subjects_across_sites(vault: Vault) -> None:
    vault.assign(SITE, [row("A01", "P1", RESIDENT.lower()), row("A02", "P2", "other")])
    vault.assign(OTHER_SITE, [row("B01", "P1", RESIDENT)])
    (group,) = vault.subjects_sharing_a_person()
    assert [subject[:3] for subject in group] == ["S91", "S92"]


def test_several_patient_ids_of_one_person_are_no_two_subjects(vault: Vault) -> None:
    vault.assign(SITE, [row("A01", "P1", RESIDENT), row("A01", "P2", RESIDENT)])
    assert vault.subjects_sharing_a_person() == []


def test_a_vault_of_another_key_says_so_and_takes_nothing(vault: Vault, place: VaultPlace) -> None:
    vault.assign(SITE, [row("A01", "P1")])
    before, other = everything(place), Vault(place, KeyRing(bytes(32)))
    for attempt in (
        other.check,
        lambda: other.assign(SITE, [row("A02", "P2")]),
        lambda: other.assignments(SITE),
        lambda: other.assignment(SubjectId("S91-AAAAAAAA")),
        other.subjects_sharing_a_person,
    ):
        with pytest.raises(EnvironmentProblemError, match="cannot be opened with this key"):
            attempt()
    assert everything(place) == before


STATEMENTS = {
    "update": "UPDATE subject SET site = 'S99'",
    "delete": "DELETE FROM subject",
    "delete of a link": "DELETE FROM patient_link",
    "delete of a person": "DELETE FROM person_link",
    "delete of a seal in force": "DELETE FROM seal",
    "update of a seal": "UPDATE seal SET sealed = ''",
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_itself_refuses_to_change_or_take_away_a_row(
    statement: str, vault: Vault, place: VaultPlace
) -> None:
    vault.assign(SITE, [row("A01", "P1", RESIDENT)])
    before = everything(place)
    with (
        pytest.raises(EnvironmentProblemError, match="refused"),
        VaultDatabase(place).writing() as connection,
    ):
        connection.exec_driver_sql(STATEMENTS[statement])
    assert everything(place) == before


def test_an_erased_subject_leaves_nothing_that_links_to_a_person_and_never_comes_back(
    vault: Vault, place: VaultPlace
) -> None:
    rows = [row("A01", "P1", RESIDENT), row("A01", "P2"), row("A02", "P3")]
    known = vault.assign(SITE, rows)
    gone, stays = known[RawPatientId("P1")], known[RawPatientId("P3")]
    assert vault.erase(gone.subject_id) == 3
    for _ in range(2):
        assert vault.assignments(SITE) == {RawPatientId("P3"): stays}
        assert vault.assignment(gone.subject_id) is None
        left = everything(place)
        assert {name: len(found) for name, found in left.items()} == {
            "subject": 2,
            "patient_link": 1,
            "person_link": 0,
            "seal": 2,
            "look_up": 0,
            "erasure": 1,
        }
        assert vault.check() == 2
        assert vault.erase(gone.subject_id) == 0
        vault.assign(SITE, rows)
    # The number that named the person may name another subject now.
    assert vault.assign(SITE, [row("A02", "P1")])[RawPatientId("P1")].subject_id == stays.subject_id
    assert vault.erase(SubjectId("S91-AAAAAAAA")) == 0
    assert everything(place)["erasure"] == left["erasure"]


def test_rows_of_others_stay_when_somebody_was_erased(vault: Vault, place: VaultPlace) -> None:
    known = vault.assign(SITE, [row("A01", "P1", RESIDENT), row("A02", "P2", RESIDENT)])
    vault.erase(known[RawPatientId("P1")].subject_id)
    before = everything(place)
    for statement in STATEMENTS.values():
        with (
            pytest.raises(EnvironmentProblemError, match="refused"),
            VaultDatabase(place).writing() as connection,
        ):
            connection.exec_driver_sql(statement)
    assert everything(place) == before


def test_a_vault_with_a_part_of_its_tables_is_told_and_left_as_it_is(
    place: VaultPlace, vault: Vault
) -> None:
    vault.assign(SITE, [row("A01", "P1", RESIDENT)])
    with VaultDatabase(place).writing() as connection:
        connection.exec_driver_sql("DROP TABLE erasure")
    with pytest.raises(EnvironmentProblemError, match="not those of this software"):
        vault.assignments(SITE)
    with pytest.raises(EnvironmentProblemError, match="not those of this software"):
        vault.assign(SITE, [row("A02", "P2")])


def test_sqlite_refuses_a_replacement_that_no_delete_trigger_sees(
    tmp_path: Path, ring: KeyRing
) -> None:
    path = tmp_path / "vault.sqlite"
    Vault(path, ring).assign(SITE, [row("A01", "P1")])
    before = everything(path)
    with sqlite3.connect(path) as database:
        ((token, subject_id),) = database.execute("SELECT token, subject_id FROM subject")
        for key, name in ((token, "S91-OTHER"), ("another", subject_id)):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute("REPLACE INTO subject VALUES (?, 'S91', ?, 'k')", (key, name))
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute("REPLACE INTO seal SELECT token, version, x'00' FROM seal")
    assert everything(path) == before


def test_postgresql_refuses_to_truncate(postgres_url: SecretStr, ring: KeyRing) -> None:
    Vault(postgres_url, ring).assign(SITE, [row("A01", "P1")])
    with (
        pytest.raises(EnvironmentProblemError, match="refused"),
        VaultDatabase(postgres_url).writing() as connection,
    ):
        connection.exec_driver_sql("TRUNCATE seal")
    assert len(Vault(postgres_url, ring).assignments(SITE)) == 1


class CollidingRing(KeyRing):
    """A key under which every subject would get the same pseudonym."""

    def subject_id(self, site: SiteCode, subject_no: SubjectNo) -> SubjectId:
        return SubjectId(f"{site}-AAAAAAAA")


def test_a_pseudonym_once_given_is_never_given_to_another_number(place: VaultPlace) -> None:
    vault = Vault(place, CollidingRing(bytes(range(32))))
    known = vault.assign(SITE, [row("A01", "P1")])
    with pytest.raises(LinkageConflictError, match="would share the pseudonym"):
        vault.assign(SITE, [row("A02", "P2")])
    assert vault.assignments(SITE) == known


_ASSIGN = """
import json, sys
from pathlib import Path
from pydantic import SecretStr
from schemas.vault.keys import KeyRing
from schemas.vault.subjects import LinkageRow, Vault
place, site, rows = json.loads(sys.stdin.read())
place = SecretStr(place) if place.startswith("postgresql") else Path(place)
vault = Vault(place, KeyRing(bytes(range(32))))
for number in range(0, rows, 5):
    vault.assign(site, [LinkageRow(f"A{n}", f"P{n}", f"R{n}") for n in range(number, number + 5)])
"""


def address(place: VaultPlace) -> str:
    return str(place) if isinstance(place, Path) else place.get_secret_value()


@pytest.mark.slow
def test_nights_of_two_sites_at_once_assign_every_subject_once(
    place: VaultPlace, ring: KeyRing
) -> None:
    # Two processes a site, from nothing: they also make the tables at once.
    sites = (SITE, OTHER_SITE, SITE, OTHER_SITE)
    started = [
        subprocess.Popen([sys.executable, "-c", _ASSIGN], stdin=subprocess.PIPE, text=True)
        for _ in sites
    ]
    for process, site in zip(started, sites, strict=True):
        assert process.stdin
        process.stdin.write(json.dumps([address(place), site, 50]))
        process.stdin.close()
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0, 0]
    vault = Vault(place, ring)
    for site in (SITE, OTHER_SITE):
        known = vault.assignments(site)
        assert sorted(known) == sorted(f"P{n}" for n in range(50))
        assert len({a.subject_id for a in known.values()}) == 50
        assert {a.subject_no for a in known.values()} == {f"A{n}" for n in range(50)}
    assert len(vault.subjects_sharing_a_person()) == 50
    assert {name: len(rows) for name, rows in everything(place).items()} == {
        "subject": 100,
        "patient_link": 100,
        "person_link": 100,
        "seal": 200,
        "look_up": 0,
        "erasure": 0,
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://vault:GEHEIM77@127.0.0.1:1/cohort",
        "mysql://vault:GEHEIM77@127.0.0.1/cohort",
        "GEHEIM77",
        "postgresql://vault:GEHEIM77@127.0.0.1:port/cohort",
    ],
)
def test_an_address_that_does_not_work_is_never_told(url: str, ring: KeyRing) -> None:
    with pytest.raises(EnvironmentProblemError) as caught:
        Vault(SecretStr(url), ring).assign(SITE, [row("A01", "P1")])
    told = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert "GEHEIM77" not in told
    assert "127.0.0.1" not in told


def test_a_damaged_file_is_an_error_of_the_environment(tmp_path: Path, ring: KeyRing) -> None:
    path = tmp_path / "vault.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(EnvironmentProblemError, match=r"vault\.sqlite"):
        Vault(path, ring).assignments(SITE)
