"""What compressed pixel data carries beside the image: comments, application segments, tails.

Pixel bytes are carried over unchanged, so a comment in them would travel along. Nothing is
decoded: the segments are walked (JPEG: ISO/IEC 10918-1 annex B; JPEG-LS: 14495-1 annex C;
JPEG 2000: 15444-1 annex A; RLE: DICOM PS3.5 annex G), and whatever is neither image nor a
known encoder's note is reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from struct import error, unpack_from

JPEG = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 92, 93, 201, 202, 203))
RLE = "1.2.840.10008.1.2.5"

#: Notes that encoders leave about themselves; they name software and nobody.
_ENCODER_NOTE = re.compile(
    rb"(\0\x01)?(Kakadu-v?\d[\d.]{0,10}[a-z]?|Created by (?:GDCM/)?OpenJPEG version \d[\d.]{0,10}"
    rb"|Created by Aware, ?Inc\.?|Creator: JasPer Version \d[\d.]{0,10}"
    rb"|LEAD Technologies Inc\. V\d\.\d{1,2})\0?"
)
_APP_SEGMENTS = {
    0xE0: re.compile(rb"JFIF\0.{9}", re.DOTALL),
    0xEE: re.compile(rb"Adobe.{7}", re.DOTALL),
}
_ITEM = b"\xfe\xff\x00\xe0"
_COMMENT_JPEG, _COMMENT_J2K = 0xFE, 0x64
_BEHIND_ENTROPY = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_BEHIND_ENTROPY_LS = re.compile(rb"\xff[\x80-\xfe]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_SOC, _SOT, _SOD, _EOC = 0x4F, 0x90, 0x93, 0xD9
_RLE_HEADER_BYTES, _RLE_SEGMENTS = 64, 15


class NotAnImageError(Exception):
    """The compressed bytes hold something that is not known to be image; no value in it."""


def is_only_image(value: bytes, transfer_syntax: str, frame_bytes: int) -> bool:
    """Return whether encapsulated pixel data holds nothing but images.

    Parameters
    ----------
    value : bytes
        The items of the pixel element: offset table, then fragments (PS3.5 A.4).
    transfer_syntax : str
        Its transfer syntax; one whose segments are not known here is not only image.
    frame_bytes : int
        Decoded size of one frame, for run-length encoding, which has no end mark.
    """
    walk = _walker(transfer_syntax, frame_bytes)
    if walk is None:
        return False
    try:
        table, *fragments = _items(value)
        _require_offsets(table, sum(len(f) + 8 for f in fragments))
        if transfer_syntax == RLE:
            for fragment in fragments:
                walk(fragment)
        else:
            walk(b"".join(fragments))
    except (NotAnImageError, error, IndexError, ValueError):
        return False
    return True


def _walker(syntax: str, frame_bytes: int) -> Callable[[bytes], None] | None:
    if syntax in JPEG:
        return lambda data: _walk_jpeg(data, _BEHIND_ENTROPY)
    if syntax in JPEG_LS:
        return lambda data: _walk_jpeg(data, _BEHIND_ENTROPY_LS)
    if syntax in JPEG_2000:
        return _walk_j2k
    return (lambda data: _walk_rle(data, frame_bytes)) if syntax == RLE else None


def _items(value: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(value):
        if value[position : position + 4] != _ITEM:
            raise NotAnImageError
        length = unpack_from("<L", value, position + 4)[0]
        yield value[position + 8 : position + 8 + length]
        position += 8 + length


def _require_offsets(table: bytes, total: int) -> None:
    offsets = unpack_from(f"<{len(table) // 4}L", table)
    rising = all(a < b for a, b in pairwise(offsets))
    if len(table) % 4 or not rising or any(o >= total for o in offsets):
        raise NotAnImageError


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


def _walk_jpeg(data: bytes, behind_entropy: re.Pattern[bytes]) -> None:
    position = 0
    while position < len(data):
        if data[position : position + 2] != bytes((0xFF, _SOI)):
            raise NotAnImageError
        position = _skip_padding(data, _walk_jpeg_image(data, position + 2, behind_entropy))


def _walk_jpeg_image(data: bytes, position: int, behind_entropy: re.Pattern[bytes]) -> int:
    while True:
        if data[position] != 0xFF:
            raise NotAnImageError
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _EOI:
            return position + 2
        length = unpack_from(">H", data, position + 2)[0]
        _require_harmless(marker, data[position + 4 : position + 2 + length], _COMMENT_JPEG)
        position += 2 + length
        if marker == _SOS:
            found = behind_entropy.search(data, position)
            if found is None:
                raise NotAnImageError
            position = found.start()


def _require_harmless(marker: int, segment: bytes, comment: int) -> None:
    if marker == comment and _ENCODER_NOTE.fullmatch(segment) is None:
        raise NotAnImageError
    if comment == _COMMENT_JPEG and 0xE0 <= marker <= 0xEF:
        known = _APP_SEGMENTS.get(marker)
        if known is None or known.fullmatch(segment) is None:
            raise NotAnImageError


def _walk_j2k(data: bytes) -> None:
    position = 0
    while position < len(data):
        if data[position : position + 2] != bytes((0xFF, _SOC)):
            raise NotAnImageError
        position = _skip_padding(data, _walk_j2k_image(data, position + 2))


def _walk_j2k_image(data: bytes, position: int) -> int:
    tile_end = 0
    while True:
        if data[position] != 0xFF:
            raise NotAnImageError
        marker = data[position + 1]
        if marker == _EOC:
            return position + 2
        if marker == _SOD:
            position = tile_end
            continue
        length = unpack_from(">H", data, position + 2)[0]
        if marker == _SOT:
            part = unpack_from(">L", data, position + 6)[0]
            # Zero means: up to the end of the codestream.
            tile_end = position + part if part else data.rindex(bytes((0xFF, _EOC)))
            if not position < tile_end <= len(data) - 2:
                raise NotAnImageError
        _require_harmless(marker, data[position + 4 : position + 2 + length], _COMMENT_J2K)
        position += 2 + length


def _walk_rle(data: bytes, frame_bytes: int) -> None:
    n_segments, *offsets = unpack_from("<16L", data)
    used = offsets[:n_segments]
    if not 1 <= n_segments <= _RLE_SEGMENTS or any(offsets[n_segments:]):
        raise NotAnImageError
    if used[0] != _RLE_HEADER_BYTES or sorted(set(used)) != used:
        raise NotAnImageError
    for start, end in zip(used, [*used[1:], len(data)], strict=True):
        runs_end = _end_of_runs(data, start, frame_bytes // n_segments)
        rest = data[runs_end:end]
        if runs_end > end or len(rest) > 1 or rest.strip(b"\0"):
            raise NotAnImageError


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
            position += 1
    if made != wanted:
        raise NotAnImageError
    return position
