"""The segments of JPEG 2000 codestreams that decoding needs (ISO/IEC 15444-1 annex A)."""

from __future__ import annotations

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

_SOC, _SOT, _SOD, _EOC = 0x4F, 0x90, 0x93, 0xD9
_CAP, _SIZ, _COD, _TLM, _PLT = 0x50, 0x51, 0x52, 0x55, 0x58
_QCD, _RGN, _POC, _CRG, _COM = 0x5C, 0x5E, 0x5F, 0x63, 0x64
_MOST_LEVELS, _DERIVED_STEPS = 32, 1
#: Bytes behind the length, of one component; of CAP one word for each of at most four parts.
_SIZ_BYTES = 39
_SIZES = {_RGN: (3,), _POC: range(7, 7 * _MOST_LEVELS, 7), _CAP: range(6, 13, 2)}


@dataclass
class _Read:
    """What was read of one codestream so far."""

    plane: Plane
    bits: int = 0
    levels: set[int] = field(default_factory=set)
    steps: set[int] = field(default_factory=set)
    stated: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    packets: bytes = b""


def walk_jpeg_2000(data: bytes, plane: Plane) -> tuple[int, int]:
    """Walk one codestream; return where it ends and how many bits its values have.

    Raises
    ------
    BesideImageError
        If it holds anything that decoding does not need.
    """
    if data[:2] != bytes((0xFF, _SOC)):
        raise BesideImageError("bytes before the image")
    read = _Read(plane)
    position, tile_end = 2, 0
    while True:
        if data[position] != 0xFF:
            raise BesideImageError("bytes between segments")
        marker = data[position + 1]
        if marker == _EOC:
            return position + 2, _whole(read)
        if marker == _SOD:
            coded = data[position + 2 : tile_end]
            _require_packets(read, len(coded))
            require_no_text(coded)
            position = tile_end
            continue
        length = unpack_from(">H", data, position + 2)[0]
        segment = Segment(marker, data[position + 4 : position + 2 + length])
        if marker == _SOT:
            segment.require((8,))
            part = unpack_from(">L", data, position + 6)[0]
            # Zero means: up to the end of the codestream.
            tile_end = position + part if part else data.rindex(bytes((0xFF, _EOC)))
            if not position < tile_end <= len(data) - 2:
                raise BesideImageError("a tile that does not end")
            read.lengths.append(tile_end - position)
        else:
            _read_segment(segment, read)
        position += 2 + length


def _read_segment(segment: Segment, read: _Read) -> None:
    marker, body = segment.marker, segment.body
    if marker == _SIZ:
        _read_size(segment, read)
    elif marker == _COD:
        _read_coding(segment, read)
    elif marker == _QCD:
        _read_steps(segment, read)
    elif marker in _SIZES:
        segment.require(_SIZES[marker])
    elif marker == _TLM:
        _read_tile_lengths(segment, read)
    elif marker == _PLT:
        read.packets += body[1:]
    elif marker == _CRG and not body.strip(b"\0"):
        segment.require((4,))
    elif marker == _COM:
        require_note(segment)
    else:
        refuse(marker)


def _read_size(segment: Segment, read: _Read) -> None:
    segment.require((_SIZ_BYTES,))
    right, bottom, left, top = unpack_from(">4L", segment.body, 2)
    components, depth = unpack_from(">HB", segment.body, 34)
    shape = (bottom - top, right - left)
    if read.bits or components != 1 or shape != (read.plane.rows, read.plane.columns):
        raise BesideImageError("an image of another shape than the header states")
    read.bits = (depth & 0x7F) + 1


def _read_coding(segment: Segment, read: _Read) -> None:
    style, levels = segment.body[0], segment.body[5]
    segment.require((10 + (levels + 1 if style & 1 else 0),))
    if levels > _MOST_LEVELS:
        raise BesideImageError("a coding style that is none")
    read.levels.add(levels)


def _read_steps(segment: Segment, read: _Read) -> None:
    style = segment.body[0] & 0x1F
    if style == _DERIVED_STEPS:
        segment.require((3,))
        return
    steps, rest = divmod(len(segment.body) - 1, 2 if style else 1)
    if rest or steps % 3 != 1:
        segment.require(())
    read.steps.add(steps // 3)


def _read_tile_lengths(segment: Segment, read: _Read) -> None:
    size = segment.body[1]
    before, code = size >> 4 & 3, "L" if size & 0x40 else "H"
    each = before + (4 if code == "L" else 2)
    entries = segment.body[2:]
    if len(entries) % each or before > 2:
        raise BesideImageError("a list of tiles that is none")
    starts = range(0, len(entries), each)
    read.stated += [unpack_from(f">{code}", entries, at + before)[0] for at in starts]


def _require_packets(read: _Read, coded_bytes: int) -> None:
    """Refuse a list of packets that is not that of the tile: it may be anything then."""
    total = packet = 0
    for byte in read.packets:
        packet = packet << 7 | byte & 0x7F
        if not byte & 0x80:
            total, packet = total + packet, 0
    if read.packets and (packet or total != coded_bytes):
        raise BesideImageError("a list of packets that is none")
    read.packets = b""


def _whole(read: _Read) -> int:
    if not read.bits or not read.lengths or read.packets:
        raise BesideImageError("no image")
    if read.stated and read.stated != read.lengths:
        raise BesideImageError("a list of tiles that is none")
    if read.steps and read.steps != read.levels:
        raise BesideImageError("steps of levels that there are not")
    return read.bits
