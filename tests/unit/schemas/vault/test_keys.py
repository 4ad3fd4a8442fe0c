"""Pseudonyms, UIDs and shifts follow from the key alone, and say nothing without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.identifiers import SiteCode, SubjectNo
from schemas.vault.keys import (
    SHIFT_DAYS_MAX,
    SHIFT_DAYS_MIN,
    KeyRing,
    create_demo_key_file,
    create_key_file,
    read_key_file,
)

RING = KeyRing(bytes(range(32)))
OTHER = KeyRing(bytes(32))
SITE = SiteCode("S91")


@given(st.text(min_size=1, max_size=20))
def test_a_pseudonym_has_the_documented_form_and_depends_on_the_key(number: str) -> None:
    subject = RING.subject_id(SITE, SubjectNo(number))
    assert re.fullmatch(r"S91-[A-Z2-7]{8}", subject)
    assert subject != OTHER.subject_id(SITE, SubjectNo(number))


@given(st.text(max_size=20), st.text(max_size=20))
def test_uids_are_valid_and_injective(first: str, second: str) -> None:
    one, two = RING.uid(first), RING.uid(second)
    assert re.fullmatch(r"2\.25\.(0|[1-9]\d*)", one)
    assert len(one) <= 64
    assert (one == two) == (first == second)


@given(st.text(max_size=20))
def test_every_shift_is_between_one_and_ten_years(number: str) -> None:
    assert SHIFT_DAYS_MIN <= RING.date_shift_days(SITE, SubjectNo(number)) <= SHIFT_DAYS_MAX


def test_parts_cannot_be_moved_between_one_another() -> None:
    assert RING.lookup_token("ab", "c") != RING.lookup_token("a", "bc")


def test_the_key_never_shows_in_a_repr() -> None:
    assert RING.master.hex() not in repr(RING)
    assert "\\x" not in repr(RING)


def test_a_seal_opens_only_with_its_key_and_context() -> None:
    sealed = RING.seal(b"shift 400", context="S91-A")
    assert RING.unseal(sealed, context="S91-A") == b"shift 400"
    with pytest.raises(InvalidTag):
        RING.unseal(sealed, context="S91-B")
    with pytest.raises(InvalidTag):
        OTHER.unseal(sealed, context="S91-A")


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "restricted" / "key"
    ring = create_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key_file(path) == ring
    with pytest.raises(BadInputError, match="never overwritten"):
        create_key_file(path)
    assert read_key_file(path) == ring


def test_a_demo_key_is_marked_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one = create_demo_key_file(tmp_path / "one", 7)
    two = create_demo_key_file(tmp_path / "two", 7)
    assert one == two == read_key_file(tmp_path / "one")
    assert one.is_demo
    assert not create_key_file(tmp_path / "three").is_demo


@pytest.mark.parametrize("content", ["", "zz" * 32, "00" * 31])
def test_what_is_not_a_key_is_refused_without_being_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(EnvironmentProblemError, match="does not hold a key"):
        read_key_file(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_key_file(path)
    path.chmod(0o644)
    with pytest.raises(EnvironmentProblemError, match="chmod 600"):
        read_key_file(path)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblemError, match="livercohort key create"):
        read_key_file(tmp_path / "none")
