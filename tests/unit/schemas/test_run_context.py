"""A key is refused before anything is done with it where this home was started with another."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.settings import Settings
from schemas.run_context import require_key
from schemas.vault.keys import KeyRing, create_key_file
from schemas.vault.subjects import LinkageRow, Vault

_SITE = SiteCode("S91")
_LINK = LinkageRow(SubjectNo("LC-001"), RawPatientId("PID000001"))


def test_a_key_that_does_not_open_the_vault_is_refused_before_any_batch_is_there(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path)
    create_key_file(settings.master_key_file)
    Vault(settings.zones.vault, KeyRing(bytes(32))).assign(_SITE, [_LINK])
    with pytest.raises(EnvironmentProblemError, match="cannot be opened with this key"):
        require_key(settings, _SITE)


def test_the_key_of_the_vault_is_taken_and_a_new_home_gets_no_vault(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ring = create_key_file(settings.master_key_file)
    assert require_key(settings, _SITE).key_id == ring.key_id
    assert not settings.zones.vault_file.exists()
    Vault(settings.zones.vault, ring).assign(_SITE, [_LINK])
    assert require_key(settings, _SITE).key_id == ring.key_id
