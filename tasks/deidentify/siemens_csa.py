"""Siemens CSA image headers, built anew from allowed fields.

The scanner pads items with whatever lay in its memory: texts of the protocol, UIDs and names
stand behind the end of short strings. So nothing of the source bytes is copied; the few
fields of the table are read, checked and written again.

The layout is not published; it is described by the Siemens DICOM format notes of the NiBabel
project (nipy.org/nibabel/dicom/siemens_csa.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

_MAGIC = b"SV10\x04\x03\x02\x01"
_MARK = 77
_TAG = struct.Struct("<64si4siii")
_ITEM = struct.Struct("<4i")
_MAX_TAGS, _MAX_ITEMS = 1024, 4096
#: Scanners write this many at least, empty ones last; converters read several unasked.
_ITEMS_AT_LEAST = 6
_SYNGO_TYPES = {"CS": 16, "DS": 3, "IS": 6, "LO": 19, "SH": 22}


class BlobError(Exception):
    """A vendor's block cannot be read to its end; carries no value."""


def read_csa(raw: bytes) -> dict[str, tuple[str, ...]]:
    """Return the non-empty items of each tag of a CSA header (type 2, or type 1 without mark).

    Raises
    ------
    BlobError
        If the bytes are not a whole CSA header.
    """
    try:
        return dict(_tags(raw))
    except struct.error:
        raise BlobError("a CSA header ends too early") from None


def write_csa(fields: Mapping[str, tuple[str, tuple[str, ...]]]) -> bytes:
    """Return a CSA2 header of the given fields: name → (VR, items), sorted by name."""
    parts = [_MAGIC, struct.pack("<II", len(fields), _MARK)]
    for name in sorted(fields):
        vr, items = fields[name]
        n_items = max(len(items), _ITEMS_AT_LEAST)
        head = (name.encode("ascii"), len(items), vr.encode("ascii"), _SYNGO_TYPES[vr])
        parts.append(_TAG.pack(*head, n_items, _MARK))
        for item in items:
            value = item.encode("ascii") + b"\0"
            parts.append(_ITEM.pack(len(value), len(value), _MARK, len(value)))
            parts.append(value + bytes(-len(value) % 4))
        parts += [_ITEM.pack(0, 0, _MARK, 0)] * (n_items - len(items))
    body = b"".join(parts)
    return body + bytes(len(body) % 2)


def _tags(raw: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    offset = len(_MAGIC) if raw.startswith(_MAGIC[:4]) else 0
    is_type_2 = offset > 0
    n_tags, mark = struct.unpack_from("<II", raw, offset)
    if n_tags > _MAX_TAGS or mark not in (_MARK, 0):
        raise BlobError("not a CSA header")
    offset += 8
    base: int | None = None
    for _ in range(n_tags):
        name, _, _, _, n_items, _ = _TAG.unpack_from(raw, offset)
        offset += _TAG.size
        if not 0 <= n_items <= _MAX_ITEMS:
            raise BlobError("a CSA tag has too many items")
        items = []
        for _ in range(n_items):
            first, length = struct.unpack_from("<ii", raw, offset)
            offset += _ITEM.size
            if not is_type_2:
                # Type 1 counts the length from that of the very first item.
                base = first if base is None else base
                length = first - base
            if not 0 <= length <= len(raw) - offset:
                raise BlobError("a CSA item is longer than its header")
            text = _text(raw[offset : offset + length])
            items += [text] if text else []
            offset += -(-length // 4) * 4
        yield _text(name), tuple(items)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1").strip()
