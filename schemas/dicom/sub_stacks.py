"""Sub-stacks: the parts of a series that can each be one volume.

A DICOM series may hold several matrices, orientations, echoes, image types and contrast
phases. Conversion and labelling both need the same parts, so the rule stands here once.
Nothing depends on the order of the input.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import expand_frames, is_unsplit_multi_frame, member_key
from schemas.dicom.orientations import unit_normal
from schemas.dicom.phases import Part, split_phases, split_physics
from schemas.dicom.torn_series import TORN_SLICES, join_torn
from schemas.identifiers import SubStackDigest

FloatArray = NDArray[np.float64]

#: Orientations that differ by less belong together; header noise is 1000 times smaller.
ORIENTATION_TOLERANCE_DEG = 0.1
#: Positions closer than this along the normal are one position; thinnest slices are 0.4 mm.
SAME_POSITION_MM = 0.05


@dataclass(frozen=True)
class SubStack:
    """One part of a series: a 3D stack, or a 4D diffusion or EPI time series.

    `members` are in slice order (along the slice normal, see `slice_normal`); those of one
    position follow by temporal position, instance number and UID. `split_by` names what
    told this part from the others of its series, in the order it was asked.
    """

    series_uid: str
    digest: SubStackDigest
    members: tuple[InstanceFeatures, ...]
    split_by: tuple[str, ...] = ()

    @property
    def is_four_dimensional(self) -> bool:
        """Whether the positions repeat on purpose: diffusion, EPI time series, mosaic."""
        return is_four_dimensional(self.members)


def group_by_series(instances: Iterable[InstanceFeatures]) -> dict[str, list[InstanceFeatures]]:
    """Return instances by SeriesInstanceUID, sorted; one without a series UID is left out.

    Slices of one stack that each carry a series UID of their own are joined under the
    smallest (`schemas.dicom.torn_series`); they keep the UID they came with.
    """
    groups: dict[str, list[InstanceFeatures]] = {}
    for instance in instances:
        if instance.series_uid:
            groups.setdefault(instance.series_uid, []).append(instance)
    return {uid: sorted(found, key=_tie_order) for uid, found in join_torn(groups).items()}


def sub_stack_digest(members: Iterable[str]) -> SubStackDigest:
    """Return the first 16 hex digits of the SHA-256 over the sorted names, one a line.

    A name is a SOPInstanceUID, or that of a frame (`schemas.dicom.frames.member_key`).
    """
    text = "\n".join(sorted(members))
    return SubStackDigest(hashlib.sha256(text.encode()).hexdigest()[:16])


def split_series(instances: Sequence[InstanceFeatures]) -> list[SubStack]:
    """Split one series into sub-stacks, sorted by digest order of their first slice.

    Every instance, and every frame of a multi-frame one, ends in exactly one sub-stack.
    Positions decide what a phase is: where no position repeats, a changing acquisition number
    (table stations of a helical CT) or acquisition time splits nothing. Volumes that nothing
    tells apart stay together (`schemas.dicom.phases`).

    Parameters
    ----------
    instances : sequence of InstanceFeatures
        All instances of one SeriesInstanceUID, in any order.

    Returns
    -------
    list of SubStack
        In order of the smallest (temporal position, instance number, UID) in each.
    """
    parts: list[tuple[list[InstanceFeatures], tuple[str, ...]]]
    members = [frame for instance in instances for frame in expand_frames(instance)]
    parts = [(sorted(members, key=_tie_order), ())] if members else []
    for name, split in _STEPS:
        parts = [
            (piece, (*names, name) if len(pieces) > 1 else names)
            for members, names in parts
            for pieces in [split(members)]
            for piece in pieces
        ]
    whole: list[tuple[list[InstanceFeatures], tuple[str, ...]]] = []
    for members, names in parts:
        whole += [(part, (*names, *told)) for told, part in _split_phases(members)]
    whole.sort(key=lambda part: min(map(_tie_order, part[0])))
    return [_sub_stack(members, names) for members, names in whole]


def is_four_dimensional(members: Sequence[InstanceFeatures]) -> bool:
    """Return whether repeated positions are the volumes of one diffusion or EPI series."""
    return any(
        "MOSAIC" in m.image_type
        or any(code.startswith("EP") for code in m.scanning_sequence)
        or (m.b_value or 0.0) > 0.0
        for m in members
    )


def slice_normal(orientation_lps: Sequence[float]) -> FloatArray | None:
    """Return the unit normal (row direction x column direction), DICOM LPS, or None.

    None when the six numbers are not two perpendicular unit vectors.

    Notes
    -----
    DICOM PS3.3 C.7.6.2.1.1, Image Position and Image Orientation.
    """
    return unit_normal(tuple(orientation_lps))


def has_geometry(instance: InstanceFeatures) -> bool:
    """Return whether the instance says where its plane lies."""
    return len(instance.position_lps) == 3 and slice_normal(instance.orientation_lps) is not None


def slice_positions_mm(members: Sequence[InstanceFeatures]) -> FloatArray:
    """Return where each member lies along the common slice normal.

    Parameters
    ----------
    members : sequence of InstanceFeatures, length n
        Instances of one orientation, each with `has_geometry`.

    Returns
    -------
    float array, shape (n,)
        ImagePositionPatient projected on the normal of the first orientation in sorted
        order, in mm, DICOM LPS; in the order of `members`.

    Raises
    ------
    ValueError
        If a member has no geometry.

    Notes
    -----
    DICOM PS3.3 C.7.6.2.1.1, Image Position and Image Orientation.
    """
    if not members:
        return np.empty(0, dtype=np.float64)
    normal = slice_normal(min(m.orientation_lps for m in members))
    if normal is None or any(len(m.position_lps) != 3 for m in members):
        raise ValueError("a member has no position or orientation")
    return np.asarray([m.position_lps for m in members], dtype=np.float64) @ normal


def distinct_positions(positions_mm: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the distinct positions, ascending, and for each input which one it is.

    Parameters
    ----------
    positions_mm : float array, shape (n,)
        Positions along the slice normal, in mm.

    Returns
    -------
    distinct_mm : float array, shape (m,)
        Mean of each cluster of positions closer than `SAME_POSITION_MM` to the next.
    index : int array, shape (n,)
        Into `distinct_mm`.
    """
    if positions_mm.size == 0:
        return positions_mm, np.empty(0, dtype=np.intp)
    order = np.argsort(positions_mm, kind="stable")
    new = np.diff(positions_mm[order]) > SAME_POSITION_MM
    cluster = np.concatenate([[0], np.cumsum(new)]).astype(np.intp)
    index = np.empty_like(cluster)
    index[order] = cluster
    sums = np.bincount(index, weights=positions_mm)
    return sums / np.bincount(index), index


