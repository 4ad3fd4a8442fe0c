"""Digests of messages in pieces are those of `hashlib`, with compiled code and without."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.native.hash_streams import Sha256Streams, sha256_of_each
from tests.unit.schemas.native.conftest import SOURCE, hook, sources_in

#: Around none, one and two blocks of 64 bytes, and where padding needs one more.
LENGTHS = st.sampled_from((0, 1, 8, 55, 56, 63, 64, 65, 119, 128, 1000, 5000))
MESSAGES = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.tuples(*[LENGTHS] * n), min_size=1, max_size=6)
)


@pytest.fixture(params=["compiled", "hashlib"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "hashlib":
        return tmp_path / "none.so"
    found: Path = request.getfixturevalue("compiled_library")
    if Sha256Streams(1, found).is_plain:
        pytest.skip("this processor has no SHA instructions")
    return found


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turns=MESSAGES)
def test_pieces_of_any_length_are_hashed_as_one_message(
    library: Path, turns: list[tuple[int, ...]]
) -> None:
    n = len(turns[0])
    streams, messages = Sha256Streams(n, library), [b""] * n
    for turn, sizes in enumerate(turns):
        pieces = [bytes((turn + i + at) % 251 for at in range(s)) for i, s in enumerate(sizes)]
        streams.update(*pieces)
        messages = [message + piece for message, piece in zip(messages, pieces, strict=True)]
        # Asking for digests ends nothing.
        expected = tuple(hashlib.sha256(message).hexdigest() for message in messages)
        assert streams.digests() == expected


def test_a_published_digest_is_found() -> None:
    streams = Sha256Streams(2)
    streams.update(b"a", b"")
    streams.update(b"bc", b"")
    assert streams.digests() == (  # FIPS 180-4 and its examples
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )


@pytest.mark.parametrize("sizes", [(), (7,), (70_000,), (70_000, 90_001), (40_000, 3, 50_000)])
def test_messages_at_hand_have_a_digest_each(sizes: tuple[int, ...]) -> None:
    messages = [bytes([i + 1]) * size for i, size in enumerate(sizes)]
    assert sha256_of_each(messages) == tuple(hashlib.sha256(m).hexdigest() for m in messages)


def test_more_messages_than_lanes_and_missing_pieces_are_refused() -> None:
    with pytest.raises(ValueError, match="4 messages"):
        Sha256Streams(4)
    with pytest.raises(ValueError, match="1 pieces of 2"):
        Sha256Streams(2).update(b"a")


def test_a_library_that_hashes_otherwise_is_not_used(
    compiled_library: Path, tmp_path: Path
) -> None:
    wrong = sources_in(tmp_path)
    text = SOURCE.read_text(encoding="utf-8")
    (wrong / SOURCE.name).write_text(text.replace("0x1f83d9ab", "0x1f83d9aa"), encoding="utf-8")
    assert hook().in_place(tmp_path) == ""
    assert Sha256Streams(2, wrong / compiled_library.name).is_plain


def test_a_library_of_before_there_were_streams_is_not_used(
    compiled_library: Path, tmp_path: Path
) -> None:
    older = sources_in(tmp_path)
    text = SOURCE.read_text(encoding="utf-8")
    (older / SOURCE.name).write_text(text.replace("sha256_streams_", "other_"), encoding="utf-8")
    assert hook().in_place(tmp_path) == ""
    streams = Sha256Streams(1, older / compiled_library.name)
    streams.update(b"abc")
    assert streams.is_plain
    assert streams.digests() == (hashlib.sha256(b"abc").hexdigest(),)
