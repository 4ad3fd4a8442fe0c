"""Adversarial exams for the phase benchmark, made from how scanners and hospitals acquire.

Nothing here reads the rule tables. Times come from the literature: late arterial 13-17 s
after the contrast reaches the aorta (Saake et al., Acad Radiol 2015), portal venous 40-50 s
after it (Kanematsu et al., Open J Radiol 2013), delayed and transitional 2-5 min,
hepatobiliary about 20 min (LI-RADS v2018), gadobenate 1-2 h (Eur Radiol 2012,
doi:10.1007/s00330-012-2486-2). How often headers lack or misstate something is assumed, and
stated in `Habits`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from schemas.dicom.descriptors import clean_descriptor
from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import sub_stack_digest

VENDORS = ("Siemens", "GE", "Philips", "UIH", "Canon", "Neusoft")
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
_N_SLICES = 4
_DAY_S = 86_400


@dataclass(frozen=True)
class Habits:
    """Shares of exams with each trouble."""

    all_named: float = 0.25
    some_named: float = 0.20
    one_name_wrong: float = 0.06
    one_name_for_all: float = 0.03
    start_time_ct: float = 0.35
    start_time_mr: float = 0.20
    start_time_wrong: float = 0.05
    tracking_ct: float = 0.55
    tracking_mr: float = 0.40
    agent_in_header: float = 0.75
    agent_in_protocol: float = 0.60
    two_agents: float = 0.02
    no_times: float = 0.03
    one_time_missing: float = 0.05
    numbers_shuffled: float = 0.25
    phase_torn: float = 0.06
    phases_merged: float = 0.25
    slow_circulation: float = 0.04
    over_midnight: float = 0.04
    clock_set: float = 0.01


@dataclass
class Exam:
    """Instances of one exam, and the true label of every part by digest.

    `tells_of_contrast` is false of a CT with nothing but pauses between its scans: no name,
    agent, start or tracking. What it shows nobody can know, and no part of it may be named.
    """

    name: str
    instances: list[InstanceFeatures] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)
    troubles: set[str] = field(default_factory=set)
    tells_of_contrast: bool = True


_NAMES = {
    "en": {
        "pre": ["pre", "non contrast", "plain"],
        "art": ["art", "arterial", "late arterial"],
        "pvp": ["portal", "PV", "venous"],
        "late": ["delay", "delayed", "equilibrium"],
        "hbp": ["HBP", "hepatobiliary"],
    },
    "zh": {
        "pre": ["平扫"],
        "art": ["动脉期", "动脉晚期"],
        "pvp": ["门脉期", "静脉期", "门静脉期"],
        "late": ["延迟期", "平衡期"],
        "hbp": ["肝胆期", "肝胆特异期"],
    },
}
_T1 = {
    "Siemens": "t1_vibe_fs_tra_bh", "GE": "Ax LAVA BH", "Philips": "eTHRIVE_BH",
    "UIH": "t1_quick3d_fs_tra", "Canon": "3D Quick FatSat", "Neusoft": "t1_fsp3d_fs_tra",
}  # fmt: skip
_CT = {
    "Siemens": "Abdomen 5.0 Br40", "GE": "Abd STND 5mm", "Philips": "Liver 5.0",
    "UIH": "上腹部 5mm", "Canon": "Body 5.0", "Neusoft": "Abdomen 5.0",
}  # fmt: skip
_MAKERS = dict.fromkeys(VENDORS, "")
_AGENTS = ("extracellular", "gadoxetate", "gadobenate")
_PROTOCOLS = {
    "extracellular": "Liver DCE", "gadoxetate": "Liver EOB Primovist",
    "gadobenate": "Liver MultiHance",
}  # fmt: skip


@dataclass
class _Pass:
    phase: str
    label: str
    at_s: float
    merged_as: str | None = None


def make_exam(seed: int, habits: Habits = Habits()) -> Exam:
    """Return the exam of a seed."""
    rng = random.Random(seed)
    modality = "CT" if rng.random() < 0.45 else "MR"
    vendor = rng.choice(VENDORS)
    return _Builder(rng, seed, modality, vendor, habits).build()


class _Builder:
    def __init__(
        self, rng: random.Random, seed: int, modality: str, vendor: str, habits: Habits
    ) -> None:
        self.rng, self.modality, self.vendor, self.habits = rng, modality, vendor, habits
        self.exam = Exam(f"{seed}-{vendor}-{modality}")
        self.study = f"1.2.9.{seed}"
        self.number = 0
        self.agent = "iodinated"
        if modality == "MR":
            self.agent = rng.choices(_AGENTS, (5, 4, 1))[0]
        self.injection_s = float(rng.randint(8 * 3600, 20 * 3600))
        self.with_dates = rng.random() < 0.5
        if self._has("over_midnight"):
            self.injection_s = _DAY_S - rng.uniform(0, 300)
        elif self._has("clock_set"):
            self.injection_s = 2 * 3600 + rng.uniform(-250, 30)
        self.clock_step_s = rng.choice([3600, -3600]) if self._is("clock_set") else 0
        self.no_times = self._has("no_times")
        self.header_agent = self.agent if self._has("agent_in_header") else None
        self.protocol = _PROTOCOLS.get(self.agent, "") if self._has("agent_in_protocol") else ""
        self.lang = rng.choice(["en", "zh"])

    def _has(self, trouble: str) -> bool:
        if self.rng.random() < getattr(self.habits, trouble):
            self.exam.troubles.add(trouble)
            return True
        return False

    def _is(self, trouble: str) -> bool:
        return trouble in self.exam.troubles

    def build(self) -> Exam:
        rng = self.rng
        arrival_s = rng.gauss(20, 2.5)
        if self._has("slow_circulation"):
            arrival_s = rng.gauss(32, 3)
        tracked = self._has("tracking_ct" if self.modality == "CT" else "tracking_mr")
        passes = self._ct(arrival_s, tracked) if self.modality == "CT" else self._mr(arrival_s)
        start_s = None
        if self._has("start_time_ct" if self.modality == "CT" else "start_time_mr"):
            start_s = rng.uniform(-2, 2)
            if self._has("start_time_wrong"):
                start_s = rng.choice([-1, 1]) * rng.uniform(120, 2400)
        self._others(min(p.at_s for p in passes))
        if tracked:
            self._tracking(arrival_s)
        named = self._dynamic(passes, start_s)
        told = named or tracked or start_s is not None or self.header_agent is not None
        self.exam.tells_of_contrast = self.modality == "MR" or told
        if self._has("two_agents"):
            last = self.exam.instances[-1]
            other = "gadoxetate" if self.agent == "extracellular" else "extracellular"
            self.exam.instances[-1] = replace(last, agent_class=other)
        if self._has("numbers_shuffled"):
            self._shuffle_numbers()
        rng.shuffle(self.exam.instances)
        return self.exam

    def _ct(self, arrival_s: float, tracked: bool) -> list[_Pass]:
        rng = self.rng
        if tracked or self._is("slow_circulation"):
            art, pvp = arrival_s + rng.uniform(13, 17), arrival_s + rng.uniform(40, 50)
        else:
            art, pvp = rng.uniform(32, 38), rng.uniform(62, 76)
        late = rng.uniform(150, 310) if rng.random() < 0.95 else rng.uniform(480, 700)
        sets = ("nap", "napd", "ap", "np", "p", "apd")
        chosen = rng.choices(sets, (25, 42, 10, 9, 4, 10))[0]
        times = {"n": -rng.uniform(40, 600), "a": art, "p": pvp, "d": late}
        names = {"n": ("pre", "CT_NC"), "a": ("art", "CT_ART"), "p": ("pvp", "CT_PVP"),
                 "d": ("late", "CT_DEL")}  # fmt: skip
        return [_Pass(*names[c], times[c]) for c in chosen]

    def _mr(self, arrival_s: float) -> list[_Pass]:
        rng = self.rng
        pre = -rng.uniform(25, 400)
        passes = [_Pass("pre", "MR_T1_PRE", pre)]
        if rng.random() < 0.08 and pre < -60:
            passes.append(_Pass("pre", "MR_T1_PRE", pre + rng.uniform(22, -pre - 10)))
        n_art = rng.choices((1, 2, 3, 4), (70, 10, 15, 5))[0]
        if n_art > 1:
            self.exam.troubles.add("multi_arterial")
        step, first = rng.uniform(6, 9), arrival_s + rng.uniform(3, 12) - (4 if n_art > 1 else 0)
        passes += [_Pass("art", "MR_T1_ART", first + i * step) for i in range(n_art)]
        passes.append(_Pass("pvp", "MR_T1_PVP", max(rng.uniform(58, 75), arrival_s + 36)))
        late = "MR_T1_TRANS" if self.agent == "gadoxetate" else "MR_T1_DEL"
        passes.append(_Pass("late", late, rng.uniform(125, 240)))
        if rng.random() < 0.3:
            passes.append(_Pass("late", late, rng.uniform(280, 330)))
        if self.agent == "gadoxetate" and rng.random() < 0.93:
            at = rng.uniform(600, 720) if rng.random() < 0.1 else rng.uniform(900, 1320)
            passes.append(_Pass("hbp", "MR_T1_HBP", at))
        if self.agent == "gadobenate" and rng.random() < 0.3:
            passes.append(_Pass("hbp", "MR_T1_HBP", rng.uniform(3700, 5600)))
        if rng.random() < 0.05:
            self.exam.troubles.add("incomplete")
            passes.pop(rng.randrange(1, len(passes)))
        return passes

    # --- what the headers say -----------------------------------------------------------

    def _dynamic(self, passes: list[_Pass], start_s: float | None) -> bool:
        """Add the dynamic and return whether any name speaks of contrast."""
        rng = self.rng
        names = self._phase_names(passes)
        silent = rng.randrange(len(passes)) if self._has("one_time_missing") else None
        merge = self.modality == "MR" and len(passes) > 2 and self._has("phases_merged")
        ready = [i for i, p in enumerate(passes) if p.phase != "hbp"] if merge else []
        series = self._next() if ready else None
        torn = rng.randrange(len(passes)) if self._has("phase_torn") else None
        for i, one in enumerate(passes):
            time_s = None if i == silent else one.at_s
            if i in ready and series is not None:
                self._add(
                    one, "", time_s, start_s, series=series, order=i + 1,
                    shared_from=passes[ready[0]].at_s,
                )  # fmt: skip
            elif i == torn:
                self._add(one, names[i], time_s, start_s, part=0)
                late_s = None if time_s is None else time_s + rng.uniform(0, 6)
                self._add(one, names[i], late_s, start_s, part=1)
            else:
                self._add(one, names[i], time_s, start_s)
                if self.modality == "CT" and rng.random() < 0.5:
                    thin_s = None if time_s is None else time_s + rng.uniform(0, 1.2)
                    self._add(
                        one, "" if rng.random() < 0.5 else names[i], thin_s, start_s, thin=True
                    )

        natives = {"", *_NAMES["en"]["pre"], *_NAMES["zh"]["pre"]}
        return any(name not in natives for name in names)

    def _phase_names(self, passes: list[_Pass]) -> list[str]:
        rng, words = self.rng, _NAMES[self.lang]
        said = [rng.choice(words[p.phase]) for p in passes]
        if self._has("one_name_for_all"):
            return [said[rng.randrange(len(said))]] * len(said)
        share = rng.random()
        if share > self.habits.all_named:
            few = share <= self.habits.all_named + self.habits.some_named
            said = [name if few and rng.random() < 0.5 else "" for name in said]
        else:
            self.exam.troubles.add("all_named")
        if any(said) and rng.random() < self.habits.one_name_wrong / 0.45:
            self.exam.troubles.add("one_name_wrong")
            i = rng.choice([k for k, name in enumerate(said) if name])
            others = [p.phase for p in passes if p.phase != passes[i].phase]
            said[i] = rng.choice(words[rng.choice(others)]) if others else said[i]
        return said

    def _add(
        self, one: _Pass, phase_name: str, time_s: float | None, start_s: float | None, *,
        series: str | None = None, order: int | None = None, shared_from: float | None = None,
        part: int | None = None, thin: bool = False,
    ) -> None:  # fmt: skip
        base = (_T1 if self.modality == "MR" else _CT)[self.vendor]
        uid = series or self._next()
        extra: dict[str, object] = {}
        stamp_s = time_s
        if order is not None:
            stamp_s, extra = self._merged_stamp(time_s, order, shared_from or 0.0)
        slices = range(_N_SLICES) if part is None else range(part * 2, part * 2 + 2)
        made = [
            self._instance(
                uid, f"{base} {phase_name}".strip(), stamp_s,
                sop=f"{uid}.{order or 0}.{k}", k=k, start_s=start_s,
                slice_thickness_mm=1.0 if thin else 3.0 if self.modality == "MR" else 5.0,
                **extra,
            )
            for k in slices
        ]  # fmt: skip
        self.exam.instances += made
        self.exam.truth[sub_stack_digest([m.sop_uid or "" for m in made])] = one.label

    def _merged_stamp(
        self, time_s: float | None, order: int, shared_from: float
    ) -> tuple[float | None, dict[str, object]]:
        if self.vendor == "GE":
            delay_ms = None if time_s is None else (time_s - shared_from) * 1000
            return shared_from, {"temporal_position": order, "trigger_time_ms": delay_ms}
        if self.vendor == "Philips":
            if self.exam.name[-4] in "02468":  # half of the sites export one time for all
                return shared_from, {"temporal_position": order}
            return time_s, {"temporal_position": order}
        return time_s, {"acquisition_number": order}

    def _instance(
        self, uid: str, text: str, time_s: float | None, *, sop: str, k: int,
        start_s: float | None = None, **values: object,
    ) -> InstanceFeatures:  # fmt: skip
        at = None if time_s is None or self.no_times else self.injection_s + time_s
        if at is not None and self.clock_step_s and at > 2 * 3600 + 40:
            at += self.clock_step_s
        day = 0 if at is None else int(at // _DAY_S)
        started = None if start_s is None else (self.injection_s + start_s) % _DAY_S
        physics: dict[str, object] = {}
        if self.modality == "MR":
            physics = {
                "scanning_sequence": ("GR",), "mr_acquisition_type": "3D",
                "repetition_time_ms": 4.1,
                "echo_time_ms": 1.9, "flip_angle_deg": 10.0, "field_strength_raw": 3.0,
                "scan_options": ("FS",),
            }  # fmt: skip
        base: dict[str, object] = {
            "image_type": ("ORIGINAL", "PRIMARY", "M" if self.modality == "MR" else "AXIAL"),
            "orientation_lps": AXIAL, "position_lps": (0.0, 0.0, 5.0 * k),
            "rows": 64, "columns": 64,
            "pixel_spacing_mm": (1.0, 1.0), "frame_of_reference_uid": f"{self.study}.0",
            "series_number": int(uid.rsplit(".", 1)[1]), "instance_number": k + 1,
            "protocol_name": clean_descriptor(self.protocol), "agent_class": self.header_agent,
            "contrast_start_time_s": started, "acquisition_number": 1,
        }  # fmt: skip
        return InstanceFeatures(
            subject_id="S91-AAAAAAAA", study_uid=self.study, series_uid=uid, sop_uid=sop,
            sop_class_uid="1.2.840.10008.5.1.4.1.1.4", modality=self.modality,
            manufacturer=self.vendor, study_date="20240301",
            acquisition_date=f"2024030{1 + day}" if self.with_dates and at is not None else None,
            acquisition_time_s=None if at is None else at % _DAY_S,
            series_description=clean_descriptor(text), **{**base, **physics, **values},  # type: ignore[arg-type]  # names are checked by the record
        )  # fmt: skip

    def _tracking(self, arrival_s: float) -> None:
        uid = self._next()
        name = {"CT": "Monitoring", "MR": "care bolus"}[self.modality]
        if self.vendor == "GE":
            name = "Smart Prep"
        first = 10.0 if self.modality == "CT" else self.rng.uniform(-4, 2)
        end = arrival_s + self.rng.uniform(0, 4)
        count = max(2, int((end - first) / 2))
        one_stamp = self.rng.random() < 0.25
        for k in range(count):
            at = first if one_stamp else first + (end - first) * k / (count - 1)
            made = self._instance(uid, name, at, sop=f"{uid}.0.{k}", k=0, acquisition_number=k + 1)
            self.exam.instances.append(made)

    def _others(self, first_s: float) -> None:
        """Series beside the dynamic: planning, T2, in- and opposed-phase, a coronal T1."""
        for name, values in _BESIDE[self.modality]:
            uid = self._next()
            at = first_s - self.rng.uniform(60, 500)
            for k in range(2):
                made = self._instance(uid, name, at, sop=f"{uid}.0.{k}", k=k, **values)
                self.exam.instances.append(replace(made, agent_class=None))

    def _next(self) -> str:
        self.number += 1
        return f"{self.study}.{self.number}"

    def _shuffle_numbers(self) -> None:
        uids = sorted({m.series_uid or "" for m in self.exam.instances})
        numbers = self.rng.sample(range(1, 900), len(uids))
        of = dict(zip(uids, numbers, strict=True))
        self.exam.instances = [
            replace(m, series_number=of[m.series_uid or ""]) for m in self.exam.instances
        ]


_BESIDE: dict[str, list[tuple[str, dict[str, object]]]] = {
    "CT": [("Topogram", {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")})],
    "MR": [
        ("localizer", {"image_type": ("ORIGINAL", "PRIMARY", "M"), "mr_acquisition_type": "2D"}),
        ("t2_tse_fs_tra", {"scanning_sequence": ("SE",), "repetition_time_ms": 3000.0,
                           "echo_time_ms": 90.0, "echo_train_length": 20,
                           "mr_acquisition_type": "2D", "flip_angle_deg": 150.0}),
        ("t1_fl2d_opp-in", {"mr_acquisition_type": "2D", "repetition_time_ms": 150.0,
                            "echo_time_ms": 2.4, "flip_angle_deg": 70.0}),
        ("t1_vibe_cor", {"orientation_lps": CORONAL}),
    ],
}  # fmt: skip
