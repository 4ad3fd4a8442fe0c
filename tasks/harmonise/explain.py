"""Three labels explained step by step, as a reviewer reads them; made by the real code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.dicom.descriptors import clean_descriptor
from schemas.dicom.features import InstanceFeatures
from schemas.records import SeriesLabel
from tasks.harmonise.exam import label_instances
from tasks.harmonise.rules import read_rules
from tasks.harmonise.vocabulary import find_window, read_rungs

_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_TEN_OCLOCK_S = 36_000.0
#: What a step of evidence means that no rule table explains.
_STEPS = {
    "TIME-AGREES": "The acquisition began at this time after injection, inside the window of the "
    "phase that its name states: name and time agree.",
    "TIME-WINDOW": "The acquisition began at this time after injection, inside the window of the "
    "phase, and no other phase fits the whole exam nearly as well.",
    "TIME-POST": "It certainly followed the injection, but several phases fit.",
    "TIME-CONFLICT": "Another phase than the named one fits the exam clearly better. Name and "
    "time disagree, so there is no label and a person decides.",
    "PHASE-SOLVED": "The best phase of the ordered assignment over the whole exam, the next best, "
    "and by how much the next best is less usual (1: one exam in ten, 2: one in a hundred).",
    "TIME-ZERO": "The start of injection stands in the header.",
    "TIME-ZERO-TRACKING": "The start of injection follows from the series that tracked the bolus.",
    "TIME-ZERO-NAMED": "Phases that names settle fix the others; no start of injection is stated.",
    "TIME-ZERO-GAP": "Only the gaps between the acquisitions speak.",
    "AGENT-HEADER": "The agent that the header names.",
}


@dataclass(frozen=True)
class _Series:
    number: int
    name: str
    at_s: float
    agent: str | None = None
    start_s: float | None = None


_EXAMS: tuple[tuple[str, str, int, tuple[_Series, ...]], ...] = (
    (
        "A named arterial phase whose time agrees (tier A)",
        "MR",
        2,
        (
            _Series(1, "t1_vibe_fs_tra_pre", -60.0, "gadoxetate", 0.0),
            _Series(2, "t1_vibe_fs_tra 动脉期", 28.0, "gadoxetate", 0.0),
        ),
    ),
    (
        "An unnamed CT phase between others, without any stated start (tier C)",
        "CT",
        3,
        (
            _Series(1, "Abdomen 5.0", -200.0, "iodinated"),
            _Series(2, "Abdomen 5.0", 35.0, "iodinated"),
            _Series(3, "Abdomen 5.0", 68.0, "iodinated"),
            _Series(4, "Abdomen 5.0", 180.0, "iodinated"),
        ),
    ),
    (
        "A name that the time contradicts (no label)",
        "MR",
        3,
        (
            _Series(1, "t1_vibe_fs_tra_pre", -60.0, "extracellular", 0.0),
            _Series(2, "t1_vibe_fs_tra_art", 28.0, "extracellular", 0.0),
            _Series(3, "t1_vibe_fs_tra_portal", 600.0, "extracellular", 0.0),
        ),
    ),
)


def render_explained_labels() -> str:
    """Return the worked examples as Markdown."""
    parts = [
        "## Three labels, step by step",
        "",
        "Each exam below is labelled by the code when this page is made. A line of evidence is a "
        "rule, the header attribute it read, and the word or value it found.",
    ]
    for title, modality, number, exam in _EXAMS:
        parts += ["", *_explained(title, modality, number, exam)]
    parts += ["", *_windows()]
    return "\n".join(parts) + "\n"


def _explained(title: str, modality: str, number: int, exam: Sequence[_Series]) -> list[str]:
    instances = [_instance(s, modality, k) for s in exam for k in range(3)]
    rows = {r.series_uid: r for r in label_instances(instances).series}
    lines = [
        f"### {title}",
        "",
        "| Series | Name | Began | Label | Tier |",
        "|---|---|---|---|---|",
    ]
    for s in exam:
        row = rows[_uid(s)]
        lines.append(
            f"| {s.number} | `{s.name}` | {s.at_s:+.0f} s | {row.label} | {row.label_tier} |"
        )
    lines += ["", f"Evidence of series {number}:", ""]
    lines += [f"1. `{e}` {_meaning(e)}" for e in _in_order(rows[_uid(exam[number - 1])])]
    return lines


def _in_order(row: SeriesLabel) -> list[str]:
    """Return the evidence: what words and physics say first, then what time says."""
    return sorted(row.label_evidence, key=lambda e: (e.startswith(("TIME-", "PHASE-SOLVED")), e))


def _meaning(evidence: str) -> str:
    name = evidence.partition(" ")[0]
    reasons = {str(rule.rule_id): rule.reason for rule in read_rules().rules}
    return _STEPS.get(name) or f"Rule: {reasons[name]}."


def _windows() -> list[str]:
    lines = [
        "### Windows and sources of time zero",
        "",
        "| Modality | Phase | Agent | Typical (s) | Window (s) | Impossible outside (s) |",
        "|---|---|---|---|---|---|",
    ]
    for modality in ("CT", "MR"):
        for phase in ("pre", "art", "pvp", "late", "hbp"):
            for agent in ("", "extracellular", "gadobenate"):
                w = find_window(modality, phase, agent)
                if w is not None and w.agent == agent:
                    spans = (
                        (w.typical_from_s, w.typical_to_s),
                        (w.from_s, w.to_s),
                        (w.conflict_before_s, w.conflict_after_s),
                    )
                    cells = " | ".join(f"{low:g} to {high:g}" for low, high in spans)
                    lines.append(f"| {modality} | {phase} | {agent or 'any'} | {cells} |")
    lines += ["", "| Source of time zero | Tier it allows | Margin it needs |", "|---|---|---|"]
    lines += [f"| {r.name} | {r.tier} | {r.least_margin:g} |" for r in read_rungs().values()]
    return lines


def _uid(s: _Series) -> str:
    return f"1.2.3.{s.number}"


def _instance(s: _Series, modality: str, k: int) -> InstanceFeatures:
    is_mr = modality == "MR"
    return InstanceFeatures(
        subject_id="S91-AAAAAAAA",
        study_uid="1.2.3",
        series_uid=_uid(s),
        sop_uid=f"{_uid(s)}.{k}",
        sop_class_uid=None,
        modality=modality,
        acquisition_time_s=_TEN_OCLOCK_S + s.at_s,
        contrast_start_time_s=None if s.start_s is None else _TEN_OCLOCK_S + s.start_s,
        agent_class=s.agent,
        image_type=("ORIGINAL", "PRIMARY"),
        scanning_sequence=("GR",) if is_mr else (),
        mr_acquisition_type="3D" if is_mr else None,
        repetition_time_ms=4.1 if is_mr else None,
        echo_time_ms=1.9 if is_mr else None,
        flip_angle_deg=10.0 if is_mr else None,
        position_lps=(0.0, 0.0, 3.0 * k),
        orientation_lps=_AXIAL,
        slice_thickness_mm=3.0,
        series_description=clean_descriptor(s.name),
    )
