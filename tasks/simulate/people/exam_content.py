"""What an exam holds beside the series that the criteria need: scouts, maps, reformats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tasks.simulate.people.hospitals import Scanner
from tasks.simulate.people.naming import DIXON_PARTS
from tasks.simulate.people.protocols import (
    ExamPlan,
    Phase,
    Physics,
    SeriesPlan,
    opposed_and_in_phase_ms,
)
from tasks.simulate.people.views import View

_HASTE = Physics(
    scanning_sequence="SE", sequence_variant=("SK",), repetition_time_ms=1100.0,
    echo_times_ms=(92.0,), flip_angle_deg=150.0, echo_train_length=120,
)  # fmt: skip
_MRCP = Physics(
    scanning_sequence="SE", sequence_variant=("SK",), scan_options="FS",
    repetition_time_ms=4500.0, echo_times_ms=(742.0,), flip_angle_deg=160.0,
    echo_train_length=240,
)  # fmt: skip
_TRACKING = Physics(
    scanning_sequence="GR", sequence_variant=("SP",), repetition_time_ms=3.1,
    echo_times_ms=(1.0,), flip_angle_deg=20.0,
)  # fmt: skip
# Arterial passes of one breath-hold, seconds before or after the single arterial phase.
_MULTI_ARTERIAL_S = (-6.0, 0.0, 6.0)
_TRACKED_AT_S = (4.0, 8.0, 12.0, 16.0)
_SOURCE_OF_MAPS = "MR_DWI"
_DIXON_S = -120.0
# Label and contrast phase of each part; the water image is a fat-suppressed native image.
_DIXON_TRUTH: dict[str, tuple[str, str | None]] = {
    "MR_T1_DIXON_IP": ("MR_T1_IP", None),
    "MR_T1_DIXON_OP": ("MR_T1_OP", None),
    "MR_T1_FAT": ("MR_T1_FAT", None),
    "MR_T1_WATER": ("MR_T1_PRE", "pre"),
}


def complete(plan: ExamPlan, variant: int) -> ExamPlan:
    """Return the exam with every series a scanner makes of it, numbered in order of time.

    Parameters
    ----------
    plan : ExamPlan
        An exam with the series that the criteria need.
    variant : int
        Which of their many names the series go by; 0 is the plain one.
    """
    more = _complete_ct if plan.modality == "CT" else _complete_mr
    series = sorted(more(plan), key=_first_moment_s)
    numbered = (
        replace(one, number=number, name_variant=variant) for number, one in enumerate(series, 1)
    )
    return replace(plan, series=tuple(numbered))


def _first_moment_s(series: SeriesPlan) -> float:
    return series.phases[0].after_injection_s


def _complete_ct(plan: ExamPlan) -> Iterator[SeriesPlan]:
    yield SeriesPlan(
        name_key="CT_SCOUT", modality="CT", number=0, phases=(Phase("LOCALIZER", None, -100.0),),
        n_slices=2, rows=96, columns=96, pixel_mm=3.9, thickness_mm=0.6, spacing_mm=1.0,
        view=View.SCOUT,
    )  # fmt: skip
    for series in plan.series:
        yield series
        yield replace(
            series, name_key=f"{series.name_key}_THIN", n_slices=48, thickness_mm=1.25,
            spacing_mm=1.25,
        )  # fmt: skip
    last = plan.series[-1]
    yield _reformat(last, "CT_MPR")
    yield replace(
        last, name_key="DOSE_REPORT", phases=(Phase("NONIMAGE", None, 400.0),), n_slices=1,
        view=View.AXIAL, contrast=False,
    )  # fmt: skip


def _reformat(source: SeriesPlan, name_key: str) -> SeriesPlan:
    phase = source.phases[-1]
    shown = Phase("REFORMAT", phase.contrast_phase, phase.after_injection_s)
    return replace(
        source, name_key=name_key, phases=(shown,), view=View.CORONAL, n_slices=16,
        thickness_mm=3.0, spacing_mm=3.0,
    )  # fmt: skip


def _complete_mr(plan: ExamPlan) -> Iterator[SeriesPlan]:
    for series in plan.series:
        arterial = series.name_key == "MR_T1_ART" and plan.role == "eob_mri"
        yield _multi_arterial(series) if arterial else series
    yield from _t2_weighted()
    yield from _maps(plan.series)
    yield _bolus_tracking()
    yield from _from_dynamic(plan)


def _multi_arterial(series: SeriesPlan) -> SeriesPlan:
    (phase,) = series.phases
    passes = tuple(
        replace(phase, after_injection_s=phase.after_injection_s + offset)
        for offset in _MULTI_ARTERIAL_S
    )
    return replace(series, phases=passes, name_key="MR_T1_MULTI_ART")


def _t2_weighted() -> Iterator[SeriesPlan]:
    yield SeriesPlan(
        name_key="MR_T2", modality="MR", number=0, phases=(Phase("MR_T2", None, -850.0),),
        physics=_HASTE, view=View.CORONAL, rows=80, columns=80, pixel_mm=4.6, n_slices=12,
        thickness_mm=6.0, spacing_mm=7.0,
    )  # fmt: skip
    yield SeriesPlan(
        name_key="MR_MRCP", modality="MR", number=0, phases=(Phase("MR_MRCP", None, -650.0),),
        physics=_MRCP, view=View.FAN, rows=96, columns=96, pixel_mm=3.0, n_slices=3,
        thickness_mm=40.0, spacing_mm=40.0,
    )  # fmt: skip


def _maps(series: Iterable[SeriesPlan]) -> Iterator[SeriesPlan]:
    for one in series:
        if one.name_key == _SOURCE_OF_MAPS:
            moment = one.phases[0].after_injection_s + 5.0
            yield replace(
                one, name_key="MR_ADC", b_values=(), phases=(Phase("MR_ADC", None, moment),)
            )


def _bolus_tracking() -> SeriesPlan:
    return SeriesPlan(
        name_key="MR_BOLUS", modality="MR", number=0, physics=_TRACKING, view=View.CORONAL,
        phases=tuple(Phase("MR_BOLUS", None, moment) for moment in _TRACKED_AT_S),
        rows=64, columns=64, pixel_mm=6.0, n_slices=1, thickness_mm=80.0, spacing_mm=80.0,
    )  # fmt: skip


def _dixon_parts(native: SeriesPlan, scanner: Scanner) -> Iterator[SeriesPlan]:
    """Yield what one Dixon acquisition before contrast is exported as: a series for each part."""
    opposed_ms, in_phase_ms = opposed_and_in_phase_ms(scanner)
    for name_key in DIXON_PARTS[scanner.vendor]:
        label, contrast_phase = _DIXON_TRUTH[name_key]
        echo_ms = opposed_ms if name_key == "MR_T1_DIXON_OP" else in_phase_ms
        physics = replace(
            native.physics, scan_options="", repetition_time_ms=6.7, echo_times_ms=(echo_ms,)
        )
        phase = Phase(label, contrast_phase, _DIXON_S)
        yield replace(native, name_key=name_key, phases=(phase,), physics=physics)


def _from_dynamic(plan: ExamPlan) -> Iterator[SeriesPlan]:
    series = plan.series
    singles = {s.name_key: s for s in series if s.name_key.startswith("MR_T1") and s.contrast}
    native = next((s for s in series if s.name_key == "MR_T1_PRE"), None)
    if native is not None:
        yield from _dixon_parts(native, plan.scanner)
    arterial = singles.get("MR_T1_ART")
    if native is not None and arterial is not None:
        phase = arterial.phases[0]
        difference = Phase("MR_SUB", phase.contrast_phase, phase.after_injection_s + 1.0)
        yield replace(arterial, name_key="MR_SUB", phases=(difference,))
    if singles:
        yield _reformat(list(singles.values())[-1], "MR_MPR")
