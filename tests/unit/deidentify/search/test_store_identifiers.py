"""Identifiers of a batch are kept sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.vault.keys import KeyRing
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.store_identifiers import read_identifiers, write_identifiers

PERSON = SubjectIdentifiers(
    "S91-AAAAAAAA", 400, frozenset({Identifier(IdentifierKind.NAME, "张伟明")})
)


def test_what_was_sealed_is_read_back_and_stands_nowhere_in_the_file(
    tmp_path: Path, ring: KeyRing
) -> None:
    path = tmp_path / "identifiers.sealed"
    write_identifiers(path, ring, [PERSON])
    assert read_identifiers(path, ring) == [PERSON]
    assert "张伟明".encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_another_key_opens_nothing(tmp_path: Path, ring: KeyRing) -> None:
    path = tmp_path / "identifiers.sealed"
    write_identifiers(path, ring, [PERSON])
    with pytest.raises(EnvironmentProblemError, match="key"):
        read_identifiers(path, KeyRing(bytes(32)))
