"""Read Siemens CSA headers, type 1 and 2.

The layout is not published; it is described by the Siemens DICOM format notes of the NiBabel
project (nipy.org/nibabel/dicom/siemens_csa.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = b"SV10\x04\x03\x02\x01"
MARK = 77
TAG = struct.Struct("<64si4siii")
ITEM = struct.Struct("<4i")
_MAX_TAGS, _MAX_ITEMS = 1024, 4096


class CsaError(ValueError):
    """A CSA header cannot be read to its end; carries no value."""


def read_csa(raw: bytes) -> dict[str, tuple[str, ...]]:
    """Return the non-empty items of each tag of a CSA header (type 2, or type 1 without mark).

    Raises
    ------
    CsaError
        If the bytes are not a whole CSA header.
    """
    try:
        return dict(_tags(raw))
    except struct.error:
        raise CsaError("a CSA header ends too early") from None


def _tags(raw: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    offset = len(MAGIC) if raw.startswith(MAGIC[:4]) else 0
    is_type_2 = offset > 0
    n_tags, mark = struct.unpack_from("<II", raw, offset)
    if n_tags > _MAX_TAGS or mark not in (MARK, 0):
        raise CsaError("not a CSA header")
    offset += 8
    base: int | None = None
    for _ in range(n_tags):
        name, _, _, _, n_items, _ = TAG.unpack_from(raw, offset)
        offset += TAG.size
        if not 0 <= n_items <= _MAX_ITEMS:
            raise CsaError("a CSA tag has too many items")
        items = []
        for _ in range(n_items):
            first, length = struct.unpack_from("<ii", raw, offset)
            offset += ITEM.size
            if not is_type_2:
                # Type 1 counts the length from that of the very first item.
                base = first if base is None else base
                length = first - base
            if not 0 <= length <= len(raw) - offset:
                raise CsaError("a CSA item is longer than its header")
            text = _text(raw[offset : offset + length])
            items += [text] if text else []
            offset += -(-length // 4) * 4
        yield _text(name), tuple(items)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1").strip()
