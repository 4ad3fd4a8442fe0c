"""Exports that give every slice a series UID of its own: found by geometry, joined again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
        one study, series number, frame of reference, matrix and orientation.
    """
    stacks: dict[tuple[object, ...], dict[str, tuple[float, ...]]] = {}
    for uid, members in series.items():
        m = members[0]
        placed = len(m.position_lps) == 3 and len(m.orientation_lps) == 6
        if len(members) == 1 and placed and None not in (m.study_uid, m.series_number):
            place = (m.study_uid, m.series_number, m.frame_of_reference_uid, m.rows, m.columns)
            axes = tuple(round(value, 3) for value in m.orientation_lps)
            kind = (m.modality, m.subject_id)
            stacks.setdefault((*place, *axes, *kind), {})[uid] = m.position_lps
    torn = [sorted(found) for found in stacks.values() if len(set(found.values())) >= TORN_SLICES]
    return sorted(torn)


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
