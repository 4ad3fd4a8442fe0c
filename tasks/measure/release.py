"""From what was measured at night to `image_metric`: labels of today, groups, outliers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.measurements import Measurement, NoValue
from tasks.measure.catalogue import Catalogue, Metric
from tasks.measure.measuring import AORTA, LEVELS_VERSION, LIVER, PORTAL
from tasks.measure.outliers import Spread, spread_of
from tasks.measure.phase_order import Judgement, LabelledPass, Opinion, judge_order
from tasks.measure.result import Measured, finite, none
from tasks.measure.scanners import scanner_group

Row = dict[str, object]
Key = tuple[str, str]
#: Phases of labels that the second opinion knows.
_JUDGED = frozenset({"pre", "art", "pvp", "del", "trans", "hbp"})
#: Images of one gain: other pulses change the signal of the same tissue.
PULSE = ("repetition_time_ms", "echo_time_ms", "flip_angle_deg")
_SAME_PULSE = 0.1
_DIGITS = 4


@dataclass(frozen=True)
class MeasuredSeries:
    """One published volume: its rows in `series`, `nifti_volume` and `imaging_study`.

    `values` are its measurements by metric, `pulse` what its signal depends on.
    """

    volume: Mapping[str, object]
    series: Mapping[str, object]
    study: Mapping[str, object]
    values: Mapping[str, Measurement]
    pulse: tuple[float | None, ...] = ()

    @property
    def key(self) -> Key:
        """Series and digest."""
        return str(self.volume["series_uid"]), str(self.volume["sub_stack_digest"])

    @property
    def label(self) -> str:
        """The label of today's rules."""
        return str(self.series["label"])

    @property
    def phase(self) -> str | None:
        """The contrast phase of the label, if it is one that is judged."""
        found = self.series["contrast_phase"]
        return str(found) if found in _JUDGED else None

    def level(self, name: str) -> float | None:
        """Return the level of a vessel or the liver, if it was measured by the version in force."""
        found = self.values.get(name)
        return found.value if found and found.metric_version == LEVELS_VERSION else None


def metric_rows(cohort: Sequence[MeasuredSeries], catalogue: Catalogue) -> list[Row]:
    """Return the rows of `image_metric`: one per volume and metric that its label has.

    A metric without a value has a row that says why. Median and distance are those of the
    volumes with the same scanner, label, metric and version.
    """
    exams = by_exam(cohort)
    found: list[tuple[MeasuredSeries, Metric, Measured]] = []
    for one in cohort:
        exam = exams[str(one.series["study_uid"])]
        for metric in catalogue.metrics:
            if metric.applies(_text(one.series["modality"]), one.label):
                # Batches may hold values of before a check: none is published that is no number.
                found.append((one, metric, finite(_value(one, exam, metric))))
    groups: dict[tuple[str, str, str], list[float]] = {}
    for one, metric, measured in found:
        if measured.value is not None:
            group = (scanner_group(one.study, one.series["device_id"]), one.label, metric.name)
            groups.setdefault(group, []).append(measured.value)
    spreads = {group: spread_of(values, catalogue[group[2]]) for group, values in groups.items()}
    return [_row(one, metric, measured, spreads) for one, metric, measured in found]


def by_exam(cohort: Iterable[MeasuredSeries]) -> dict[str, list[MeasuredSeries]]:
    """Return the volumes by study."""
    exams: dict[str, list[MeasuredSeries]] = {}
    for one in cohort:
        exams.setdefault(str(one.series["study_uid"]), []).append(one)
    return exams


def opinions(
    cohort: Iterable[MeasuredSeries], catalogue: Catalogue
) -> dict[str, tuple[Judgement, list[MeasuredSeries]]]:
    """Return by study what pixels say of its phases, and of which volumes; silence is left out."""
    found = {}
    for study, exam in by_exam(cohort).items():
        passes = _comparable([o for o in exam if o.phase and o.level(AORTA) is not None])
        told = [
            LabelledPass(
                o.phase or "", o.level(AORTA) or 0.0, o.level(LIVER) or 0.0, o.level(PORTAL)
            )
            for o in passes
        ]
        if len({one.phase for one in told}) < 2:
            continue
        is_ct = passes[0].series["modality"] == "CT"
        judgement = judge_order(told, catalogue.pairs, is_ct=is_ct)
        if judgement.opinion is not Opinion.SILENT:
            found[study] = (judgement, passes)
    return found


def _comparable(passes: Sequence[MeasuredSeries]) -> list[MeasuredSeries]:
    """Return the passes whose levels can be compared: in one frame, of MR those of one pulse."""
    largest: list[MeasuredSeries] = []
    for one in passes:
        alike = [
            other
            for other in passes
            if other is one
            or (_same_frame(one, other) and (_is_ct(one) or _same_pulse(one, other)))
        ]
        largest = max(largest, alike, key=len)
    return largest


def _is_ct(one: MeasuredSeries) -> bool:
    return one.series["modality"] == "CT"


def _same_frame(one: MeasuredSeries, other: MeasuredSeries) -> bool:
    """Return whether positions of two volumes compare (PS3.3 C.7.4.1); unknown is no frame."""
    frame = one.series["frame_of_reference_uid"]
    return frame is not None and frame == other.series["frame_of_reference_uid"]


