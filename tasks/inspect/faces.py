"""Whether a field of view shows a face: by closed rules over header and outline. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.orientations import unit_normal
from tasks.inspect.rules import InspectionRules

#: Breadth and length of a head, widened for swelling, hair and soft thresholds: mm.
_SHORTER_MM, _LONGER_MM = (115.0, 195.0), (150.0, 250.0)
_STEP_PX = 4
#: How far between air and the brightest twentieth skin begins.
_SKIN = 0.15
_AXIAL = 0.8
_IN_A_ROW = "head_sections"


@dataclass(frozen=True)
class FaceFacts:
    """What headers and pixels say: body parts, length along the body, sections of a head."""

    modality: str
    body_parts: tuple[str, ...]
    length_mm: float
    head_sections: int


def shows_face(facts: FaceFacts, rules: InspectionRules) -> bool:
    """Return whether a rule takes the field of view to show a face."""
    tests = {
        "body_part": lambda value: bool(set(value.split("|")) & set(facts.body_parts)),
        "length_mm": lambda value: facts.length_mm >= float(value),
        _IN_A_ROW: lambda value: facts.head_sections >= float(value),
    }
    return any(
        facts.modality in rule.modalities and tests[rule.test](rule.value) for rule in rules.faces
    )


class HeadRun:
    """The longest run of sections of a head in a row, as far as a rule asks for it.

    A run of so many as the least rule asks for has one of each so many images in it: where that
    one shows no head and none began before, the images between are not looked at.

    Parameters
    ----------
    rules : InspectionRules
        In force; where none asks for sections in a row, none is looked for.
    """

    def __init__(self, rules: InspectionRules) -> None:
        asked = [math.ceil(float(rule.value)) for rule in rules.faces if rule.test == _IN_A_ROW]
        self._least = max(1, min(asked, default=0))
        self._none_asks = not asked
        self._waiting: list[tuple[NDArray[Any], tuple[float, float]] | None] = []
        self._run = self._longest = 0

    def add(self, image: NDArray[Any], spacing_mm: tuple[float, float] | None) -> None:
        """Take in the next image, of shape (rows, columns); no spacing says that it is no section.

        Parameters
        ----------
        image : ndarray
            Stored values.
        spacing_mm : (float, float), optional
            Between rows and between columns.
        """
        if self._none_asks:
            return
        # Not the image itself: it would keep all bytes of its file.
        self._waiting.append(spacing_mm and (image[::_STEP_PX, ::_STEP_PX].copy(), spacing_mm))
        if len(self._waiting) == self._least:
            self._look()

    def longest(self) -> int:
        """Return the length of the longest run; of one that no rule asks for, what was seen."""
        if self._run:
            self._look()
        return self._longest

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        last = _is_head(waiting[-1])
        if not last and not self._run:
            return
        for one in waiting[:-1]:
            self._count(_is_head(one))
        self._count(last)

    def _count(self, is_head: bool) -> None:
        self._run = self._run + 1 if is_head else 0
        self._longest = max(self._longest, self._run)


def _is_head(one: tuple[NDArray[Any], tuple[float, float]] | None) -> bool:
    return one is not None and is_head_section(*one)


def body_parts_of(members: Iterable[InstanceFeatures]) -> tuple[str, ...]:
    """Return the body parts of the headers, as codes without blanks."""
    found = {str(m.body_part).upper().replace(" ", "").replace("_", "") for m in members}
    return tuple(sorted(found - {"NONE", ""}))


def length_mm_of(members: Iterable[InstanceFeatures]) -> float:
    """Return how far axial images reach along the body, in mm (PS3.3 C.7.6.2.1.1)."""
    places = [z for m in members if is_axial(m) for z in _heights_mm(m)]
    return max(places) - min(places) if places else 0.0


def is_axial(member: InstanceFeatures) -> bool:
    """Return whether the planes of an instance lie across the body."""
    orientation = member.orientation_lps or member.frame_orientations_lps[:6]
    normal = unit_normal(tuple(orientation))
    return normal is not None and abs(float(normal[2])) >= _AXIAL


def _heights_mm(member: InstanceFeatures) -> Sequence[float]:
    positions = member.frame_positions_lps or member.position_lps
    return positions[2::3]


def is_head_section(sparse: NDArray[Any], spacing_mm: tuple[float, float]) -> bool:
    """Return whether the largest thing in an axial image has breadth and length of a head.

    Parameters
    ----------
    sparse : ndarray, shape (rows / 4, columns / 4)
        Stored values of every fourth row and column of the image.
    spacing_mm : (float, float)
        Between the rows and between the columns of the image.
    """
    small = sparse.astype(np.float32)
    # What lies outside the field of view is padded with the least value.
    inside = small[small > small.min()]
    if inside.size == 0:
        return False
    low, high = np.percentile(inside, [5, 95])
    # Skin against air is the sharpest edge of CT and MR; noise of air stays below it.
    tissue = small > low + (float(high) - float(low)) * _SKIN
    labels, n_found = ndimage.label(ndimage.binary_fill_holes(ndimage.binary_opening(tissue)))
    if not n_found:
        return False
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    rows, columns = ndimage.find_objects(labels)[largest - 1]
    sides = sorted(
        (
            (rows.stop - rows.start) * _STEP_PX * spacing_mm[0],
            (columns.stop - columns.start) * _STEP_PX * spacing_mm[1],
        )
    )
    cut = rows.start == 0 and rows.stop == small.shape[0]
    shaped = _SHORTER_MM[0] <= sides[0] <= _SHORTER_MM[1]
    return shaped and _LONGER_MM[0] <= sides[1] <= _LONGER_MM[1] and not cut
