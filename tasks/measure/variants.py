"""Protocols as they were driven: what a scanner does for a label, and which series depart. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.measure.catalogue import Parameter
from tasks.measure.scanners import scanner_group

Row = dict[str, object]
Value = float | str | None
#: Labels under which no protocol is looked for.
NO_PROTOCOL = frozenset({"UNCLASSIFIED", "LOCALIZER", "OTHER", "NONIMAGE", "REFORMAT"})
#: In a group of at least so many series, a variant of at most this share is an outlier.
LEAST_GROUP, OUTLIER_SHARE = 20, 0.05
#: Parameters that `series` states; the others are of the acquisition.
_OF_SERIES = frozenset({"field_strength_t", "slice_thickness_mm"})


@dataclass(frozen=True)
class AcquiredSeries:
    """One series of the release, with its study and the parameters it was acquired with.

    `acquired` is empty where the batch was committed before parameters were kept.
    """

    series: Mapping[str, object]
    study: Mapping[str, object]
    acquired: Mapping[str, object]

    def value(self, parameter: str) -> Value:
        """Return a parameter; None where nothing states it."""
        found = (self.series if parameter in _OF_SERIES else self.acquired).get(parameter)
        return found if found is None or isinstance(found, str) else float(str(found))


def variant_rows(
    cohort: Iterable[AcquiredSeries],
    parameters: Sequence[Parameter],
    batch_numbers: Mapping[str, int],
) -> list[Row]:
    """Return the rows of `protocol_variant`: one per series with a protocol.

    Variant 1 of a scanner, label and agent is the dominant one: the values that most series are
    like, within the tolerance of every parameter; of those left, variant 2 is found likewise.
    Ties go to the smaller values, so that the order of series changes nothing. The agent makes
    the exam another one by design, so it is part of the group and no departure.

    Parameters
    ----------
    cohort : iterable of AcquiredSeries
        The series of the release.
    parameters : sequence of Parameter
        `data_contracts/measure/parameters.csv`.
    batch_numbers : mapping
        Batch id to its place among the batches of its site, from 1: the only time that is
        shared by subjects, since each has a date shift of their own.
    """
    groups: dict[tuple[str, str, str], list[AcquiredSeries]] = {}
    for one in cohort:
        label = str(one.series["label"])
        if label not in NO_PROTOCOL and one.acquired:
            name = (
                scanner_group(one.study, one.series["device_id"]),
                label,
                str(one.study["contrast_agent_class"]),
            )
            groups.setdefault(name, []).append(one)
    rows: list[Row] = []
    for (scanner, label, agent), group in sorted(groups.items()):
        own = [p for p in parameters if group[0].series["modality"] in p.modalities]
        values = [tuple(one.value(p.name) for p in own) for one in group]
        centres = variants(values, own)
        places = [place_of(value, centres, own) for value in values]
        sizes = Counter(places)
        for one, value, place in zip(group, values, places, strict=True):
            is_rare = sizes[place] <= OUTLIER_SHARE * len(group)
            rows.append(
                {
                    **_identity(one),
                    "label": label,
                    "scanner_group": scanner,
                    "device_id": one.series["device_id"],
                    "coil_id": one.series["coil_id"],
                    "agent_class": agent,
                    "variant_no": place + 1,
                    "n_variant": sizes[place],
                    "n_group": len(group),
                    "is_dominant": place == 0,
                    "is_outlier": is_rare if len(group) >= LEAST_GROUP else None,
                    "differs_in": departures(centres[0], value, own),
                    **{p.name: one.value(p.name) for p in parameters},
                    "batch_no": batch_numbers.get(str(one.series["batch_id"])),
                    "batch_id": one.series["batch_id"],
                }
            )
    return rows


def variants(
    values: Sequence[tuple[Value, ...]], parameters: Sequence[Parameter]
) -> list[tuple[Value, ...]]:
    """Return the centres of the variants, the one with most series first."""
    left = Counter(values)
    centres: list[tuple[Value, ...]] = []
    while left:
        near = {
            centre: sum(n for value, n in left.items() if is_alike(centre, value, parameters))
            for centre in left
        }
        best = min(near, key=lambda centre: (-near[centre], _order(centre)))
        centres.append(best)
        left = Counter(
            {value: n for value, n in left.items() if not is_alike(best, value, parameters)}
        )
    return centres


def place_of(
    value: tuple[Value, ...],
    centres: Sequence[tuple[Value, ...]],
    parameters: Sequence[Parameter],
) -> int:
    """Return which variant a series belongs to: the first that it is like."""
    return next(n for n, centre in enumerate(centres) if is_alike(centre, value, parameters))


def is_alike(
    centre: tuple[Value, ...], value: tuple[Value, ...], parameters: Sequence[Parameter]
) -> bool:
    """Return whether every parameter is within its tolerance of the centre's."""
    return not departures(centre, value, parameters)


def departures(
    centre: tuple[Value, ...], value: tuple[Value, ...], parameters: Sequence[Parameter]
) -> list[str]:
    """Return the parameters in which a series departs from a centre, sorted."""
    return sorted(
        p.name for p, a, b in zip(parameters, centre, value, strict=True) if not p.alike(a, b)
    )


def _order(centre: tuple[Value, ...]) -> tuple[tuple[bool, str, float], ...]:
    return tuple(
        (v is None, v if isinstance(v, str) else "", v if isinstance(v, float) else 0.0)
        for v in centre
    )


def _identity(one: AcquiredSeries) -> Row:
    names = ("series_uid", "sub_stack_digest", "study_uid", "subject_id")
    return {name: one.series[name] for name in names}
