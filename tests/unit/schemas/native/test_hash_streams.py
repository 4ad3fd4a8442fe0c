"""Digests of messages in pieces are those of `hashlib`, with compiled code and without."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.native import hash_streams
from schemas.native.hash_streams import Sha256Streams, sha256_of_each
from schemas.native.object_digests import LIBRARY

#: Around none, one and two blocks of 64 bytes, and where padding needs one more.
LENGTHS = st.sampled_from((0, 1, 8, 55, 56, 63, 64, 65, 119, 128, 1000, 5000))
MESSAGES = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.tuples(*[LENGTHS] * n), min_size=1, max_size=6)
)


def libraries() -> list[Path]:
    # Compiled by the build in this tree; `test_object_digests` compiles it anew from its source.
    return [LIBRARY, LIBRARY.with_name("none.so")]


@pytest.mark.parametrize("library", libraries(), ids=["compiled", "hashlib"])
@settings(max_examples=60, deadline=None)
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


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not LIBRARY.exists(), reason="compiled on x86-64 only"
)
def test_a_library_that_does_not_give_what_hashlib_gives_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = tuple("0" * 64 for _ in range(3))
    monkeypatch.setattr(hash_streams, "_digests", lambda _loaded, _state, n: wrong[:n])
    assert hash_streams._checked.__wrapped__(LIBRARY) is None
