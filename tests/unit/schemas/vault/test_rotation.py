"""Rotation changes the vault's encryption and nothing else."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.vault import rotation as vault_rotation
from schemas.vault.database import VaultDatabase, seal
from schemas.vault.keys import KeyRing, create_key_file, read_key_file, sealed_version
from schemas.vault.look_ups import look_up_subject, read_log
from schemas.vault.rotation import check_sealed, rotate_vault_secret
from schemas.vault.sealed_contexts import IDENTIFIERS_CONTEXT, forms_context
from schemas.vault.subjects import LinkageRow, Vault

SITE = SiteCode("S91")
ROWS = [
    LinkageRow(SubjectNo("A01"), RawPatientId("P1")),
    LinkageRow(SubjectNo("A01"), RawPatientId("P2")),
    LinkageRow(SubjectNo("A02"), RawPatientId("P3")),
]


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    zones = Zones(tmp_path)
    zones.create()
    ring = create_key_file(tmp_path / "restricted" / "key")
    Vault(zones.vault_file, ring).assign(SITE, ROWS)
    folder = zones.restricted / "batches" / "S91" / "b1"
    for name, context in (
        ("identifiers.sealed", IDENTIFIERS_CONTEXT),
        ("forms.sealed", forms_context("S91", "b1")),
    ):
        write_bytes(folder / name, ring.seal(b"facts", context=context), mode=0o600)
    return zones


def key_of(zones: Zones) -> Path:
    return zones.restricted / "key"


def sealed_fields(zones: Zones) -> list[bytes]:
    with sqlite3.connect(zones.vault_file) as database:
        return [r[0] for r in database.execute("SELECT sealed FROM seal ORDER BY token, version")]


def test_pseudonyms_shifts_and_key_id_stay(zones: Zones) -> None:
    before = read_key_file(key_of(zones))
    known = Vault(zones.vault_file, before).assignments(SITE)
    done = rotate_vault_secret(key_of(zones), zones)
    after = read_key_file(key_of(zones))
    assert (done.version, done.vault_fields, done.files) == (2, 5, 2)
    assert Vault(zones.vault_file, after).assignments(SITE) == known
    assert (after.key_id, after.master) == (before.key_id, before.master)
    assert key_of(zones).stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_opened_stops_rotation_before_anything_changes(
    zones: Zones,
) -> None:
    damaged = zones.restricted / "batches" / "S91" / "b1" / "forms.sealed"
    damaged.write_bytes(b"x" * 40)
    before = (key_of(zones).read_bytes(), sealed_fields(zones))
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        rotate_vault_secret(key_of(zones), zones)
    assert (key_of(zones).read_bytes(), sealed_fields(zones)) == before


def test_nothing_opens_with_the_old_secret_any_more(zones: Zones) -> None:
    before = read_key_file(key_of(zones))
    rotate_vault_secret(key_of(zones), zones)
    with pytest.raises(EnvironmentProblemError):
        Vault(zones.vault_file, before).assignments(SITE)
    first = read_key_file(key_of(zones))
    rotate_vault_secret(key_of(zones), zones)
    with pytest.raises(EnvironmentProblemError):
        Vault(zones.vault_file, first).check()
    assert {sealed_version(s) for s in sealed_fields(zones)} == {3}
    assert list(read_key_file(key_of(zones)).vault_secrets) == [3]


def test_a_rotation_that_was_interrupted_leaves_all_readable_and_is_finished_later(
    zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, context: str, ring: KeyRing) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vault_rotation, "_reseal", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate_vault_secret(key_of(zones), zones)
    ring = read_key_file(key_of(zones))
    assert len(Vault(zones.vault_file, ring).assignments(SITE)) == 3
    for path, context in vault_rotation.sealed_files(zones).items():
        assert ring.unseal(path.read_bytes(), context=context) == b"facts"
    assert rotate_vault_secret(key_of(zones), zones).files == 2


def test_another_key_changes_nothing(zones: Zones) -> None:
    fields = sealed_fields(zones)
    key_of(zones).unlink()
    create_key_file(key_of(zones))
    text = key_of(zones).read_bytes()
    with pytest.raises(EnvironmentProblemError):
        rotate_vault_secret(key_of(zones), zones)
    assert (sealed_fields(zones), key_of(zones).read_bytes()) == (fields, text)


def test_an_unknown_sealed_file_stops_the_rotation(zones: Zones) -> None:
    write_bytes(zones.restricted / "batches" / "S91" / "b1" / "odd.sealed", b"x")
    fields = sealed_fields(zones)
    with pytest.raises(EnvironmentProblemError, match=r"odd\.sealed"):
        rotate_vault_secret(key_of(zones), zones)
    assert sealed_fields(zones) == fields


def test_the_log_of_look_ups_stays_whole_and_its_head_is_sealed_anew(zones: Zones) -> None:
    vault = Vault(zones.vault, read_key_file(key_of(zones)))
    one = vault.assignments(SITE)[RawPatientId("P1")].subject_id
    look_up_subject(vault, zones.look_up_head, one, reason="letter 7", by="ana")
    log = read_log(vault, zones.look_up_head)
    done = rotate_vault_secret(key_of(zones), zones)
    assert (done.vault_fields, done.files) == (6, 3)
    after = read_key_file(key_of(zones))
    assert read_log(Vault(zones.vault, after), zones.look_up_head) == log
    assert check_sealed(after, zones) == done
    assert sealed_version(zones.look_up_head.read_bytes()) == 2


def test_a_rotation_in_postgresql_leaves_no_old_seal(
    tmp_path: Path, postgres_url: SecretStr
) -> None:
    zones = Zones(tmp_path, vault_url=postgres_url)
    zones.create()
    before = create_key_file(key_of(zones))
    known = Vault(zones.vault, before).assign(SITE, ROWS)
    assert rotate_vault_secret(key_of(zones), zones).vault_fields == 5
    after = read_key_file(key_of(zones))
    assert Vault(zones.vault, after).assignments(SITE) == known
    with VaultDatabase(postgres_url).reading() as connection:
        versions = connection.execute(sa.select(seal.c.version)).scalars().all()
    assert set(versions) == {2}
    # A night that had read the key before the rotation files nothing after it.
    with pytest.raises(EnvironmentProblemError, match="this key"):
        Vault(zones.vault, before).assign(SITE, [LinkageRow(SubjectNo("A9"), RawPatientId("P9"))])


def test_bytes_sealed_before_versions_existed_still_open(ring: KeyRing) -> None:
    sealed = ring.seal(b"facts", context="c")
    rotated = replace(ring, vault_secrets={2: bytes(32)})
    assert rotated.unseal(sealed, context="c") == b"facts"
    assert sealed_version(rotated.seal(b"facts", context="c")) == 2
