"""Rows of the answer key about images: what each sub-stack shows, when, and where it lies."""

from __future__ import annotations

from itertools import groupby

from schemas.dicom.sub_stacks import sub_stack_digest
from tasks.simulate.images.geometry import plane_of
from tasks.simulate.images.headers import SeriesContext
from tasks.simulate.images.packing import transfer_syntax
from tasks.simulate.images.pixels import frame_label, sop_uid
from tasks.simulate.images.vendors import Frame, frames_of
from tasks.simulate.people.protocols import SeriesPlan
from tasks.simulate.people.views import View

Row = dict[str, object]

_ONE_PLANE_EACH = frozenset({View.THREE_PLANES, View.SCOUT, View.FAN})
_WEIGHTINGS = (
    ("MR_T1", "T1"), ("MR_SUB", "T1"), ("MR_T2", "T2"), ("MR_MRCP", "T2"), ("MR_DWI", "DWI"),
    ("MR_ADC", "DWI"), ("CT", "CT"),
)  # fmt: skip


def label_rows(context: SeriesContext, night: int) -> list[Row]:
    """Return one row per sub-stack of a series: what it is, when, with which geometry."""
    plan = context.plan

    def sub_stack(frame: Frame) -> tuple[int, int, int]:
        turned = frame.slice_index if plan.view in _ONE_PLANE_EACH else 0
        return frame.phase_index, frame.echo_index, turned

    groups = groupby(sorted(frames_of(plan), key=sub_stack), key=sub_stack)
    return [_label_row(context, night, list(frames)) for _, frames in groups]


def _label_row(context: SeriesContext, night: int, frames: list[Frame]) -> Row:
    plan, exam, first = context.plan, context.exam, frames[0]
    phase = plan.phases[first.phase_index]
    uids = sorted({sop_uid(context, frame) for frame in frames})
    label = frame_label(plan, first)
    return {
        "site": context.subject.hospital.code,
        "subject_no": context.subject.subject_no,
        "night": night,
        "study_uid": exam.study_uid,
        "role": exam.plan.role,
        "series_uid": context.series_uid,
        "sub_stack_digest": sub_stack_digest(uids),
        "instance_numbers": [frame.instance_number for frame in frames],
        "n_files": len(uids),
        "modality": plan.modality,
        "vendor": context.scanner.vendor.value,
        "series_description": context.description,
        "label": label,
        "weighting": next((w for start, w in _WEIGHTINGS if label.startswith(start)), "NA"),
        "contrast_phase": phase.contrast_phase,
        "after_injection_s": phase.after_injection_s if phase.contrast_phase else None,
        "acquired_at_s": context.acquisition_s(first.phase_index),
        "agent_class": _agent_class(context),
        "echo_time_ms": plan.physics.echo_times_ms[first.echo_index] or None,
        "b_values": list(plan.b_values),
        "field_strength_t": context.scanner.field_t,
        "transfer_syntax_uid": str(transfer_syntax(context.scanner)),
        "enhanced": context.enhanced,
        "tiles": plan.tiles.value if plan.tiles else None,
        **_geometry(plan, frames),
    }


def _geometry(plan: SeriesPlan, frames: list[Frame]) -> Row:
    """Return true geometry, DICOM LPS, mm: positions are of the first pixel of a plane."""
    slices = range(plan.n_slices) if plan.tiles else sorted({f.slice_index for f in frames})
    first, last = plane_of(plan, slices[0]), plane_of(plan, slices[-1])
    return {
        "n_slices": len(slices),
        "rows": plan.rows,
        "columns": plan.columns,
        "pixel_spacing_mm": plan.pixel_mm,
        "slice_thickness_mm": plan.thickness_mm,
        "slice_gap_mm": plan.spacing_mm,
        "orientation_lps": list(first.orientation),
        "first_position_lps": list(first.position),
        "last_position_lps": list(last.position),
    }


def _agent_class(context: SeriesContext) -> str:
    by_role = {"baseline_ct": "iodinated", "eob_mri": "gadoxetate", "dce_mri": "extracellular"}
    follow_up = "iodinated" if context.plan.modality == "CT" else "extracellular"
    return by_role.get(context.exam.plan.role, follow_up)
