"""The segments of JPEG and JPEG-LS images that decoding needs (ISO/IEC 10918-1 B, 14495-1 C)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from struct import unpack_from

from tasks.deidentify.plan.segments import (
    BesideImageError,
    Plane,
    Segment,
    refuse,
    require_no_text,
    require_note,
)

_SOI, _EOI, _SOS, _DHT, _DQT, _DRI, _DNL, _COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xDC, 0xFE
_LOSSLESS, _JPEG_LS, _LSE = 0xC3, 0xF7, 0xF8
_SIZES = {_SOS: (6,), _DRI: (2,), _DNL: (2,)}
_WITH_DCT = (0xC0, 0xC1, 0xC2)
_BEHIND_ENTROPY = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_BEHIND_ENTROPY_LS = re.compile(rb"\xff[\x80-\xfe]")
#: JFIF without thumbnail; Adobe with flags of its encoder.
_APP_SEGMENTS = {
    0xE0: re.compile(rb"JFIF\0\x01[\0-\x02][\0-\x02].{4}\0\0", re.DOTALL),
    0xEE: re.compile(rb"Adobe\0[\x64\x65](?:[\0\x40\x80\xc0]\0){2}[\0-\x02]"),
}
#: Categories of difference in a lossless image, and of a DC coefficient.
_LARGEST_CATEGORY = 16
_TABLE_HEAD, _PRESET_PARAMETERS = 17, 1


@dataclass
class _Read:
    """What was read of one image so far."""

    plane: Plane
    process: int = 0
    bits: int = 0
    wanted_quantisation: set[int] = field(default_factory=set)
    quantisation: set[int] = field(default_factory=set)
    ac_tables: set[int] = field(default_factory=set)


def walk_jpeg(data: bytes, plane: Plane) -> tuple[int, int]:
    """Walk one JPEG image; return where it ends and how many bits its values have.

    Raises
    ------
    BesideImageError
        If it holds anything that decoding does not need.
    """
    return _walk(data, plane, _BEHIND_ENTROPY)


def walk_jpeg_ls(data: bytes, plane: Plane) -> tuple[int, int]:
    """Walk one JPEG-LS image, as `walk_jpeg`."""
    return _walk(data, plane, _BEHIND_ENTROPY_LS)


def _walk(data: bytes, plane: Plane, behind_entropy: re.Pattern[bytes]) -> tuple[int, int]:
    if data[:2] != bytes((0xFF, _SOI)):
        raise BesideImageError("bytes before the image")
    read = _Read(plane)
    position = 2
    while True:
        if data[position] != 0xFF:
            raise BesideImageError("bytes between segments")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _EOI:
            _require_whole(read)
            return position + 2, read.bits
        length = unpack_from(">H", data, position + 2)[0]
        _read_segment(Segment(marker, data[position + 4 : position + 2 + length]), read)
        position += 2 + length
        if marker == _SOS:
            found = behind_entropy.search(data, position)
            if found is None:
                raise BesideImageError("a codestream that does not end")
            require_no_text(data[position : found.start()])
            position = found.start()


def _read_segment(segment: Segment, read: _Read) -> None:
    marker = segment.marker
    if marker in (*_WITH_DCT, _LOSSLESS, _JPEG_LS):
        _read_frame(segment, read)
    elif marker in _SIZES:
        segment.require(_SIZES[marker])
    elif marker == _DHT:
        _read_huffman(segment, read)
    elif marker == _DQT:
        _read_quantisation(segment, read)
    elif marker == _LSE and segment.body[:1] == bytes((_PRESET_PARAMETERS,)):
        segment.require((11,))
    elif marker == _COM:
        require_note(segment)
    elif marker in _APP_SEGMENTS:
        if _APP_SEGMENTS[marker].fullmatch(segment.body) is None:
            raise BesideImageError("an application segment")
    elif 0xE0 <= marker <= 0xEF:
        raise BesideImageError("an application segment")
    else:
        refuse(marker)


def _read_frame(segment: Segment, read: _Read) -> None:
    segment.require((9,))
    bits, rows, columns, components = unpack_from(">BHHB", segment.body)
    if read.process or components != 1 or (rows, columns) != (read.plane.rows, read.plane.columns):
        raise BesideImageError("an image of another shape than the header states")
    read.process, read.bits = segment.marker, bits
    if segment.marker in _WITH_DCT:
        read.wanted_quantisation.add(segment.body[8])


def _read_huffman(segment: Segment, read: _Read) -> None:
    body = segment.body
    while body:
        kind, place = body[0] >> 4, body[0] & 0x0F
        count = sum(body[1:_TABLE_HEAD])
        values = body[_TABLE_HEAD : _TABLE_HEAD + count]
        if kind > 1 or len(values) != count or len(set(values)) != count:
            raise BesideImageError("a table of codes that is none")
        if kind == 1:
            # Only an image with a cosine transform has use for it, and only for one.
            if place in read.ac_tables:
                raise BesideImageError("a table of codes that nothing needs")
            read.ac_tables.add(place)
        elif any(v > _LARGEST_CATEGORY for v in values):
            raise BesideImageError("a table of codes that is none")
        body = body[_TABLE_HEAD + count :]


def _read_quantisation(segment: Segment, read: _Read) -> None:
    body = segment.body
    while body:
        size = 129 if body[0] >> 4 else 65
        place = body[0] & 0x0F
        if len(body) < size or place in read.quantisation:
            raise BesideImageError("a table of steps that nothing needs")
        read.quantisation.add(place)
        body = body[size:]


def _require_whole(read: _Read) -> None:
    if not read.process:
        raise BesideImageError("no image")
    if read.quantisation != read.wanted_quantisation:
        raise BesideImageError("a table of steps that nothing needs")
    with_dct = read.process in _WITH_DCT
    if len(read.ac_tables) > with_dct:
        raise BesideImageError("a table of codes that nothing needs")