def _same_pulse(one: MeasuredSeries, other: MeasuredSeries) -> bool:
    for a, b in zip(one.pulse, other.pulse, strict=True):
        if a is None or b is None:
            if a is not b:
                return False
        elif abs(a - b) > _SAME_PULSE * max(abs(a), abs(b)):
            return False
    return True


def _value(one: MeasuredSeries, exam: Sequence[MeasuredSeries], metric: Metric) -> Measured:
    if metric.name == "liver_lower_margin":
        return none(NoValue.NEEDS_MASK)
    if metric.name == "z_shortfall":
        return _z_shortfall(one, exam)
    if metric.name == "arterial_liver_share":
        return _arterial_liver_share(one, exam)
    if metric.name == "hbp_liver_vessel_ratio":
        return _hbp_ratio(one)
    found = one.values.get(metric.name)
    if found is None or found.metric_version != metric.version:
        return none(NoValue.NOT_MEASURED)
    return Measured(found.value, NoValue(found.reason) if found.reason else None)


def _z_shortfall(one: MeasuredSeries, exam: Sequence[MeasuredSeries]) -> Measured:
    """Return how much of the height that at least half of the other phases show is missing, mm.

    Heights are those of axial volumes of one frame of reference; phases are held against others
    of the same modality.
    """
    own = _height(one)
    if own is None:
        return none(NoValue.NOT_AXIAL)
    others = [
        height
        for o in exam
        if o is not one and o.phase not in (None, one.phase)
        and o.series["modality"] == one.series["modality"] and _same_frame(one, o)
        for height in [_height(o)]
        if height is not None
    ]  # fmt: skip
    if one.phase is None or not others:
        return none(NoValue.NO_PARTNER)
    low = float(np.median([height[0] for height in others]))
    high = float(np.median([height[1] for height in others]))
    missing = max(0.0, own[0] - low) + max(0.0, high - own[1])
    return Measured(min(missing, high - low) if high > low else 0.0)


def _height(one: MeasuredSeries) -> tuple[float, float] | None:
    """Return from where to where an axial volume reaches, slices whole, mm RAS."""
    affine, n = one.volume["affine_ras"], one.volume["dim_z"]
    if one.series["orientation"] != "axial" or not affine or not isinstance(n, int):
        return None
    matrix = np.asarray(affine, dtype=np.float64).reshape(4, 4)
    ends = (float(matrix[2, 3]), float(matrix[2, 3] + matrix[2, 2] * (n - 1)))
    half = abs(float(matrix[2, 2])) / 2.0
    return min(ends) - half, max(ends) + half


def _arterial_liver_share(one: MeasuredSeries, exam: Sequence[MeasuredSeries]) -> Measured:
    native = [
        o for o in exam
        if o.phase == "pre" and o.series["modality"] == one.series["modality"]
        and o.level(AORTA) is not None and _same_pulse(one, o) and _same_frame(one, o)
    ]  # fmt: skip
    if not native:
        return none(NoValue.NO_PARTNER)
    aorta, liver = one.level(AORTA), one.level(LIVER)
    if aorta is None or liver is None:
        return _reason_of_levels(one)
    before = float(np.mean([o.level(AORTA) or 0.0 for o in native]))
    before_liver = float(np.mean([o.level(LIVER) or 0.0 for o in native]))
    if aorta <= before:
        return none(NoValue.NO_VESSEL)
    return Measured((liver - before_liver) / (aorta - before))


def _hbp_ratio(one: MeasuredSeries) -> Measured:
    aorta, liver = one.level(AORTA), one.level(LIVER)
    if aorta is None or liver is None or aorta <= 0:
        return _reason_of_levels(one)
    return Measured(liver / aorta)


def _reason_of_levels(one: MeasuredSeries) -> Measured:
    found = one.values.get(AORTA)
    reason = found.reason if found and found.metric_version == LEVELS_VERSION else None
    return none(NoValue(reason) if reason else NoValue.NOT_MEASURED)


def _row(
    one: MeasuredSeries,
    metric: Metric,
    measured: Measured,
    spreads: Mapping[tuple[str, str, str], Spread],
) -> Row:
    group = scanner_group(one.study, one.series["device_id"])
    spread = spreads.get((group, one.label, metric.name))
    value = None if measured.value is None else round(measured.value, _DIGITS)
    distance = None if spread is None or value is None else spread.distance(value)
    return {
        "volume_id": one.volume["volume_id"],
        "metric": metric.name,
        "series_uid": one.volume["series_uid"],
        "sub_stack_digest": one.volume["sub_stack_digest"],
        "study_uid": one.volume["study_uid"],
        "subject_id": one.volume["subject_id"],
        "label": one.label,
        "scanner_group": group,
        "metric_version": metric.version,
        "value": value,
        "unit": metric.unit,
        "reason": measured.reason.value if measured.reason else None,
        "n_group": spread.n if spread else 0,
        "group_median": round(spread.median, _DIGITS) if spread else None,
        "mad_distance": None if distance is None else round(distance, 2),
        "is_outlier": None if distance is None or spread is None else spread.is_outlier(distance),
        "batch_id": one.volume["batch_id"],
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
