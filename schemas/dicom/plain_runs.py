"""Runs of plain elements, nearly all of a header: the one loop that every scanner here stands on.

An element is plain when its head says all there is to know: a tag that is no item and not the
pixels, a VR of two bytes of length (or implicit VR and no sequence), a value that lies before
the end. A run ends before the first that is not (DICOM PS3.5 7.1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

PIXEL_DATA = 0x7FE00010
#: VRs with a length of two bytes, by how they stand in the file.
SHORT_VRS = {
    vr.encode(): vr
    for vr in "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # noqa: SIM905  reads better so
}
HEAD_BYTES = 8
_ITEM_GROUP = 0xFFFE


class Place(NamedTuple):
    """Where an element stands: its head, its value, and where the next one begins.

    The VR is None where the file does not say. Pixels of undefined length may end nowhere.
    """

    tag: int
    vr: str | None
    start: int
    begin: int
    end: int
    undefined_length: bool = False


#: Hundreds are made for every header: this way in a third of the time.
_new = tuple.__new__
#: Unpacks a head at an offset: group, number, VR and length, or without the VR.
Unpack = Callable[[bytes, int], tuple[Any, ...]]


def explicit_run(data: bytes, position: int, end: int, unpack: Unpack) -> list[Place]:
    """Return the plain elements from `position` on, in explicit VR."""
    found: list[Place] = []
    last = end - HEAD_BYTES
    while position <= last:
        group, number, vr, length = unpack(data, position)
        start, begin = position, position + HEAD_BYTES
        tag, position = group << 16 | number, begin + length
        if vr not in SHORT_VRS or position > end or group == _ITEM_GROUP or tag == PIXEL_DATA:
            break
        found.append(_new(Place, (tag, SHORT_VRS[vr], start, begin, position, False)))
    return found


def implicit_run(
    data: bytes, position: int, end: int, unpack: Unpack, *, sequences: bool
) -> list[Place]:
    """Return the plain elements from `position` on, in implicit VR.

    With `sequences` a run ends before one of known length too: that takes a dictionary.
    """
    found: list[Place] = []
    last = end - HEAD_BYTES
    while position <= last:
        group, number, length = unpack(data, position)
        start, begin = position, position + HEAD_BYTES
        # A length that is not defined leads beyond any end.
        tag, position = group << 16 | number, begin + length
        if position > end or group == _ITEM_GROUP or tag == PIXEL_DATA:
            break
        if sequences and vr_from_dictionary(tag) == "SQ":
            break
        found.append(_new(Place, (tag, None, start, begin, position, False)))
    return found


@lru_cache(maxsize=8192)
def vr_from_dictionary(tag: int) -> str:
    """Return the VR the DICOM data dictionary (PS3.6) gives a tag; UN when it has none."""
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    # Loading pydicom costs more than scanning the headers of a series in explicit VR.
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"
