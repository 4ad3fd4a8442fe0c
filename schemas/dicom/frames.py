"""Frames of a multi-frame object as instances of their own, so that one rule serves both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.dicom.features import InstanceFeatures

_COLUMNS = (
    "frame_positions_lps",
    "frame_orientations_lps",
    "frame_pixel_spacings_mm",
    "frame_types",
    "frame_echo_times_ms",
    "frame_b_values",
    "frame_trigger_times_ms",
    "frame_times_s",
    "frame_temporal_positions",
    "frame_acquisition_numbers",
)
_NO_COLUMNS: dict[str, Any] = dict.fromkeys(_COLUMNS, ())
_TARGETS = {
    "frame_echo_times_ms": "echo_time_ms",
    "frame_b_values": "b_value",
    "frame_trigger_times_ms": "trigger_time_ms",
    "frame_times_s": "acquisition_time_s",
    "frame_temporal_positions": "temporal_position",
    "frame_acquisition_numbers": "acquisition_number",
}


def member_key(m: InstanceFeatures) -> str:
    """Return what names a member of a sub-stack: the SOPInstanceUID, of a frame `UID#number`."""
    uid = m.sop_uid or ""
    return uid if m.frame_number is None else f"{uid}#{m.frame_number}"


def is_unsplit_multi_frame(m: InstanceFeatures) -> bool:
    """Return whether an object of several frames or tiles does not say where each one lies."""
    several = (m.number_of_frames or 1) > 1 or m.grid_across is not None
    return m.frame_number is None and several


def expand_frames(instance: InstanceFeatures) -> list[InstanceFeatures]:
    """Return one record per frame; an ordinary instance, or a frame, is returned as it is.

    Parameters
    ----------
    instance : InstanceFeatures
        As harvested. Frames need a position and an orientation each; without them the
        object stays whole and has no known geometry.

    Returns
    -------
    list of InstanceFeatures
        Frames count from 1 (`frame_number`), in the order they are stored. A tile of a grid
        has the rows and columns of one tile; a grid that tiles do not fill stays whole.

    Notes
    -----
    DICOM PS3.3 C.7.6.16.2, functional group macros. A grid is as wide as the square root of
    the number of its tiles, rounded up, and no higher than it must be: 20 tiles lie in 4
    rows of 5 (UIH, measured on the public set dcm_qa_uih).
    """
    n = len(instance.frame_positions_lps) // 3
    if n == 0 or len(instance.frame_orientations_lps) != 6 * n:
        return [instance]
    across = instance.grid_across or 1
    down = 1 if instance.grid_across is None else math.ceil(n / across)
    rows, columns = instance.rows or 0, instance.columns or 0
    if rows % down or columns % across:
        return [instance]
    whole: dict[str, Any] = {
        **_NO_COLUMNS,
        "rows": None if instance.rows is None else rows // down,
        "columns": None if instance.columns is None else columns // across,
    }
    base = replace(instance, **whole)
    return [replace(base, **_frame_values(instance, i)) for i in range(n)]


def _frame_values(m: InstanceFeatures, i: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "frame_number": i + 1,
        "position_lps": _part(m.frame_positions_lps, i, 3),
        "orientation_lps": _part(m.frame_orientations_lps, i, 6),
    }
    if m.frame_pixel_spacings_mm:
        values["pixel_spacing_mm"] = _part(m.frame_pixel_spacings_mm, i, 2)
    if m.frame_types:
        values["image_type"] = tuple(m.frame_types[i].split("\\"))
    for column, target in _TARGETS.items():
        found = getattr(m, column)
        if found:
            values[target] = found[i]
    return values


def _part(flat: Sequence[float], i: int, size: int) -> tuple[float, ...]:
    return tuple(flat[i * size : (i + 1) * size])