def _sub_stack(members: list[InstanceFeatures], names: tuple[str, ...]) -> SubStack:
    if all(map(has_geometry, members)):
        _, index = distinct_positions(slice_positions_mm(members))
        order = sorted(range(len(members)), key=lambda i: (index[i], _tie_order(members[i])))
        members = [members[i] for i in order]
    digest = sub_stack_digest(map(member_key, members))
    series_uid = min(m.series_uid or "" for m in members)
    return SubStack(series_uid, digest, tuple(members), names)


_Key = Callable[[InstanceFeatures], object]
_Split = Callable[[list[InstanceFeatures]], list[list[InstanceFeatures]]]


def _rank(value: float | None) -> tuple[bool, float]:
    return (value is None, value if value is not None else 0.0)


def _tie_order(m: InstanceFeatures) -> tuple[object, ...]:
    order = (_rank(m.temporal_position), _rank(m.instance_number))
    return (*order, m.sop_uid or "", m.frame_number or 0)


def _split_by(key: _Key) -> _Split:
    def split(members: list[InstanceFeatures]) -> list[list[InstanceFeatures]]:
        groups: dict[object, list[InstanceFeatures]] = {}
        for member in members:
            groups.setdefault(key(member), []).append(member)
        return list(groups.values())

    return split


def _multi_frame(m: InstanceFeatures) -> object:
    # Without functional groups nobody knows where its planes lie: it is a stack of its own.
    # Frames of an enhanced object and classic slices of one series are two copies of it.
    is_frame = m.frame_number is not None and m.grid_across is None
    return (m.sop_uid, True) if is_unsplit_multi_frame(m) else (None, is_frame)


