"""What compressed pixel data carries beside the image: comments, spare segments, tails.

Pixel bytes are carried over unchanged, so whatever a decoder does not read would travel
along. The segments are walked, and each has to be one that decoding needs, in exactly the
form that it has then (`jpeg_segments`, `jpeg_2000_segments`); a comment has to be a known note
of an encoder. Run-length coding is unpacked to its end (DICOM PS3.5 annex G).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from struct import error, unpack_from

from tasks.deidentify.plan.jpeg_2000_segments import walk_jpeg_2000
from tasks.deidentify.plan.jpeg_segments import walk_jpeg, walk_jpeg_ls
from tasks.deidentify.plan.segments import BesideImageError, Plane

JPEG = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 92, 93, 201, 202, 203))
RLE = "1.2.840.10008.1.2.5"

_ITEM = b"\xfe\xff\x00\xe0"
_RLE_HEADER_BYTES, _RLE_SEGMENTS = 64, 15


@dataclass(frozen=True)
class Inside:
    """What encapsulated pixel data holds: something beside the image, and how many bits a value.

    `beside` says what, in words that quote nothing; empty when there are only images.
    """

    beside: str = ""
    bits: int = 0


def look_inside(value: bytes, transfer_syntax: str, plane: Plane, frames: int) -> Inside:
    """Return whether encapsulated pixel data holds nothing but its images.

    Parameters
    ----------
    value : bytes
        The items of the pixel element: offset table, then fragments (PS3.5 A.4).
    transfer_syntax : str
        Its transfer syntax; one whose segments are not known here is not only image.
    plane : Plane
        Rows, columns and bytes of a frame, which the codestreams have to state as well.
    frames : int
        How many images there have to be.
    """
    walk = _walker(transfer_syntax, plane)
    if walk is None:
        return Inside("an unknown compression")
    try:
        table, *fragments = _items(value)
        starts = _require_offsets(table, fragments)
        if transfer_syntax == RLE:
            images = [walk(fragment) for fragment in fragments]
        else:
            images = _images(b"".join(fragments), walk)
        if len(images) != frames or starts not in (0, frames):
            return Inside("another number of images than frames")
    except BesideImageError as found:
        return Inside(str(found))
    except (error, IndexError, ValueError):
        return Inside("a codestream that does not end")
    return Inside(bits=max(bits for _, bits in images))


#: Reads one image: where it ends, and how many bits a value has.
_Walk = Callable[[bytes], tuple[int, int]]


def _walker(syntax: str, plane: Plane) -> _Walk | None:
    if syntax in JPEG:
        return lambda data: walk_jpeg(data, plane)
    if syntax in JPEG_LS:
        return lambda data: walk_jpeg_ls(data, plane)
    if syntax in JPEG_2000:
        return lambda data: walk_jpeg_2000(data, plane)
    return (lambda data: _walk_rle(data, plane.size_bytes)) if syntax == RLE else None


def _images(data: bytes, walk: _Walk) -> list[tuple[int, int]]:
    images = []
    view = data
    while view:
        end, bits = walk(view)
        images.append((end, bits))
        view = view[_skip_padding(view, end) :]
    return images


def _items(value: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(value):
        if value[position : position + 4] != _ITEM:
            raise BesideImageError("bytes between fragments")
        length = unpack_from("<L", value, position + 4)[0]
        yield value[position + 8 : position + 8 + length]
        position += 8 + length


def _require_offsets(table: bytes, fragments: list[bytes]) -> int:
    """Return how many offsets there are, each that of a fragment (PS3.5 A.4)."""
    starts, position = set(), 0
    for fragment in fragments:
        starts.add(position)
        position += len(fragment) + 8
    offsets = unpack_from(f"<{len(table) // 4}L", table)
    rising = all(a < b for a, b in pairwise(offsets))
    if len(table) % 4 or not rising or not starts.issuperset(offsets):
        raise BesideImageError("an offset table of something else")
    return len(offsets)


def _skip_padding(data: bytes, position: int) -> int:
    """Return where something follows an image that is neither zero nor fill byte."""
    while position < len(data) and data[position] in (0x00, 0xFF):
        # A fill byte may belong to the next image's first marker.
        if data[position] == 0xFF and data[position + 1 : position + 2] not in (
            b"",
            b"\xff",
            b"\0",
        ):
            break
        position += 1
    return position


def _walk_rle(data: bytes, frame_bytes: int) -> tuple[int, int]:
    n_segments, *offsets = unpack_from("<16L", data)
    used = offsets[:n_segments]
    if not 1 <= n_segments <= _RLE_SEGMENTS or any(offsets[n_segments:]):
        raise BesideImageError("bytes beside the run-length segments")
    if used[0] != _RLE_HEADER_BYTES or sorted(set(used)) != used:
        raise BesideImageError("bytes beside the run-length segments")
    for start, end in zip(used, [*used[1:], len(data)], strict=True):
        runs_end = _end_of_runs(data, start, frame_bytes // n_segments)
        rest = data[runs_end:end]
        if runs_end > end or len(rest) > 1 or rest.strip(b"\0"):
            raise BesideImageError("bytes behind the run-length segments")
    return len(data), n_segments * 8


def _end_of_runs(data: bytes, position: int, wanted: int) -> int:
    made = 0
    while made < wanted:
        head = data[position]
        if head < 0x80:
            made += head + 1
            position += head + 2
        elif head > 0x80:
            made += 257 - head
            position += 2
        else:
            raise BesideImageError("bytes of the run-length segments that mean nothing")
    if made != wanted:
        raise BesideImageError("bytes behind the run-length segments")
    return position
