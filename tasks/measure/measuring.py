"""All that is measured of the volumes of one exam; each volume is read once. Pure.

What a volume shows is measured when it comes by; of passes, and of fat and water, only small
pictures are kept until their partners have come by too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from schemas.measurements import Measurement, NoValue
from tasks.measure import contrasts, coverage, encoding, noise, passes, slices
from tasks.measure.catalogue import load_catalogue
from tasks.measure.exams import MeasuredPart, partner_of
from tasks.measure.result import Measured, finite, none
from tasks.measure.volume import Grid, Volume, coarse_grid, expect_grid
from tasks.measure.voxels import Asked

#: Levels of vessels and liver in one pass: evidence, not a quality; the release makes metrics of
#: them. Raise the version with any change of `tasks.measure.passes` or `vessels`.
AORTA, PORTAL, LIVER, LEVELS_VERSION = "aorta_level", "portal_level", "liver_level", 2
_LEVELS = (AORTA, PORTAL, LIVER)
#: More passes than these are a perfusion series: nothing of it is a pass of the dynamic.
_MOST_PASSES = 16
_DIGITS = 4
#: Metrics that the release makes, of several volumes or of geometry alone.
_AT_RELEASE = frozenset(
    {"z_shortfall", "arterial_liver_share", "hbp_liver_vessel_ratio", "liver_lower_margin"}
)


@dataclass
class _Kept:
    passes: dict[str, Grid] = field(default_factory=dict)
    dixon: dict[str, Volume] = field(default_factory=dict)


def measure_exam(
    parts: Sequence[MeasuredPart], read: Callable[[MeasuredPart], Volume]
) -> list[Measurement]:
    """Return the measurements of every volume of one exam.

    A volume that cannot be measured gives rows that say so; it never costs another's.

    Parameters
    ----------
    parts : sequence of MeasuredPart
        The volumes of one study.
    read : callable
        Reads a volume; raises where it cannot.
    """
    kept, found = _Kept(), list[Measurement]()
    for part in parts:
        try:
            values = _of_volume(part, read(part), parts, kept)
        except Exception:
            # Whatever it is, a measurement decides nothing: it may not cost a night.
            values = {name: none(NoValue.FAILED) for name in _names(part)}
        found += _rows(part, values)
    found += _of_dixon(parts, kept.dixon)
    found += _of_passes(parts, kept.passes)
    return found


def failed(parts: Iterable[MeasuredPart]) -> list[Measurement]:
    """Return the measurements of an exam whose worker was lost: none, and why."""
    return [
        row
        for part in parts
        for row in _rows(part, {name: none(NoValue.FAILED) for name in _names(part)})
    ]


def _names(part: MeasuredPart) -> list[str]:
    """Return the metrics of a single volume of this modality."""
    names = [
        metric.name
        for metric in load_catalogue().metrics
        if part.modality in metric.modalities and metric.name not in _AT_RELEASE
    ]
    left_out = {"ring_water_share"} | (set() if len(part.b_values) > 1 else {"dwi_rise"})
    return [name for name in names if name not in left_out]


def _of_volume(
    part: MeasuredPart, volume: Volume, parts: Sequence[MeasuredPart], kept: _Kept
) -> dict[str, Measured]:
    volume.voxels.expect(_asked(part, volume, parts))
    values = {
        "repeated_slices": slices.repeated_slices(volume),
        "slice_correlation_dip": slices.slice_correlation_dip(volume),
    }
    grid = coarse_grid(volume, passes.STEP_MM) if volume.is_axial else None
    if part.modality == "CT":
        values["ct_noise"] = noise.ct_noise(volume)
        of_grid = {"top_lung_share": coverage.top_lung_share, "body_cut": coverage.body_cut_mm}
        for name, metric in of_grid.items():
            values[name] = none(NoValue.NOT_AXIAL) if grid is None else metric(grid)
    elif part.modality == "MR":
        values["ghost_ratio"] = encoding.ghost_ratio(volume)
        values["phase_edge_signal"] = encoding.phase_edge_signal(volume)
        if len(part.b_values) > 1:
            values["dwi_rise"] = contrasts.dwi_rise(volume, part.b_values)
    if part.is_pass and grid is not None:
        kept.passes[part.digest] = grid
    if _may_be_swapped(part, parts):
        kept.dixon[part.digest] = volume
    return values


def _asked(part: MeasuredPart, volume: Volume, parts: Sequence[MeasuredPart]) -> Asked:
    """Return what of the voxels `_of_volume`, and its partner later, will ask for."""
    asked = Asked()
    slices.expect(asked, volume)
    if volume.is_axial:
        expect_grid(asked, volume, passes.STEP_MM)
    if part.modality == "CT" and volume.is_axial:
        noise.expect(asked, volume)
    if part.modality == "MR":
        encoding.expect(asked, volume)
        if len(part.b_values) > 1:
            contrasts.expect_dwi(asked, volume)
    if _may_be_swapped(part, parts):
        contrasts.expect_ring(asked, volume)
    return asked


def _may_be_swapped(part: MeasuredPart, parts: Sequence[MeasuredPart]) -> bool:
    """Return whether a part is fat or water of an exam that has fat."""
    return bool(part.dixon) and any(p.dixon == "fat" for p in parts)


def _of_dixon(
    parts: Sequence[MeasuredPart], volumes: Mapping[str, Volume]
) -> Iterator[Measurement]:
    for part in parts:
        if part.dixon == "fat" and part.digest in volumes:
            water = partner_of(part, parts)
            if water is None or water.digest not in volumes:
                value = none(NoValue.NO_PARTNER)
            else:
                value = _or_failed(
                    partial(contrasts.ring_water_share, volumes[water.digest], volumes[part.digest])
                )
            yield from _rows(part, {"ring_water_share": value})


def _of_passes(parts: Sequence[MeasuredPart], grids: Mapping[str, Grid]) -> Iterator[Measurement]:
    groups: dict[tuple[str | None, str], list[MeasuredPart]] = {}
    for part in parts:
        if part.digest in grids:
            # Without a frame of reference positions compare with no other pass's.
            frame = part.frame_of_reference or part.digest
            groups.setdefault((part.modality, frame), []).append(part)
    for (modality, _), group in groups.items():
        levels: list[passes.PassLevels] | NoValue = NoValue.NOT_MEASURED
        if len(group) <= _MOST_PASSES:
            levels = _levels([grids[part.digest] for part in group], is_ct=modality == "CT")
        for place, part in enumerate(group):
            if isinstance(levels, NoValue):
                yield from _rows(part, dict.fromkeys(_LEVELS, none(levels)))
            else:
                yield from _rows(part, _of_levels(levels[place]))


def _of_levels(one: passes.PassLevels) -> dict[str, Measured]:
    portal = none(NoValue.NO_VESSEL) if one.portal is None else Measured(one.portal)
    found = {AORTA: Measured(one.aorta), PORTAL: portal, LIVER: Measured(one.liver)}
    # One without the others is compared with nothing.
    whole = all(m.value is None or math.isfinite(m.value) for m in found.values())
    return found if whole else dict.fromkeys(_LEVELS, none(NoValue.FAILED))


def _or_failed(measure: Callable[[], Measured]) -> Measured:
    try:
        return measure()
    except Exception:  # as above
        return none(NoValue.FAILED)


def _levels(grids: Sequence[Grid], *, is_ct: bool) -> list[passes.PassLevels] | NoValue:
    try:
        return passes.levels_of_passes(grids, is_ct=is_ct)
    except Exception:  # as above
        return NoValue.FAILED


def _rows(part: MeasuredPart, values: Mapping[str, Measured]) -> Iterator[Measurement]:
    catalogue = load_catalogue()
    for name, measured in values.items():
        found = finite(measured)
        version = LEVELS_VERSION if name in _LEVELS else catalogue[name].version
        yield Measurement(
            subject_id=part.subject_id,
            study_uid=part.study_uid,
            series_uid=part.series_uid,
            sub_stack_digest=part.digest,
            metric=name,
            metric_version=version,
            value=None if found.value is None else round(found.value, _DIGITS),
            reason=found.reason.value if found.reason else None,
        )
