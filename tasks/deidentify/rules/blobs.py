"""Vendors' blocks that are never copied: read, reduced to allowed fields, written anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.dicom.siemens_csa import CsaError, read_csa
from tasks.deidentify.rules.contract import Contract
from tasks.deidentify.rules.ge_blocks import (
    BlobError,
    read_protocol,
    read_user_data,
    write_protocol,
    write_user_data,
)
from tasks.deidentify.rules.siemens_csa import write_csa

_Fields = Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class BlobField:
    """One allowed field of a block."""

    block: str
    field: str
    vr: str
    vm: str
    contract: Contract
    reason: str
    source: str


_READERS: dict[str, Callable[[bytes], dict[str, tuple[str, ...]]]] = {
    "siemens_csa": read_csa,
    "ge_user_data": read_user_data,
    "ge_protocol": read_protocol,
}
_WRITERS: dict[str, Callable[[_Fields], bytes]] = {
    "siemens_csa": write_csa,
    "ge_user_data": write_user_data,
    "ge_protocol": write_protocol,
}
BLOCKS = frozenset(_READERS)


def rebuild_blob(block: str, raw: bytes, allowed: Mapping[str, BlobField]) -> bytes | None:
    """Return the block with the allowed fields only, None when none of it can stay.

    Parameters
    ----------
    block : str
        One of `BLOCKS`.
    raw : bytes
        The value field as delivered.
    allowed : mapping
        The fields that may stay, by name, each with its contract.
    """
    try:
        found = _READERS[block](raw)
    except (BlobError, CsaError):
        return None
    kept: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, rule in allowed.items():
        items = found.get(name)
        if items and _accepts(rule, items):
            kept[name] = (rule.vr, items)
    return _WRITERS[block](kept) if kept else None


def _accepts(rule: BlobField, items: tuple[str, ...]) -> bool:
    # A backslash in an item would be two values by the time the contract sees it.
    if any("\\" in item or not item.isascii() for item in items):
        return False
    vr = "DS" if rule.vr in ("FL", "US") else rule.vr
    return rule.contract.accepts(vr, rule.vm, "\\".join(items).encode("ascii"), little=True)
