"""Which series an exam has: physics, geometry, phases and their times after injection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tasks.simulate.people.hospitals import Scanner, Tiles, Vendor
from tasks.simulate.people.scenarios import Scenario
from tasks.simulate.people.views import View

INJECTION_S = 1000.0
CT_INJECTION_S = 120.0
_T2_GAP = 1.2
_HALF_TURN_MS_AT_1T = 3.45
#: No scanner of patients is stronger; what is stated above is in gauss, or in kilogauss.
_STATED_IN_GAUSS, _STATED_IN_KILOGAUSS = 100.0, 9.0


@dataclass(frozen=True)
class Phase:
    """One pass over the liver; `after_injection_s` is negative before contrast."""

    label: str
    contrast_phase: str | None
    after_injection_s: float


@dataclass(frozen=True, kw_only=True)
class Physics:
    """What the scanner was set to: times in ms, angle in degrees."""

    scanning_sequence: str = ""
    sequence_variant: tuple[str, ...] = ()
    scan_options: str = ""
    acquisition_type: str = "2D"
    repetition_time_ms: float = 0.0
    echo_times_ms: tuple[float, ...] = (0.0,)
    flip_angle_deg: float = 90.0
    echo_train_length: int = 1


@dataclass(frozen=True, kw_only=True)
class SeriesPlan:
    """One series: frames are slices times phases times echoes times b-values.

    `name_variant` says which of its names the series goes by;
    `tiles` says that the slices of a volume lie side by side in one image, and how.
    """

    name_key: str
    modality: str
    number: int
    phases: tuple[Phase, ...]
    physics: Physics = field(default_factory=Physics)
    b_values: tuple[float, ...] = ()
    n_slices: int = 10
    rows: int = 80
    columns: int = 80
    pixel_mm: float = 4.4
    thickness_mm: float = 5.0
    spacing_mm: float = 5.0
    view: View = View.AXIAL
    tiles: Tiles | None = None
    name_variant: int = 0
    contrast: bool = False

    @property
    def label(self) -> str:
        """The label of the whole series; several phases are a container."""
        return self.phases[0].label if len(self.phases) == 1 else "MR_T1_DYN"


@dataclass(frozen=True, kw_only=True)
class ExamPlan:
    """One study: scanner, role in the protocol, agent, series in order of acquisition."""

    role: str
    modality: str
    day: int
    scanner: Scanner
    agent: str
    description_key: str
    series: tuple[SeriesPlan, ...]


def baseline_ct(scanner: Scanner, story: Scenario) -> ExamPlan:
    """Return a CT with native, arterial, portal venous and delayed phase, or native only."""
    phases = (
        Phase("CT_NC", "pre", -60.0),
        Phase("CT_ART", "art", 33.0),
        Phase("CT_PVP", "pvp", 70.0),
        Phase("CT_DEL", "del", 180.0),
    )[: None if story.ct_contrast else 1]
    series = tuple(_ct_series(phase, number) for number, phase in enumerate(phases, start=2))
    return ExamPlan(
        role="baseline_ct", modality="CT", day=0, scanner=scanner, agent="Iohexol 碘海醇",
        description_key="ct", series=series,
    )  # fmt: skip


def follow_up_ct(scanner: Scanner, day: int) -> ExamPlan:
    """Return a follow-up CT: portal venous phase only."""
    series = (_ct_series(Phase("CT_PVP", "pvp", 70.0), 2),)
    return ExamPlan(
        role="followup", modality="CT", day=day, scanner=scanner, agent="Iohexol 碘海醇",
        description_key="ct", series=series,
    )  # fmt: skip


def dce_mri(scanner: Scanner, story: Scenario, day: int) -> ExamPlan:
    """Return a dynamic MRI with an extracellular agent."""
    dynamic: tuple[Phase, ...] = (
        Phase("MR_T1_PRE", "pre", -60.0),
        Phase("MR_T1_ART", "art", 28.0),
        Phase("MR_T1_PVP", "pvp", 68.0),
        Phase("MR_T1_DEL", "del", 185.0),
    )
    scanner = _at_field(scanner, story)
    dynamic = _without_missing(dynamic, story, "dce_mri")
    return ExamPlan(
        role="dce_mri", modality="MR", day=day, scanner=scanner, agent="Magnevist 马根维显",
        description_key="dce", series=_mr_series(scanner, story, dynamic),
    )  # fmt: skip


def eob_mri(scanner: Scanner, story: Scenario, day: int) -> ExamPlan:
    """Return a gadoxetate MRI with a hepatobiliary phase at 20 minutes."""
    dynamic: tuple[Phase, ...] = (
        Phase("MR_T1_PRE", "pre", -60.0),
        Phase("MR_T1_ART", "art", 31.0),
        Phase("MR_T1_PVP", "pvp", 71.0),
        Phase("MR_T1_TRANS", "trans", 182.0),
        Phase("MR_T1_HBP", "hbp", 1205.0),
    )
    scanner = _at_field(scanner, story)
    dynamic = _without_missing(dynamic, story, "eob_mri")
    return ExamPlan(
        role="eob_mri", modality="MR", day=day, scanner=scanner, agent="Primovist 普美显",
        description_key="eob", series=_mr_series(scanner, story, dynamic),
    )  # fmt: skip


def follow_up_mri(scanner: Scanner, story: Scenario, day: int) -> ExamPlan:
    """Return a short follow-up MRI: T2, native and portal venous T1."""
    dynamic = (Phase("MR_T1_PRE", "pre", -60.0), Phase("MR_T1_PVP", "pvp", 70.0))
    series = (
        _t2(scanner, story, 2),
        *(_t1(scanner, story, (p,), n) for n, p in enumerate(dynamic, start=3)),
    )
    return ExamPlan(
        role="followup", modality="MR", day=day, scanner=scanner, agent="Magnevist 马根维显",
        description_key="followup", series=series,
    )  # fmt: skip


def _ct_series(phase: Phase, number: int) -> SeriesPlan:
    return SeriesPlan(
        name_key=phase.label, modality="CT", number=number, phases=(phase,), n_slices=12,
        rows=96, columns=96, pixel_mm=3.9, thickness_mm=5.0, spacing_mm=5.0,
        contrast=phase.contrast_phase != "pre",
    )  # fmt: skip


def _mr_series(
    scanner: Scanner, story: Scenario, dynamic: tuple[Phase, ...]
) -> tuple[SeriesPlan, ...]:
    head = [_localizer(1), _t2(scanner, story, 2), _dwi(scanner, 3), *_in_opposed(scanner, 4)]
    start = 6
    if story.phases_in_one_series and dynamic[-1].label == "MR_T1_DEL":
        return (*head, _t1(scanner, story, dynamic, start))
    return (*head, *(_t1(scanner, story, (p,), n) for n, p in enumerate(dynamic, start=start)))


def _localizer(number: int) -> SeriesPlan:
    return SeriesPlan(
        name_key="LOCALIZER", modality="MR", number=number, n_slices=3, rows=64, columns=64,
        pixel_mm=6.0, thickness_mm=8.0, spacing_mm=10.0, view=View.THREE_PLANES,
        phases=(Phase("LOCALIZER", None, -900.0),),
        physics=Physics(
            scanning_sequence="GR", sequence_variant=("SP",), repetition_time_ms=7.0,
            echo_times_ms=(3.2,), flip_angle_deg=20.0,
        ),
    )  # fmt: skip


def _at_field(scanner: Scanner, story: Scenario) -> Scanner:
    return scanner if story.field_t is None else replace(scanner, field_t=story.field_t)


def _without_missing(phases: tuple[Phase, ...], story: Scenario, role: str) -> tuple[Phase, ...]:
    return tuple(phase for phase in phases if (role, phase.label) not in story.missing_slots)


def _t2(scanner: Scanner, story: Scenario, number: int) -> SeriesPlan:
    return SeriesPlan(
        name_key="MR_T2_FS", modality="MR", number=number, rows=96, columns=80,
        pixel_mm=4.0, thickness_mm=story.t2_thickness_mm,
        spacing_mm=round(story.t2_thickness_mm * _T2_GAP, 3),
        phases=(Phase("MR_T2_FS", None, -780.0),),
        physics=Physics(
            scanning_sequence="SE", sequence_variant=("SK", "SP"), scan_options="FS",
            repetition_time_ms=3200.0 if scanner.vendor is not Vendor.GE else 6666.0,
            echo_times_ms=(88.0,), flip_angle_deg=150.0, echo_train_length=22,
        ),
    )  # fmt: skip


def _dwi(scanner: Scanner, number: int) -> SeriesPlan:
    b_values = {
        Vendor.SIEMENS: (50.0, 800.0),
        Vendor.GE: (0.0, 800.0),
        Vendor.PHILIPS: (0.0, 1000.0),
        Vendor.UIH: (50.0, 800.0),
        Vendor.CANON: (0.0, 1000.0),
        Vendor.NEUSOFT: (0.0, 800.0),
    }[scanner.vendor]
    return SeriesPlan(
        name_key="MR_DWI", modality="MR", number=number, rows=64, columns=64, pixel_mm=5.5,
        thickness_mm=6.0, spacing_mm=7.2, b_values=b_values, tiles=scanner.tiles,
        phases=(Phase("MR_DWI", None, -480.0),),
        physics=Physics(
            scanning_sequence="EP", sequence_variant=("SK",), scan_options="FS",
            repetition_time_ms=5400.0, echo_times_ms=(58.0,), echo_train_length=64,
        ),
    )  # fmt: skip


def opposed_and_in_phase_ms(scanner: Scanner) -> tuple[float, float]:
    """Return the first echo times at which fat and water are opposed and in phase.

    They differ by 3.4 ppm: half a turn takes 3.45 ms at 1 T and less in a stronger field.
    """
    half_turn_ms = _HALF_TURN_MS_AT_1T / _tesla(scanner.field_t or 3.0)
    return round(half_turn_ms, 2), round(2 * half_turn_ms, 2)


def _tesla(stated: float) -> float:
    if stated > _STATED_IN_GAUSS:
        return stated / 10_000
    return stated / 10 if stated > _STATED_IN_KILOGAUSS else stated


def _in_opposed(scanner: Scanner, number: int) -> tuple[SeriesPlan, ...]:
    opposed, in_phase = opposed_and_in_phase_ms(scanner)
    if scanner.vendor in (Vendor.SIEMENS, Vendor.GE):
        return (_dual_echo("MR_T1_IPOP", (opposed, in_phase), number),)
    return (
        _dual_echo("MR_T1_OP", (opposed,), number),
        _dual_echo("MR_T1_IP", (in_phase,), number + 1),
    )


def _dual_echo(label: str, echo_times_ms: tuple[float, ...], number: int) -> SeriesPlan:
    return SeriesPlan(
        name_key=label, modality="MR", number=number, thickness_mm=5.0, spacing_mm=6.0,
        phases=(Phase(label, None, -240.0),),
        physics=Physics(
            scanning_sequence="GR", sequence_variant=("SP",), repetition_time_ms=150.0,
            echo_times_ms=echo_times_ms, flip_angle_deg=70.0,
        ),
    )  # fmt: skip


def _t1(scanner: Scanner, story: Scenario, phases: tuple[Phase, ...], number: int) -> SeriesPlan:
    late = phases[0].label == "MR_T1_HBP"
    # GE interpolates along the slice axis, Philips reconstructs overlapping slices.
    halved = scanner.vendor in (Vendor.GE, Vendor.PHILIPS)
    return SeriesPlan(
        name_key=phases[0].label if len(phases) == 1 else "MR_T1_DYN",
        modality="MR", number=number, phases=phases,
        thickness_mm=story.t1_thickness_mm,
        spacing_mm=story.t1_thickness_mm / 2 if halved else story.t1_thickness_mm,
        contrast=phases[-1].contrast_phase != "pre",
        physics=Physics(
            scanning_sequence="GR", sequence_variant=("SP", "OSP"), scan_options="FS",
            acquisition_type="3D", repetition_time_ms=4.3, echo_times_ms=(1.9,),
            flip_angle_deg=25.0 if late else 10.0,
        ),
    )  # fmt: skip
