"""The tags of a Siemens CSA image header that say how a mosaic is laid out.

The layout of the header is not published; it is described by the Siemens DICOM format
notes of the NiBabel project (nipy.org/nibabel/dicom/siemens_csa.html).
"""

from __future__ import annotations

import struct

_MAGIC = b"SV10\x04\x03\x02\x01"
_MAX_TAGS = 1024
_MAX_ITEMS = 4096


def read_csa_tags(raw: bytes) -> dict[str, tuple[str, ...]]:
    """Return the non-empty items of each tag of a CSA2 header.

    Raises
    ------
    ValueError
        If the bytes are not a whole CSA2 header.
    """
    if not raw.startswith(_MAGIC):
        raise ValueError("not a CSA2 header")
    try:
        return _tags(raw)
    except struct.error as error:
        raise ValueError("a CSA header that ends too early") from error


def _tags(raw: bytes) -> dict[str, tuple[str, ...]]:
    (n_tags,) = struct.unpack_from("<I", raw, len(_MAGIC))
    if n_tags > _MAX_TAGS:
        raise ValueError("too many CSA tags")
    offset = len(_MAGIC) + 8
    tags: dict[str, tuple[str, ...]] = {}
    for _ in range(n_tags):
        name, n_items = struct.unpack_from("<64s12xi4x", raw, offset)
        offset += 84
        if not 0 <= n_items <= _MAX_ITEMS:
            raise ValueError("too many CSA items")
        items = []
        for _ in range(n_items):
            (length,) = struct.unpack_from("<4xi8x", raw, offset)
            offset += 16
            if not 0 <= length <= len(raw) - offset:
                raise ValueError("a CSA item longer than its header")
            text = _text(raw[offset : offset + length])
            items += [text] if text else []
            offset += -(-length // 4) * 4
        tags[_text(name)] = tuple(items)
    return tags


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1").strip()
