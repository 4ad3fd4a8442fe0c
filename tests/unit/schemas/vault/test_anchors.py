"""What must not vanish unseen is remembered apart from it, sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.zones import Zones
from schemas.vault.anchors import (
    anchors_file,
    changing_anchors,
    read_anchors,
    require_own_vault,
)
from schemas.vault.keys import KeyRing
from schemas.vault.subjects import LinkageRow, Vault

RING, SITE = KeyRing(bytes(range(32))), SiteCode("S91")


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    made = Zones(tmp_path)
    made.create()
    return made


def fill(zones: Zones, *numbers: str) -> Vault:
    vault = Vault(zones.vault, RING)
    vault.assign(SITE, [LinkageRow(SubjectNo(n), RawPatientId(f"PID{n}")) for n in numbers])
    return vault


def test_what_is_noted_is_read_again_and_sealed(zones: Zones) -> None:
    assert read_anchors(zones, RING) is None
    with changing_anchors(zones, RING) as change:
        change.release("1.0.0", "a" * 64, "b" * 64)
        change.batch("S91", "0011", "c" * 64)
    anchors = read_anchors(zones, RING)
    assert anchors is not None
    assert anchors.releases == {"1.0.0": "a" * 64}
    assert anchors.batches == {"S91/0011": "c" * 64}
    assert b"1.0.0" not in anchors_file(zones).read_bytes()
    assert anchors_file(zones).stat().st_mode & 0o077 == 0


def test_a_changed_file_or_another_key_is_refused(zones: Zones) -> None:
    with changing_anchors(zones, RING) as change:
        change.release("1.0.0", "a" * 64, "b" * 64)
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        read_anchors(zones, KeyRing(bytes(32)))
    data = bytearray(anchors_file(zones).read_bytes())
    data[-1] ^= 1
    anchors_file(zones).write_bytes(data)
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        read_anchors(zones, RING)


def test_a_change_that_fails_notes_nothing(zones: Zones) -> None:
    def fail() -> None:
        with changing_anchors(zones, RING) as change:
            change.batch("S91", "0011", "c" * 64)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_anchors(zones, RING) is None


def test_a_vault_that_was_emptied_deleted_or_exchanged_is_noticed(
    zones: Zones, tmp_path: Path
) -> None:
    vault = fill(zones, "1", "2")
    with changing_anchors(zones, RING) as change:
        change.vault(vault.subject_tokens())
    anchors = read_anchors(zones, RING)
    require_own_vault(anchors, fill(zones, "3").subject_tokens())
    other = fill(Zones(tmp_path / "other"), "7", "8", "9").subject_tokens()
    for tokens in (frozenset(), frozenset(list(vault.subject_tokens())[:1]), other):
        with pytest.raises(EnvironmentProblemError, match="not those of this home"):
            require_own_vault(anchors, tokens)


def test_erasing_a_subject_does_not_make_it_another_vault(zones: Zones) -> None:
    vault = fill(zones, "1", "2")
    with changing_anchors(zones, RING) as change:
        change.vault(vault.subject_tokens())
    vault.erase(RING.subject_id(SITE, SubjectNo("1")))
    require_own_vault(read_anchors(zones, RING), vault.subject_tokens())
