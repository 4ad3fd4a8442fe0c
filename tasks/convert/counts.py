"""Instances that are missing at an end of a stack: geometry shows nothing, counts may.

Only what somebody stated is held against a series: the delivery's manifest, or the headers'
own ImagesInAcquisition and NumberOfSeriesRelatedInstances. Instance numbers that do not begin
at 1 or leave one out are a remark: scanners number freely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath

from schemas.dicom.features import InstanceFeatures
from tasks.convert.codes import REMARKS, Code
from tasks.convert.verdict import Fault, StackPlan


@dataclass(frozen=True)
class StatedCounts:
    """What a delivery says of one series.

    `n_absent` files of its folder, which holds no other series, are in the manifest and did
    not arrive; `absent_beside` says that such files are missing from a folder that it shares
    with other series, so that nobody knows whose they are. `n_instances` is the count of the
    whole series where somebody stated it.
    """

    n_instances: int | None = None
    n_absent: int = 0
    absent_beside: bool = False


NOTHING_STATED = StatedCounts()
_LOSSES = frozenset({Code.MISSING_SLICE, Code.UNEQUAL_PHASES})


def counts_from_manifest(
    absent_paths: Iterable[str], series_of_path: Mapping[str, str | None]
) -> dict[str, StatedCounts]:
    """Return what absent files say of each series that has files beside them.

    Parameters
    ----------
    absent_paths : iterable of str
        Paths of the manifest that did not arrive.
    series_of_path : mapping of str to str or None
        SeriesInstanceUID of each path that did, None where it is unknown.
    """
    folders: dict[str, set[str]] = {}
    for path, series_uid in series_of_path.items():
        if series_uid:
            folders.setdefault(_folder(path), set()).add(series_uid)
    absent = Counter(_folder(path) for path in absent_paths)
    found: dict[str, StatedCounts] = {}
    for folder, n_absent in sorted(absent.items()):
        for series_uid in sorted(folders.get(folder, ())):
            before = found.get(series_uid, NOTHING_STATED)
            if len(folders[folder]) == 1:
                found[series_uid] = replace(before, n_absent=before.n_absent + n_absent)
            else:
                found[series_uid] = replace(before, absent_beside=True)
    return found


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def check_counts(plans: Sequence[StackPlan], stated: StatedCounts) -> list[StackPlan]:
    """Return the plans of one series with what the counts say of them.

    Parameters
    ----------
    plans : sequence of StackPlan
        All parts of one series.
    stated : StatedCounts
    """
    whole = _series_fault(plans, stated)
    if whole is not None:
        # When a part already shows a loss the others need not pay for it.
        suspects = [p for p in plans if _LOSSES & {f.code for f in p.faults}] or list(plans)
        return [_with(p, whole) if p in suspects else p for p in plans]
    return [_with(p, *_remarks(p, stated, alone=len(plans) == 1)) for p in plans]


def _with(plan: StackPlan, *faults: Fault) -> StackPlan:
    return replace(plan, faults=(*plan.faults, *faults))


def _series_fault(plans: Sequence[StackPlan], stated: StatedCounts) -> Fault | None:
    members = list({m.sop_uid: m for p in plans for m in p.stack.members}.values())
    expected = stated.n_instances
    if stated.n_absent or expected not in (None, len(members)):
        return Fault(Code.COUNT_VS_MANIFEST)
    return Fault(Code.COUNT_VS_HEADER) if _fewer_than_headers_say(members) else None


def _fewer_than_headers_say(members: Sequence[InstanceFeatures]) -> bool:
    """Return whether the headers agree on a count and fewer instances are there.

    ImagesInAcquisition (0020,1002) is written for a series, an acquisition or a time point,
    as the vendor likes: more instances than that say nothing, fewer always do. Derived images
    may have copied it from their source.
    """
    stated = {m.series_instances for m in members}
    if all("ORIGINAL" in m.image_type for m in members):
        acquired = {m.images_in_acquisition for m in members}
        stated |= acquired if len(acquired) == 1 else set()
    return any(count is not None and len(members) < count for count in stated)


def _remarks(plan: StackPlan, stated: StatedCounts, *, alone: bool) -> list[Fault]:
    if not {fault.code for fault in plan.faults} <= REMARKS:
        return []
    odd = _odd_numbers(plan.stack.members, alone=alone)
    remarks = [Fault(Code.INSTANCE_NUMBERS_INCOMPLETE, odd)] if odd else []
    if stated.absent_beside:
        remarks.append(Fault(Code.FILES_ABSENT_BESIDE))
    return remarks


def _odd_numbers(members: Iterable[InstanceFeatures], *, alone: bool) -> tuple[str, ...]:
    """Return the instances before which a number is left out.

    Phases that take turns count in even steps. Only the one part of a series must begin at 1.
    """
    numbered = sorted(
        {
            (m.instance_number, m.sop_uid or "")
            for m in members
            if m.instance_number is not None and m.frame_number is None
        }
    )
    numbers = [number for number, _ in numbered]
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        return ()
    steps = [after - before for before, after in pairwise(numbers)]
    usual = min(steps)
    odd = [uid for step, (_, uid) in zip(steps, numbered[1:], strict=True) if step != usual]
    first = [numbered[0][1]] if alone and numbers[0] > 1 else []
    return tuple(sorted([*first, *odd]))
