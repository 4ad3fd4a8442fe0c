"""Exports that give every slice a series UID of its own: found by geometry, joined again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from schemas.dicom.features import InstanceFeatures

#: So many single-slice series of one number and orientation are a torn stack.
TORN_SLICES = 3


def find_torn(series: Mapping[str, Sequence[InstanceFeatures]]) -> list[list[str]]:
    """Return groups of series that are single slices of one stack, torn apart by their UIDs.

    Parameters
    ----------
    series : mapping of SeriesInstanceUID to its instances
        Of all that is looked at together.

    Returns
    -------
    list of list of str
        Series UIDs, sorted; each group has at least `TORN_SLICES` at different positions of
        one study, series number, frame of reference, matrix and orientation; number and frame
        of reference may be empty, or the frame of reference another for every slice.
    """
    singles = {uid: members[0] for uid, members in series.items() if _is_placed_single(members)}
    torn = _torn(singles, lambda m: m.frame_of_reference_uid)
    left = {uid: m for uid, m in singles.items() if all(uid not in group for group in torn)}
    # An export that makes up every UID anew has a frame of reference per slice, too.
    torn += _torn(left, lambda _: None)
    return sorted(torn)


def _is_placed_single(members: Sequence[InstanceFeatures]) -> bool:
    m = members[0]
    placed = len(m.position_lps) == 3 and len(m.orientation_lps) == 6
    return len(members) == 1 and placed and m.study_uid is not None


def _torn(
    singles: Mapping[str, InstanceFeatures], space: Callable[[InstanceFeatures], str | None]
) -> list[list[str]]:
    stacks: dict[tuple[object, ...], dict[str, tuple[float, ...]]] = {}
    for uid, m in singles.items():
        place = (m.study_uid, m.series_number, space(m), m.rows, m.columns)
        axes = tuple(round(value, 3) for value in m.orientation_lps)
        stacks.setdefault((*place, *axes, m.modality, m.subject_id), {})[uid] = m.position_lps
    return [sorted(found) for found in stacks.values() if len(set(found.values())) >= TORN_SLICES]


def filed_instances(instances: Sequence[InstanceFeatures]) -> list[InstanceFeatures]:
    """Return the instances with the series UID that their stack is filed under."""
    series: dict[str, list[InstanceFeatures]] = defaultdict(list)
    for member in instances:
        if member.series_uid is not None:
            series[member.series_uid].append(member)
    filed = {uid: first for first, *others in find_torn(series) for uid in others}
    return [
        replace(member, series_uid=filed[uid]) if (uid := member.series_uid) in filed else member
        for member in instances
    ]


def join_torn(
    series: Mapping[str, list[InstanceFeatures]],
) -> dict[str, list[InstanceFeatures]]:
    """Return the series with torn ones joined under the smallest UID of each group.

    Members keep the series UID they came with, which is how a joined stack is told later.
    """
    joined = dict(series)
    for first, *others in find_torn(series):
        joined[first] = [*joined[first], *(m for uid in others for m in joined.pop(uid))]
    return {uid: joined[uid] for uid in sorted(joined)}
