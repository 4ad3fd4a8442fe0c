"""The vault keeps who a subject is: once made an assignment never changes, and nothing shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.keys import KeyRing
from schemas.vault import LinkageConflictError, LinkageRow, Vault

SITE = SiteCode("S91")


def row(subject: str, patient: str, resident: str | None = None) -> LinkageRow:
    return LinkageRow(SubjectNo(subject), RawPatientId(patient), resident)


@pytest.fixture
def vault(tmp_path: Path, ring: KeyRing) -> Vault:
    return Vault(tmp_path / "vault.sqlite", ring)


def test_several_patient_ids_of_one_subject_share_pseudonym_and_shift(vault: Vault) -> None:
    known = vault.assign(SITE, [row("A01", "P1"), row("A01", "P2"), row("A02", "P3")])
    assert known[RawPatientId("P1")] == known[RawPatientId("P2")]
    assert known[RawPatientId("P1")].patient_ids == ("P1", "P2")
    assert known[RawPatientId("P3")].subject_id != known[RawPatientId("P1")].subject_id


def test_the_same_linkage_again_changes_nothing(vault: Vault) -> None:
    first = vault.assign(SITE, [row("A01", "P1")])
    assert vault.assign(SITE, [row("A01", "P1")]) == first


def test_the_same_number_at_two_sites_is_two_subjects(vault: Vault) -> None:
    one = vault.assign(SITE, [row("A01", "P1")])[RawPatientId("P1")]
    two = vault.assign(SiteCode("S92"), [row("A01", "P1")])[RawPatientId("P1")]
    assert one.subject_id != two.subject_id
    assert list(vault.assignments(SITE)) == ["P1"]


def test_a_patient_id_that_moves_to_another_subject_is_refused_whole(vault: Vault) -> None:
    vault.assign(SITE, [row("A01", "P1")])
    with pytest.raises(LinkageConflictError) as caught:
        vault.assign(SITE, [row("A03", "P9"), row("A02", "P1")])
    assert "P1" not in str(caught.value)
    assert list(vault.assignments(SITE)) == ["P1"]


def test_no_value_stands_in_the_file(vault: Vault, tmp_path: Path) -> None:
    vault.assign(SITE, [row("SUBJECT-77", "PATIENT-88", "11010519491231002X")])
    data = (tmp_path / "vault.sqlite").read_bytes()
    for value in (b"SUBJECT-77", b"PATIENT-88", b"11010519491231002X"):
        assert value not in data
    assert (tmp_path / "vault.sqlite").stat().st_mode & 0o077 == 0


def test_one_resident_id_links_subjects_across_sites(vault: Vault) -> None:
    vault.assign(SITE, [row("A01", "P1", "11010519491231002x")])
    vault.assign(SiteCode("S92"), [row("B01", "P1", "11010519491231002X")])
    (group,) = vault.subjects_sharing_a_person()
    assert [subject[:3] for subject in group] == ["S91", "S92"]


def test_a_vault_of_another_key_says_so(vault: Vault, tmp_path: Path) -> None:
    vault.assign(SITE, [row("A01", "P1")])
    with pytest.raises(EnvironmentProblemError, match="cannot be opened with this key"):
        Vault(tmp_path / "vault.sqlite", KeyRing(bytes(32))).check()
