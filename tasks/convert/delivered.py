"""What the proof takes for the source, held against what the delivered header said.

De-identification rewrites headers; a proof that reads only what it wrote proves the
rewriting. The numbers of the delivered header were harvested at intake and must be those
that conversion goes by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack
from tasks.convert.codes import Code
from tasks.convert.source import PixelFacts
from tasks.convert.spaces import uids_of
from tasks.convert.verdict import Fault

#: Rewriting keeps the 16 characters of a decimal string, sometimes ten digits.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-6
#: Of these the header's direction is in a frame of their own: only that there is one counts.
_OWN_FRAME = ("GE", "UIH")
_Pair = tuple[object, object]


def check_delivered(
    stack: SubStack,
    facts: Mapping[str, PixelFacts],
    delivered: Mapping[str, DeliveredFacts],
) -> list[Fault]:
    """Return DELIVERED_DIFFERS, with the instances, where a deciding value is another one.

    Parameters
    ----------
    stack : SubStack
    facts : mapping of member key to PixelFacts
        Members whose pixels cannot be used have a fault already.
    delivered : mapping of SOPInstanceUID to DeliveredFacts
        By the UID the object has now. An object without a row is one whose header here is the
        delivered one.
    """
    unlike = []
    for m in stack.members:
        said, fact = delivered.get(m.sop_uid or ""), facts.get(member_key(m))
        if said is None or fact is None or fact.problem is not None:
            continue
        if said.has_modality_lut or any(not _same(a, b) for a, b in _pairs(m, fact, said)):
            unlike.append(m)
    return [Fault(Code.DELIVERED_DIFFERS, uids_of(unlike))] if unlike else []


def _pairs(m: InstanceFeatures, fact: PixelFacts, said: DeliveredFacts) -> Iterator[_Pair]:
    """Yield what conversion goes by, and what was delivered in its place."""
    yield fact.rows, said.rows
    yield fact.columns, said.columns
    yield fact.bits_stored, said.bits_stored
    yield int(np.dtype(fact.dtype).kind == "i"), said.pixel_representation
    yield from _scaling(m, fact, said)
    yield m.slice_thickness_mm, said.slice_thickness_mm
    yield m.spacing_between_slices_mm, said.spacing_between_slices_mm
    yield from (_frame if m.frame_number is not None else _single)(m, fact, said)
    if fact.mosaic is not None:
        yield fact.mosaic.n_tiles, said.tiles


def _scaling(m: InstanceFeatures, fact: PixelFacts, said: DeliveredFacts) -> Iterator[_Pair]:
    i = (m.frame_number or 1) - 1
    slope = said.frame_slopes[i] if i < len(said.frame_slopes) else said.rescale_slope
    has_own = i < len(said.frame_intercepts)
    intercept = said.frame_intercepts[i] if has_own else said.rescale_intercept
    if slope is None and said.real_world:
        # The converter takes the mapping where there is no rescale: never slope 1.
        yield None, said.real_world
    yield fact.slope, 1.0 if slope is None else slope
    yield fact.intercept, 0.0 if intercept is None else intercept
    yield fact.philips_slope, said.scale_slope


def _single(m: InstanceFeatures, fact: PixelFacts, said: DeliveredFacts) -> Iterator[_Pair]:
    yield m.position_lps, said.position_lps
    yield m.orientation_lps, said.orientation_lps
    yield m.pixel_spacing_mm, said.pixel_spacing_mm
    yield m.echo_time_ms, said.echo_time_ms
    yield m.trigger_time_ms, said.trigger_time_ms
    yield m.temporal_position, said.temporal_position
    yield m.b_value or 0.0, said.b_value or 0.0
    yield _direction(m, fact.gradient_lps), _direction(m, said.gradient)


def _frame(m: InstanceFeatures, fact: PixelFacts, said: DeliveredFacts) -> Iterator[_Pair]:
    i = (m.frame_number or 1) - 1
    columns: tuple[tuple[Sequence[float], Sequence[float], int], ...] = (
        (m.position_lps, said.frame_positions_lps, 3),
        (m.orientation_lps, said.frame_orientations_lps, 6),
        (m.pixel_spacing_mm, said.frame_pixel_spacings_mm, 2),
        (fact.gradient_lps, said.frame_gradients_lps, 3),
    )
    for own, column, size in columns:
        yield own, column[i * size : (i + 1) * size]
    echo = said.frame_echo_times_ms
    yield m.echo_time_ms, echo[i] if i < len(echo) else said.echo_time_ms
    b_values = said.frame_b_values
    yield m.b_value or 0.0, (b_values[i] if i < len(b_values) else said.b_value) or 0.0


def _direction(m: InstanceFeatures, direction: Sequence[float]) -> Sequence[float] | None:
    if len(direction) != 3 or not any(direction):
        return None
    return None if m.manufacturer in _OWN_FRAME else direction


def _same(own: object, said: object) -> bool:
    """Return whether a value is what was delivered; what was not delivered decides nothing."""
    if said is None or said == ():
        return True
    if isinstance(said, tuple):
        return (
            isinstance(own, tuple)
            and len(own) == len(said)
            and all(_same(a, b) for a, b in zip(own, said, strict=True))
        )
    if not isinstance(own, int | float) or not isinstance(said, int | float):
        return False
    return math.isclose(own, said, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
