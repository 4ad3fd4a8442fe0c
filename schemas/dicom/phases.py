"""Volumes at the same positions: told apart by what differs between them, never by a guess.

Physics goes first (kernel, tube voltage, inversion time, flip angle), then what counts or
times the acquisitions, then the time of the content. Where nothing else differs, instance
numbers tell only if they run through one volume after the other, or strictly in turn at
each position: any other order fits several assignments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from schemas.dicom.features import InstanceFeatures

#: Without a header value that tells phases apart, so many positions must repeat.
PHASE_FRACTION = 0.5

Members = list[InstanceFeatures]
Positions = Sequence[int]
_Value = Callable[[InstanceFeatures], object]
_Number = Callable[[InstanceFeatures], float | None]
Part = tuple[tuple[str, ...], Members]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


_PHYSICS: tuple[tuple[str, _Value], ...] = (
    ("kernel", lambda m: m.convolution_kernel),
    ("tube_voltage", lambda m: _rounded(m.kvp)),
    ("inversion_time", lambda m: _rounded(m.inversion_time_ms)),
    ("flip_angle", lambda m: _rounded(m.flip_angle_deg)),
)
_TIMES: tuple[tuple[str, _Number], ...] = (
    ("temporal_position", lambda m: m.temporal_position),
    ("trigger_time", lambda m: m.trigger_time_ms),
    ("acquisition_number", lambda m: m.acquisition_number),
    ("acquisition_time", lambda m: m.acquisition_time_s),
    ("content_time", lambda m: m.content_time_s),
)
#: Constant in a volume of a time series or diffusion series, if it tells volumes apart.
_OF_VOLUME: tuple[_Value, ...] = (
    lambda m: m.b_value,
    *(key for _, key in _PHYSICS),
    *(key for _, key in _TIMES),
)


def split_phases(members: Members, position: Positions) -> list[Part]:
    """Split parts of one stack that lie at the same positions; with the names of what told.

    Parameters
    ----------
    members : list of InstanceFeatures
        In the order of (temporal position, instance number, UID).
    position : sequence of int, of the same length
        Which of the distinct positions each member lies at.
    """
    for name, key in _PHYSICS:
        groups = _split_by_value(members, position, key)
        if len(groups) > 1:
            return [
                ((name, *names), part)
                for group in groups
                for names, part in split_phases(
                    [members[i] for i in group], [position[i] for i in group]
                )
            ]
    names, parts = _split_by_time(members, position)
    return [(names, [members[i] for i in part]) for part in parts]


def split_physics(members: Members, position: Positions) -> list[Part]:
    """Split by physics alone: what is left may be a time series of four dimensions."""
    for name, key in _PHYSICS:
        groups = _split_by_value(members, position, key)
        if len(groups) > 1:
            return [((name,), [members[i] for i in group]) for group in groups]
    return [((), members)]


def _split_by_value(members: Members, position: Positions, key: _Value) -> list[list[int]]:
    """Group by a value where two of them meet at a position; elsewhere it splits nothing.

    Stations of a helical scan may differ in their tube voltage and are still one stack.
    """
    groups: dict[object, list[int]] = {}
    at: dict[int, set[object]] = {}
    for i, (member, place) in enumerate(zip(members, position, strict=True)):
        value = key(member)
        groups.setdefault(value, []).append(i)
        at.setdefault(place, set()).add(value)
    if all(len(values) == 1 for values in at.values()):
        return [list(range(len(members)))]
    return list(groups.values())


def _split_by_time(
    members: Members, position: Positions
) -> tuple[tuple[str, ...], list[list[int]]]:
    whole = [list(range(len(members)))]
    count = Counter(position)
    n_phases = max(count.values(), default=1)
    if n_phases == 1:
        return (), whole
    mostly_repeated = is_mostly_repeated(position)
    for name, key in _TIMES:
        groups = _phases_by([_rank(key(m)) for m in members], position)
        if len(groups) != n_phases:
            continue
        if mostly_repeated or median(map(len, groups)) > 1:
            return (name,), groups
    if not mostly_repeated:
        return (), whole
    phases = _by_repetition(position)
    even = len(set(count.values())) == 1
    if even and not _numbers_tell(members, position, phases):
        return (), whole
    return ("repeated_position",), phases


def is_mostly_repeated(position: Positions) -> bool:
    """Return whether so many positions are held twice that there is more than one volume."""
    count = Counter(position)
    return sum(n > 1 for n in count.values()) >= PHASE_FRACTION * len(count)


def _rank(value: float | None) -> tuple[bool, float]:
    return (value is None, value if value is not None else 0.0)


def _phases_by(keys: list[tuple[bool, float]], position: Positions) -> list[list[int]]:
    """Join what has one key, then neighbours in key order as long as no position repeats.

    The joining keeps table stations of one phase, and slices that each carry their own
    time, together. Empty when one key holds a position twice: then it tells no phases.
    """
    by_key: dict[tuple[bool, float], list[int]] = {}
    for i, key in enumerate(keys):
        by_key.setdefault(key, []).append(i)
    phases: list[list[int]] = []
    taken: set[int] = set()
    for key in sorted(by_key):
        places = {position[i] for i in by_key[key]}
        if len(places) < len(by_key[key]):
            return []
        if not phases or places & taken:
            phases.append([])
            taken = set()
        phases[-1] += by_key[key]
        taken |= places
    return phases


def _by_repetition(position: Positions) -> list[list[int]]:
    seen: Counter[int] = Counter()
    phases: list[list[int]] = [[] for _ in range(max(Counter(position).values()))]
    for i, place in enumerate(position):
        phases[seen[place]].append(i)
        seen[place] += 1
    return phases


def volumes_told_apart(members: Sequence[InstanceFeatures], position: Positions) -> bool:
    """Return whether headers say which slices of repeated positions are one volume.

    Parameters
    ----------
    members : sequence of InstanceFeatures
        A stack of four dimensions in the order of `SubStack.members`; every position is held
        equally often.
    position : sequence of int
    """
    phases = _by_repetition(position)
    values = [[{key(members[i]) for i in phase} for phase in phases] for key in _OF_VOLUME]
    # A value that changes within a volume, as the time of each slice does, names none.
    constant = [column for column in values if all(len(found) == 1 for found in column)]
    alike: dict[tuple[object, ...], list[list[int]]] = {}
    for v, phase in enumerate(phases):
        alike.setdefault(tuple(next(iter(column[v])) for column in constant), []).append(phase)
    return all(_numbers_tell(members, position, group) for group in alike.values())


def _numbers_tell(
    members: Sequence[InstanceFeatures], position: Positions, phases: Sequence[list[int]]
) -> bool:
    """Return whether numbers run volume by volume, or in turn at each position.

    Parameters
    ----------
    members, position : sequences
    phases : sequence of list of int
        Members of each volume; all cover the same positions, at each of which the numbers
        ascend from one volume to the next.
    """
    if len(phases) < 2:
        return True
    places = _places_in_count([members[i] for phase in phases for i in phase])
    if places is None:
        return False
    extent = len(phases[0])
    counted = np.asarray(places, dtype=np.int64).reshape(len(phases), extent)
    by_position = [np.argsort([position[i] for i in phase], kind="stable") for phase in phases]
    numbers = np.take_along_axis(counted, np.asarray(by_position), axis=1)
    for v in range(len(phases) - 1):
        own, later = numbers[v], numbers[v + 1 :]
        in_blocks = own.max() < later.min(axis=1)
        order = np.argsort(own)
        in_turn = (later[:, order][:, :-1] < own[order][1:]).all(axis=1)
        if not (in_blocks | in_turn).all():
            return False
    return True


def _places_in_count(members: Sequence[InstanceFeatures]) -> list[int] | None:
    """Return the place of each in the count of instances and frames; None without a count."""
    numbers = {m.sop_uid: m.instance_number for m in members}
    counted = set(numbers.values())
    if len(numbers) > 1 and (None in counted or len(counted) < len(numbers)):
        return None
    keys = [(m.instance_number or 0, m.frame_number or 0) for m in members]
    place = {key: i for i, key in enumerate(sorted(keys))}
    return [place[key] for key in keys]
