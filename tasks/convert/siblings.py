"""Phases of one exam against each other: one that ends before its siblings is remarked on.

A first or last slice that is missing leaves no trace in its own series. Where several series
of a study cover the same places, one that lacks a few of them at an end may have lost them. It
may also have been planned so: a remark, no fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import SubStack, has_geometry, slice_normal
from schemas.records import VolumeRecord
from tasks.convert.codes import Code, ConversionVerdict

#: So many equal siblings make a planned extent.
_MIN_SIBLINGS = 2
#: A stack that lacks more of it was planned otherwise; one slice at each end may be lost.
_MAX_LACKING, _MAX_LACKING_SLICES = 0.1, 2
_MIN_SLICES = 8
_Key = tuple[str, str]


def remark_on_siblings(
    stacks: Iterable[SubStack], records: Sequence[VolumeRecord]
) -> list[VolumeRecord]:
    """Return the records, with ENDS_BEFORE_SIBLINGS where a stack is shorter than its siblings.

    Parameters
    ----------
    stacks : iterable of SubStack
        Of any number of studies.
    records : sequence of VolumeRecord
        What became of them. Only published ones are compared.
    """
    published = {_key(r) for r in records if r.verdict != ConversionVerdict.QUARANTINE}
    families: dict[object, list[SubStack]] = {}
    for stack in stacks:
        if (stack.series_uid, stack.digest) in published and _is_comparable(stack):
            families.setdefault(_family(stack.members[0]), []).append(stack)
    short: dict[_Key, tuple[str, ...]] = {}
    for family in families.values():
        short |= _short_ones(family)
    return [_with_remark(r, short) for r in records]


def _key(record: VolumeRecord) -> _Key:
    return record.series_uid, record.sub_stack_digest


def _is_comparable(stack: SubStack) -> bool:
    members = stack.members
    return len(members) >= _MIN_SLICES and all(map(has_geometry, members))


def _family(m: InstanceFeatures) -> object:
    """Return what phases of one exam have in common."""
    return (
        *(m.study_uid, m.frame_of_reference_uid, m.modality, m.rows, m.columns, m.image_type),
        *(m.echo_time_ms, m.scanning_sequence, m.slice_thickness_mm),
        tuple(round(value, 3) for value in (*m.pixel_spacing_mm, *m.orientation_lps)),
    )


def _short_ones(family: Sequence[SubStack]) -> dict[_Key, tuple[str, ...]]:
    extents = [_places(stack.members) for stack in family]
    whole, n_equal = Counter(map(frozenset, extents)).most_common(1)[0]
    if n_equal < _MIN_SIBLINGS:
        return {}
    first, last = min(whole), max(whole)
    short: dict[_Key, tuple[str, ...]] = {}
    for stack, places in zip(family, extents, strict=True):
        inside = [place for place in whole if min(places) < place < max(places)]
        lacking = whole - set(places)
        at_ends = lacking and set(places) < whole and lacking.isdisjoint(inside)
        if at_ends and len(lacking) <= max(_MAX_LACKING_SLICES, _MAX_LACKING * len(whole)):
            ends = [places.index(min(places))] if min(places) > first else []
            ends += [places.index(max(places))] if max(places) < last else []
            named = tuple(stack.members[i].sop_uid or "" for i in ends)
            short[stack.series_uid, stack.digest] = named
    return short


def _places(members: Sequence[InstanceFeatures]) -> list[int]:
    """Return where each slice lies along the normal, in tenths of a millimetre."""
    normal = slice_normal(members[0].orientation_lps)
    if normal is None:
        raise ValueError("no valid orientation")
    along = np.asarray([m.position_lps for m in members], dtype=np.float64) @ normal
    return [int(place) for place in np.rint(10.0 * along)]


def _with_remark(record: VolumeRecord, short: Mapping[_Key, tuple[str, ...]]) -> VolumeRecord:
    named = short.get(_key(record))
    if named is None:
        return record
    return replace(
        record,
        codes=tuple(sorted({*record.codes, Code.ENDS_BEFORE_SIBLINGS.value})),
        instances_at_fault=tuple(sorted({*record.instances_at_fault, *named})),
    )