def _split_frame_of_reference(
    members: list[InstanceFeatures],
) -> list[list[InstanceFeatures]]:
    """Split by FrameOfReferenceUID: only slices of one share a space (PS3.3 C.7.4.1).

    Where every slice has one of its own they stay together, for the plan to set aside.
    """
    groups = _split_by(lambda m: m.frame_of_reference_uid)(members)
    each_its_own = len(groups) >= TORN_SLICES and len(groups) == len(members)
    return [members] if each_its_own else groups


def _matrix(m: InstanceFeatures) -> object:
    spacing = tuple(round(value, 4) for value in m.pixel_spacing_mm)
    return (m.rows, m.columns, m.samples_per_pixel, m.bits_allocated, spacing)


def _echo_time(m: InstanceFeatures) -> object:
    return None if m.echo_time_ms is None else round(m.echo_time_ms, 2)


def _split_image_type(members: list[InstanceFeatures]) -> list[list[InstanceFeatures]]:
    # A trace-weighted volume is DERIVED while its b=0 volume is ORIGINAL: in diffusion the
    # first two values do not tell volumes apart, the kind of map (ADC, FA, TRACEW) does.
    same_in_diffusion = {"ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "DIFFUSION", "NONE"}
    four_dimensional = is_four_dimensional(members)

    def key(m: InstanceFeatures) -> object:
        if not four_dimensional:
            return m.image_type
        return tuple(value for value in m.image_type if value not in same_in_diffusion)

    return _split_by(key)(members)


def _split_orientation(members: list[InstanceFeatures]) -> list[list[InstanceFeatures]]:
    limit = 2.0 * math.sin(math.radians(ORIENTATION_TOLERANCE_DEG) / 2.0)
    leaders = np.empty((0, 6), dtype=np.float64)
    group_of: dict[tuple[float, ...], int] = {}
    for orientation in sorted({m.orientation_lps for m in members if has_geometry(m)}):
        chords = np.linalg.norm((leaders - np.asarray(orientation)).reshape(-1, 2, 3), axis=2)
        near = np.flatnonzero((chords <= limit).all(axis=1))
        if near.size == 0:
            group_of[orientation] = len(leaders)
            leaders = np.vstack([leaders, orientation])
        else:
            group_of[orientation] = int(near[0])
    return _split_by(lambda m: group_of[m.orientation_lps] if has_geometry(m) else None)(members)


_STEPS: tuple[tuple[str, _Split], ...] = (
    ("multi_frame", _split_by(_multi_frame)),
    ("frame_of_reference", _split_frame_of_reference),
    ("patient_position", _split_by(lambda m: m.patient_position)),
    ("matrix", _split_by(_matrix)),
    ("orientation", _split_orientation),
    ("image_type", _split_image_type),
    ("echo_time", _split_by(_echo_time)),
)


def _split_phases(members: list[InstanceFeatures]) -> list[Part]:
    if not all(map(has_geometry, members)):
        return [((), members)]
    position = distinct_positions(slice_positions_mm(members))[1].tolist()
    if not is_four_dimensional(members):
        return split_phases(members, position)
    # Volumes of a time series may differ in their physics (inversion times of an EPI); those
    # of a diffusion series are told by their b-values, which stay together.
    is_diffusion = any((m.b_value or 0.0) > 0.0 for m in members)
    return [((), members)] if is_diffusion else split_physics(members, position)
