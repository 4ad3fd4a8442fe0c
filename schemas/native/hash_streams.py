"""SHA-256 of up to three messages at a time, each given in pieces.

What is hashed in the same pass, a volume and its compressed form or one file and the next, goes
through compiled code together (`sha256_lanes.c`), at little more than the time of one. Anywhere
that code is not, and wherever a trial does not give what `hashlib` gives, `hashlib` does it.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from schemas.identifiers import Sha256
from schemas.native.library import LIBRARY, loaded_library

MOST_STREAMS = 3
_DIGEST_BYTES = 32
#: A call of compiled code costs as much as hashing so many bytes.
_FEWEST_BYTES = 1 << 15
#: Lengths of pieces around none, one and two blocks.
_TRIAL_LENGTHS = (0, 1, 63, 64, 65, 7, 200, 56)


class Sha256Streams:
    """Digests of messages that come in pieces, a piece of each at a time; may be empty.

    Parameters
    ----------
    n_streams : int
        How many, 1 to 3.
    library : Path, optional
        The compiled code.
    """

    def __init__(self, n_streams: int, library: Path = LIBRARY) -> None:
        if not 1 <= n_streams <= MOST_STREAMS:
            raise ValueError(f"{n_streams} messages, expected 1 to {MOST_STREAMS}")
        self._n = n_streams
        self._compiled = _checked(library)
        if self._compiled is None:
            self._plain = [hashlib.sha256() for _ in range(n_streams)]
        else:
            self._state = _started(self._compiled, n_streams)

    @property
    def is_plain(self) -> bool:
        """Whether `hashlib` hashes them one by one."""
        return self._compiled is None

    def update(self, *pieces: bytes) -> None:
        """Take the next piece of each message."""
        if len(pieces) != self._n:
            raise ValueError(f"{len(pieces)} pieces of {self._n} messages")
        if self._compiled is None:
            for digest, piece in zip(self._plain, pieces, strict=True):
                digest.update(piece)
        else:
            _update(self._compiled, self._state, pieces)

    def digests(self) -> tuple[Sha256, ...]:
        """Return the digests of all that came so far."""
        if self._compiled is None:
            return tuple(Sha256(digest.hexdigest()) for digest in self._plain)
        return _digests(self._compiled, self._state, self._n)


def sha256_of_each(messages: Sequence[bytes]) -> tuple[Sha256, ...]:
    """Return the SHA-256 of each of up to three messages."""
    if len(messages) < 2 or min(map(len, messages)) < _FEWEST_BYTES:
        return tuple(Sha256(hashlib.sha256(message).hexdigest()) for message in messages)
    streams = Sha256Streams(len(messages))
    streams.update(*messages)
    return streams.digests()


def _started(loaded: ctypes.CDLL, n: int) -> ctypes.Array[ctypes.c_char]:
    state = ctypes.create_string_buffer(n * loaded.sha256_stream_bytes())
    loaded.sha256_streams_start(state, n)
    return state


def _update(
    loaded: ctypes.CDLL, state: ctypes.Array[ctypes.c_char], pieces: Sequence[bytes]
) -> None:
    n = len(pieces)
    sizes = (ctypes.c_size_t * n)(*map(len, pieces))
    # They point into `pieces`, which outlives the call.
    places = (ctypes.c_char_p * n)(*pieces)
    if loaded.sha256_streams_update(state, n, places, sizes):
        raise ValueError(f"{n} messages, expected 1 to {MOST_STREAMS}")


def _digests(loaded: ctypes.CDLL, state: ctypes.Array[ctypes.c_char], n: int) -> tuple[Sha256, ...]:
    found = ctypes.create_string_buffer(n * _DIGEST_BYTES)
    loaded.sha256_streams_digests(state, n, found)
    starts = range(0, n * _DIGEST_BYTES, _DIGEST_BYTES)
    return tuple(Sha256(found.raw[at : at + _DIGEST_BYTES].hex()) for at in starts)


@cache
def _checked(library: Path) -> ctypes.CDLL | None:
    """Return the compiled code; None where it is not, or does not give what `hashlib` gives."""
    loaded = loaded_library(library)
    if loaded is None:
        return None
    try:
        can, size = loaded.sha256_lanes_can, loaded.sha256_stream_bytes
        updated = loaded.sha256_streams_update
        started, ended = loaded.sha256_streams_start, loaded.sha256_streams_digests
    except AttributeError:
        # One that was compiled before there were streams.
        return None
    size.restype, started.restype, ended.restype = ctypes.c_size_t, None, None
    started.argtypes = [ctypes.c_char_p, ctypes.c_int]
    updated.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    ended.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    return loaded if can() and _agrees(loaded) else None


def _agrees(loaded: ctypes.CDLL) -> bool:
    """Return whether a trial gives what `hashlib` gives."""
    data = bytes(range(251))
    for n in range(1, MOST_STREAMS + 1):
        state, plain = _started(loaded, n), [hashlib.sha256() for _ in range(n)]
        for turn in range(len(_TRIAL_LENGTHS)):
            sizes = [_TRIAL_LENGTHS[(turn + i) % len(_TRIAL_LENGTHS)] for i in range(n)]
            pieces = [data[turn : turn + size] for size in sizes]
            _update(loaded, state, pieces)
            for digest, piece in zip(plain, pieces, strict=True):
                digest.update(piece)
        if _digests(loaded, state, n) != tuple(digest.hexdigest() for digest in plain):
            return False
    return True
