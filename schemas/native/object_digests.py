"""The SHA-256 of a file, of its pixels and of what is written of it, all three in one pass.

They are hashed together by compiled code (`sha256_lanes.c`), where the package was built with a C
compiler and the processor has the instructions for it: half the time of three after another.
Anywhere else, and wherever a trial does not give what `hashlib` gives, `hashlib` does it.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from schemas.identifiers import Sha256
from schemas.native.library import LIBRARY, loaded_library

_DIGEST_BYTES = 32
#: A call of compiled code costs as much as hashing so many bytes.
_FEWEST_BYTES = 1 << 15
#: Lengths around one and two blocks, and where padding needs one more.
_TRIAL_LENGTHS = (0, 55, 56, 64, 119, 500)


class ObjectDigests(NamedTuple):
    """Digests of pixels, of the new file and, where asked for, of the file as it came."""

    pixels: Sha256
    output: Sha256
    file: Sha256 | None


#: File, where its pixels begin and end, new header, whether the file is hashed too.
Digests = Callable[[bytes, int, int, bytes, bool], ObjectDigests]


def object_digests(file: bytes, begin: int, end: int, head: bytes, *, whole: bool) -> ObjectDigests:
    """Hash an object whose pixels stay as they are.

    Parameters
    ----------
    file : bytes
        As it came.
    begin, end : int
        Where its pixels stand; within the file.
    head : bytes
        What is written before them.
    whole : bool
        Whether the file as it came is hashed too.
    """
    if not 0 <= begin <= end <= len(file):
        raise ValueError("the pixels do not lie within the file")
    many = together() if end - begin >= _FEWEST_BYTES else None
    return (many or one_by_one)(file, begin, end, head, whole)


def one_by_one(file: bytes, begin: int, end: int, head: bytes, whole: bool) -> ObjectDigests:
    """Hash as `object_digests` does, by `hashlib`: the reference."""
    pixels = memoryview(file)[begin:end]
    output = hashlib.sha256(head)
    output.update(pixels)
    return ObjectDigests(
        Sha256(hashlib.sha256(pixels).hexdigest()),
        Sha256(output.hexdigest()),
        Sha256(hashlib.sha256(file).hexdigest()) if whole else None,
    )


@cache
def together(library: Path = LIBRARY) -> Digests | None:
    """Return what hashes all at once; None where there is none that gives what `hashlib` gives."""
    loaded = loaded_library(library)
    if loaded is None:
        return None
    try:
        can, lanes = loaded.sha256_lanes_can, loaded.sha256_lanes
    except AttributeError:
        return None
    size, text = ctypes.c_size_t, ctypes.c_char_p
    lanes.argtypes = [text, size, size, size, text, size, ctypes.c_int, text]
    if not can():
        return None

    def digests(file: bytes, begin: int, end: int, head: bytes, whole: bool) -> ObjectDigests:
        found = ctypes.create_string_buffer(3 * _DIGEST_BYTES)
        if lanes(file, len(file), begin, end, head, len(head), whole, found):
            raise ValueError("the pixels do not lie within the file")
        pixels, output, own = (
            Sha256(found.raw[at : at + _DIGEST_BYTES].hex())
            for at in range(0, 3 * _DIGEST_BYTES, _DIGEST_BYTES)
        )
        return ObjectDigests(pixels, output, own if whole else None)

    return digests if _agrees(digests) else None


def _agrees(digests: Digests) -> bool:
    """Return whether a trial gives what `hashlib` gives."""
    file = bytes(range(251)) * 2
    return all(
        digests(file, n % 7, max(n, n % 7), file[: 130 - n % 130], whole)
        == one_by_one(file, n % 7, max(n, n % 7), file[: 130 - n % 130], whole)
        for n in _TRIAL_LENGTHS
        for whole in (False, True)
    )
