"""Siemens CSA headers (SV10): tables of named values in a private OB element."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_MAGIC = b"SV10\x04\x03\x02\x01"
_TABLE_MARK, _TAG_MARK = 77, 205


@dataclass(frozen=True)
class CsaTag:
    """One entry: its name, VR and values as text."""

    name: str
    vr: str
    values: tuple[str, ...]


def csa_bytes(tags: Sequence[CsaTag]) -> bytes:
    """Return the bytes of a CSA header with these entries, of even length."""
    parts = [_MAGIC, struct.pack("<ii", len(tags), _TABLE_MARK)]
    parts += [_tag_bytes(tag) for tag in tags]
    data = b"".join(parts)
    return data + b"\x00" * (len(data) % 2)


def _tag_bytes(tag: CsaTag) -> bytes:
    name = tag.name.encode("ascii").ljust(64, b"\x00")
    head = struct.pack(
        "<64si4siii", name, len(tag.values), tag.vr.encode("ascii").ljust(4, b"\x00"),
        0, len(tag.values), _TAG_MARK,
    )  # fmt: skip
    return head + b"".join(_item_bytes(value) for value in tag.values)


def _item_bytes(value: str) -> bytes:
    data = value.encode("utf-8") + b"\x00"
    length = len(data)
    return struct.pack("<4i", length, length, _TABLE_MARK, length) + data + b"\x00" * (-length % 4)
