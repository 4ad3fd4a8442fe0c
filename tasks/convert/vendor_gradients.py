"""Diffusion directions that headers state: public, or where each vendor keeps them.

All are given in the patient's frame, DICOM LPS. A direction of length zero is none.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from schemas.dicom.functional_groups import FunctionalGroups
from schemas.dicom.header_scan import ScannedHeader
from schemas.dicom.header_values import UNKNOWN
from schemas.dicom.orientations import unit_normal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Direction = tuple[float, ...]
#: Values of one private block by element, or nothing where a header has no such block.
_ReadBlock = Callable[[int, str], Mapping[int, Sequence[float]]]
#: Group, creator and elements that together are one direction in LPS. Sources: Siemens, "DICOM
#: conformance statement, MR syngo", (0019,xx0E); Philips, private attributes (2005,xxB0) to
#: (2005,xxB2): right-left, anterior-posterior, feet-head.
_PRIVATE = (
    (0x0019, "SIEMENS MR HEADER", (0x0E,)),
    (0x2005, "Philips MR Imaging DD 001", (0xB0, 0xB1, 0xB2)),
)
#: UIH keeps components along row, column and normal of the image (dcm_qa_uih).
_UIH_GROUP, _UIH_CREATOR, _UIH_ELEMENT = 0x0065, "Image Private Header", 0x37
#: GE keeps components along frequency, phase and slice direction of the image.
_GE_GROUP, _GE_CREATOR, _GE_ELEMENTS = 0x0019, "GEMS_ACQU_01", (0xBB, 0xBC, 0xBD)
_MODALITY_TAG, _ORIENTATION_TAG = 0x00080060, 0x00200037
_PHASE_TAG, _PUBLIC_TAG = 0x00181312, 0x00189089
_BINARY = {"FD": "d", "FL": "f"}
_ELEMENTS: dict[str, tuple[int, ...]] = {
    **{creator: elements for _, creator, elements in _PRIVATE},
    _UIH_CREATOR: (_UIH_ELEMENT,),
    _GE_CREATOR: _GE_ELEMENTS,
}


def gradient_of(header: Dataset) -> Direction:
    """Return the direction of a single-frame MR image or a grid; empty without one."""
    if str(header.get("Modality", "")).strip() != "MR":
        return ()

    def block(group: int, creator: str) -> Mapping[int, Sequence[float]]:
        try:
            found = header.private_block(group, creator)
        except KeyError:
            return {}
        vr = _private_vr(creator)
        return {e: _numbers(found[e].value, vr) for e in _ELEMENTS[creator] if e in found}

    axes = _numbers(header.get("ImageOrientationPatient"))
    phase = str(header.get("InPlanePhaseEncodingDirection", ""))
    return _choose(_numbers(header.get("DiffusionGradientOrientation")), block, axes, phase)


def scanned_gradient(header: ScannedHeader) -> Direction:
    """Return the same from scanned bytes.

    Raises
    ------
    ValueError
        Where the full parser must judge the header.
    """
    if _MODALITY_TAG not in header.places or header.element(_MODALITY_TAG)[1].strip() != b"MR":
        return ()

    def public(tag: int, vr: str) -> Direction:
        return _scanned_numbers(header, tag, vr) if tag in header.places else ()

    def block(group: int, creator: str) -> Mapping[int, Sequence[float]]:
        # In ascending order: of hundreds of private elements only the first are creators.
        creators = takewhile(lambda t: t & 0xFFFF < 0x100, header.private.get(group, ()))
        own = [t for t in creators if header.element(t)[1].strip(b" \0") == creator.encode()]
        if not own:
            return {}
        if len(own) > 1:
            raise ValueError("a private block twice")
        start = group << 16 | (own[0] & 0xFF) << 8
        vr = _private_vr(creator)
        elements = _ELEMENTS[creator]
        return {
            e: _scanned_numbers(header, start | e, vr)
            for e in elements
            if start | e in header.places
        }

    phase = header.element(_PHASE_TAG)[1].decode("ascii") if _PHASE_TAG in header.places else ""
    direction = public(_PUBLIC_TAG, "FD")
    return _choose(direction, block, public(_ORIENTATION_TAG, "DS"), phase)


def frame_gradients(header: Dataset, n_frames: int) -> tuple[Direction, ...]:
    """Return the direction of each frame of an enhanced object; empty if no frame has one.

    Notes
    -----
    DICOM PS3.3 C.8.13.5.9, MR Diffusion macro.
    """
    groups = FunctionalGroups(header)
    if len(groups.frames) != n_frames:
        return ()
    found = []
    for i in range(n_frames):
        items = groups.value(i, ("MRDiffusionSequence", "DiffusionGradientDirectionSequence"))
        found.append(_unit(_numbers(items[0].get("DiffusionGradientOrientation") if items else ())))
    return tuple(found) if any(found) else ()


def _choose(public: Direction, block: _ReadBlock, axes: Direction, phase: str) -> Direction:
    if _unit(public):
        return _unit(public)
    for group, creator, elements in _PRIVATE:
        values = block(group, creator)
        found = tuple(value for element in elements for value in values.get(element, ()))
        if _unit(found):
            return _unit(found)
    parts = tuple(block(_UIH_GROUP, _UIH_CREATOR).get(_UIH_ELEMENT, ()))
    if _unit(parts):
        return _in_image(parts, axes)
    values = block(_GE_GROUP, _GE_CREATOR)
    parts = tuple(value for element in _GE_ELEMENTS for value in values.get(element, ()))
    return _ge_direction(parts, axes, phase.strip(" \0"))


def _ge_direction(parts: Direction, axes: Direction, phase: str) -> Direction:
    """Return a GE direction in LPS; of images with the phase along rows nobody knows the signs.

    With the phase along columns, frequency is along rows and the third component runs against
    the normal (measured on the public set dcm_qa_ge).
    """
    if not _unit(parts) or phase != "COL":
        return ()
    return _in_image((parts[0], parts[1], -parts[2]), axes)


def _in_image(parts: Direction, axes: Direction) -> Direction:
    """Return in LPS what is stated along row, column and normal of the image."""
    normal = unit_normal(axes)
    if normal is None:
        return ()
    row, column = np.reshape(axes, (2, 3))
    turned = parts[0] * row + parts[1] * column + parts[2] * np.asarray(normal)
    return _unit(tuple(float(value) for value in turned))


def _unit(direction: Direction) -> Direction:
    """Return a direction of three finite numbers as it is; nothing for any other."""
    # Asked of every image of a series: numpy would take as long as reading the header.
    usable = len(direction) == 3 and any(direction) and all(map(math.isfinite, direction))
    return direction if usable else ()


def _private_vr(creator: str) -> str:
    """Return the VR of a private direction, where the file says none or UN."""
    return {_GE_CREATOR: "DS", _PRIVATE[1][1]: "FL"}.get(creator, "FD")


def _numbers(value: object, vr: str = "") -> Direction:
    if isinstance(value, bytes):
        # What pydicom's dictionary does not have stays bytes under implicit VR and UN.
        whole = vr in _BINARY and not len(value) % struct.calcsize(_BINARY[vr])
        return _unpacked(value, vr) if whole else ()
    if value is None:
        return ()
    values = [value] if isinstance(value, str | int | float) else list(value)  # type: ignore[call-overload]  # pydicom's lists are not typed
    try:
        return tuple(float(part) for part in values)
    except (TypeError, ValueError):
        return ()


def _unpacked(value: bytes, vr: str) -> Direction:
    size = struct.calcsize(_BINARY[vr])
    if len(value) % size:
        raise ValueError("not whole numbers")
    return struct.unpack(f"<{len(value) // size}{_BINARY[vr]}", value)


def _scanned_numbers(header: ScannedHeader, tag: int, implicit: str) -> Direction:
    vr, value = header.element(tag)
    if vr in ("", UNKNOWN):
        vr = implicit
    if vr in _BINARY:
        return _unpacked(value, vr)
    if vr not in ("DS", "IS"):
        raise ValueError("an unusual VR")
    text = value.decode("ascii").strip(" \0")
    return tuple(float(part) for part in text.split("\\")) if text else ()
