"""Rows of the answer key about images and eligibility."""

from __future__ import annotations

from itertools import groupby

from schemas.sub_stacks import sub_stack_digest
from tasks.simulate.headers import SeriesContext
from tasks.simulate.images import frame_label, sop_uid
from tasks.simulate.subjects import Subject, consent_by, evidence_by
from tasks.simulate.true_eligibility import (
    CRITERIA,
    combined_exam_effect,
    true_effects,
    true_status,
)
from tasks.simulate.vendors import Frame, frames_of

Row = dict[str, object]


def label_rows(context: SeriesContext, night: int) -> list[Row]:
    """Return one row per sub-stack of a series: what it is, when, with which geometry."""
    plan = context.plan

    def sub_stack(frame: Frame) -> tuple[int, int]:
        return frame.phase_index, frame.echo_index

    groups = groupby(sorted(frames_of(plan), key=sub_stack), key=sub_stack)
    return [_label_row(context, night, list(frames)) for _, frames in groups]


def _label_row(context: SeriesContext, night: int, frames: list[Frame]) -> Row:
    plan, exam, first = context.plan, context.exam, frames[0]
    phase = plan.phases[first.phase_index]
    uids = [sop_uid(context, frame) for frame in frames]
    return {
        "site": context.subject.hospital.code,
        "subject_no": context.subject.subject_no,
        "night": night,
        "study_uid": exam.study_uid,
        "role": exam.plan.role,
        "series_uid": context.series_uid,
        "sub_stack_digest": sub_stack_digest(uids),
        "instance_numbers": [frame.instance_number for frame in frames],
        "modality": plan.modality,
        "vendor": context.scanner.vendor.value,
        "series_description": context.description,
        "label": frame_label(plan, first),
        "contrast_phase": phase.contrast_phase,
        "after_injection_s": phase.after_injection_s if phase.contrast_phase else None,
        "agent_class": _agent_class(context),
        "echo_time_ms": plan.physics.echo_times_ms[first.echo_index] or None,
        "b_values": list(plan.b_values),
        "n_slices": plan.n_slices,
        "slice_thickness_mm": plan.thickness_mm,
        "slice_gap_mm": plan.spacing_mm,
        "field_strength_t": context.scanner.field_t,
    }


def _agent_class(context: SeriesContext) -> str:
    by_role = {"baseline_ct": "iodinated", "eob_mri": "gadoxetate", "dce_mri": "extracellular"}
    follow_up = "iodinated" if context.plan.modality == "CT" else "extracellular"
    return by_role.get(context.exam.plan.role, follow_up)


def eligibility_rows(subject: Subject, night: int, *, late_pathology: bool) -> list[Row]:
    """Return the true effect of each criterion and the true status, as of one night."""
    evidence = evidence_by(subject, night, late_pathology=late_pathology)
    literal = true_effects(subject.story, evidence)
    combined = literal | {"I4": combined_exam_effect(subject.story)}
    rows: list[Row] = []
    for reading, effects in (("literal", literal), ("combined_exam", combined)):
        common: Row = {
            "site": subject.hospital.code,
            "subject_no": subject.subject_no,
            "night": night,
            "reading": reading,
            "story": subject.story.name,
            "consent": consent_by(subject, night),
        }
        rows.extend(common | {"criterion": c, "effect": effects[c]} for c in CRITERIA)
        rows.append(common | {"criterion": "status", "effect": true_status(effects)})
    return rows
