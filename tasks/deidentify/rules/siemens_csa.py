"""Siemens CSA image headers, built anew from allowed fields.

The scanner pads items with whatever lay in its memory: texts of the protocol, UIDs and names
stand behind the end of short strings. So nothing of the source bytes is copied; the few
fields of the table are read (`schemas.dicom.siemens_csa`), checked and written again.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from schemas.dicom.siemens_csa import ITEM, MAGIC, MARK, TAG

#: Scanners write this many at least, empty ones last; converters read several unasked.
_ITEMS_AT_LEAST = 6
_SYNGO_TYPES = {"CS": 16, "DS": 3, "IS": 6, "LO": 19, "SH": 22}


def write_csa(fields: Mapping[str, tuple[str, tuple[str, ...]]]) -> bytes:
    """Return a CSA2 header of the given fields: name → (VR, items), sorted by name."""
    parts = [MAGIC, struct.pack("<II", len(fields), MARK)]
    for name in sorted(fields):
        vr, items = fields[name]
        n_items = max(len(items), _ITEMS_AT_LEAST)
        head = (name.encode("ascii"), len(items), vr.encode("ascii"), _SYNGO_TYPES[vr])
        parts.append(TAG.pack(*head, n_items, MARK))
        for item in items:
            value = item.encode("ascii") + b"\0"
            parts.append(ITEM.pack(len(value), len(value), MARK, len(value)))
            parts.append(value + bytes(-len(value) % 4))
        parts += [ITEM.pack(0, 0, MARK, 0)] * (n_items - len(items))
    body = b"".join(parts)
    return body + bytes(len(body) % 2)
