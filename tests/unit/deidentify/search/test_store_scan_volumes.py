"""A volume is searched but for its voxels, and they are left out only where they are proven."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tasks.deidentify.identifiers import Identifier, SubjectIdentifiers
from tasks.deidentify.identifiers import IdentifierKind as K
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_scan import scan_paths

ME, NAME = "S91-AAAAAAAA", "张伟明"
TEXT = NAME.encode()
DICTIONARY = Dictionary([SubjectIdentifiers(ME, None, frozenset({Identifier(K.NAME, NAME)}))])
SIDE = 128


def volume(
    voxels: bytes,
    *,
    order: str = "<",
    extension: bytes = b"",
    dims: tuple[int, ...] = (SIDE, SIDE, 2),
    offset: float | None = None,
) -> bytes:
    """Return a NIfTI-1 file of 16 bit, SIDE x SIDE x 2 unless said otherwise, and voxels as given.

    Laid out by the NIfTI-1 standard, not by the code that is tested.
    """
    begin = 352 + len(extension)
    header = bytearray(348)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, len(dims), *dims, *[1] * (7 - len(dims)))
    struct.pack_into(f"{order}2h", header, 70, 4, 16)
    struct.pack_into(f"{order}f", header, 108, float(begin) if offset is None else offset)
    header[344:348] = b"n+1\0"
    return bytes(header) + b"\1\0\0\0" + extension + voxels


def voxels(text: bytes = b"") -> bytes:
    return text + bytes(SIDE * SIDE * 2 * 2 - len(text))


def two(data: bytes) -> bytes:
    """Return a volume of NIfTI-2 from one of NIfTI-1, by the places of its standard."""
    made = bytearray(540)
    struct.pack_into("<i4s4s", made, 0, 540, b"n+2\0", b"\r\n\x1a\n")
    struct.pack_into("<2h8q", made, 12, 4, 16, 3, SIDE, SIDE, 2, 1, 1, 1, 1)
    struct.pack_into("<q", made, 168, 544)
    return bytes(made) + b"\0\0\0\0" + data[352:]


def packed(data: bytes, *, name: str = "") -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=stream, mtime=0) as target:
        target.write(data)
    return stream.getvalue()


PLAIN = voxels()
#: gzip writes names in Latin-1.
NAMED = TEXT.decode("latin-1")
PLANTED = {
    "extension": packed(volume(PLAIN, extension=TEXT.ljust(32, b"\0"))),
    "extension, big endian": packed(volume(PLAIN, extension=TEXT.ljust(32, b"\0"), order=">")),
    "behind the voxels": packed(volume(PLAIN + TEXT)),
    "behind the voxels, big endian": packed(volume(PLAIN + TEXT, order=">")),
    "behind the voxels, NIfTI-2": packed(two(volume(PLAIN + TEXT))),
    "behind the voxels, on the border of two pieces": packed(
        volume(PLAIN + bytes((1 << 20) - 4) + TEXT)
    ),
    "far behind the voxels": packed(volume(PLAIN + bytes(3 << 20) + TEXT)),
    "behind few voxels": packed(volume(bytes(8) + TEXT, dims=(2, 2))),
    "in a second member": packed(volume(PLAIN)) + packed(TEXT),
    "name of a second member": packed(volume(PLAIN)) + packed(b"", name=NAMED),
    "name of a second member behind an empty one": packed(b"") + packed(volume(PLAIN), name=NAMED),
    "behind fewer voxels than the header says": packed(
        volume(PLAIN + TEXT, dims=(SIDE, SIDE, 300))
    ),
    "name of the gzip member": packed(volume(PLAIN)).replace(
        b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x08", 1
    )[:10]
    + TEXT
    + b"\0"
    + packed(volume(PLAIN))[10:],
    "voxels of unclear number": packed(volume(voxels(TEXT), dims=(SIDE, -SIDE))),
    "voxels of unclear begin": packed(volume(voxels(TEXT), offset=float("nan"))),
    "plain file, behind the voxels": volume(PLAIN + TEXT),
}


def found(path: Path, proven: dict[str, str] | None) -> list[K]:
    return [hit.kind for hit in scan_paths([path], DICTIONARY, proven=proven)]


@pytest.mark.parametrize("place", PLANTED)
def test_a_name_outside_the_voxels_is_found_whatever_is_proven(place: str, tmp_path: Path) -> None:
    path = tmp_path / "v.nii.gz"
    path.write_bytes(PLANTED[place])
    right = {str(path): hashlib.sha256(PLANTED[place]).hexdigest()}
    assert found(path, None) == [K.NAME]
    assert found(path, {}) == [K.NAME]
    if "second member" not in place:  # the conversion writes one: its end tells how long it is
        assert found(path, right) == [K.NAME]


@pytest.mark.parametrize("compress", [packed, bytes])
def test_voxels_that_nothing_speaks_for_are_searched(compress: object, tmp_path: Path) -> None:
    assert callable(compress)
    path, data = tmp_path / "v.nii.gz", compress(volume(voxels(bytes(50) + TEXT)))
    path.write_bytes(data)
    assert found(path, {}) == [K.NAME]
    assert found(path, {str(path): hashlib.sha256(data + b" ").hexdigest()}) == [K.NAME]
    assert found(path, {str(path.with_name("other")): hashlib.sha256(data).hexdigest()})


def test_proven_voxels_and_those_of_a_release_are_image(tmp_path: Path) -> None:
    path, data = tmp_path / "v.nii.gz", packed(volume(voxels(bytes(50) + TEXT)))
    path.write_bytes(data)
    assert found(path, {str(path): hashlib.sha256(data).hexdigest()}) == []
    assert found(path, None) == []


@pytest.mark.parametrize("spoilt", [lambda d: d[:-12], lambda d: d + b"x", lambda d: d[:-8] + d])
def test_a_volume_that_cannot_be_decoded_is_an_error_not_clean(
    spoilt: object, tmp_path: Path
) -> None:
    assert callable(spoilt)
    path = tmp_path / "v.nii.gz"
    path.write_bytes(spoilt(packed(volume(PLAIN))))
    nothing: dict[str, str] = {}
    for proven in (None, nothing):
        with pytest.raises(OSError, match="not searched"):
            found(path, proven)


def test_no_more_than_pieces_of_a_volume_are_in_memory(tmp_path: Path) -> None:
    path, side = tmp_path / "v.nii.gz", 4096
    noise = np.random.default_rng(1).integers(0, 99, (side * side,), np.int16).tobytes()
    path.write_bytes(gzip.compress(volume(noise, dims=(side, side)), compresslevel=1))
    nothing: dict[str, str] = {}
    for proven in (None, nothing):
        tracemalloc.start()
        assert found(path, proven) == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < len(noise) / 2
