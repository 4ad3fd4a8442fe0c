"""UIDs of the usual form, mapped without planning them again.

Each file of a series has a UID of its own, at the least. One in DICOM's own form (PS3.5 9.1) that
DICOM does not register has one outcome by its rule: what the key makes of it. Whatever is not
certain to be so is planned by the rules, which are the reference the tests hold this against.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from schemas.dicom.encode import OutElement
from tasks.deidentify.identifiers import Identifier, IdentifierKind, kind_of
from tasks.deidentify.plan.actions import Context, ElementAction
from tasks.deidentify.rules.contract import vm_allows
from tasks.deidentify.rules.profile import ROOT, Action
from tasks.deidentify.rules.values import is_registered_uid

_VR, _LONGEST = "UI", 64
#: One value, and the NUL that makes its length even (PS3.5 6.2).
_FORM = re.compile(rb"[0-2](?:\.[0-9]+)+\0?")


class MappedUid(NamedTuple):
    """The value that is written, and what the one in the file would tell of somebody."""

    out: OutElement
    identifiers: frozenset[Identifier]


#: Maps a value field; None for one that the rules have to plan.
MapUid = Callable[[bytes], MappedUid | None]


def uid_map(tag: int, vr: str | None, context: Context) -> MapUid | None:
    """Return what maps the values of a top-level element; None where the rules have to.

    Parameters
    ----------
    tag : int
    vr : str or None
        As it stands in the file.
    context : Context
        What decides beside the element.
    """
    rule = context.profile.rules[ROOT].get(tag)
    if rule is None or rule.action is not Action.UID or not vr == rule.vr == _VR:
        return None
    if not vm_allows(rule.vm, 1) or kind_of(tag, vr) is not IdentifierKind.UID:
        return None
    map_uid = context.person.map_uid

    def mapped(value: bytes) -> MappedUid | None:
        if _FORM.fullmatch(value) is None or len(value) % 2 or len(value) > _LONGEST:
            return None
        text = value.decode("ascii").rstrip("\0")
        if is_registered_uid(text):
            return None
        out = OutElement(tag, _VR, map_uid(text).encode("ascii"))
        return MappedUid(out, frozenset((Identifier(IdentifierKind.UID, text),)))

    return mapped


def mapped_as_planned(tag: int, context: Context) -> ElementAction:
    """Return what happens to such an element, whatever its value is."""
    rule = context.profile.rules[ROOT][tag]
    return ElementAction(tag, rule.action, rule.option, OutElement(tag, _VR, b"2.25"))
