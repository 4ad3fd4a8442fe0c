"""Simulated forms as a site's batch, and what a perfect harmonisation says of its images."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePath
from typing import Any

from schemas.identifiers import BatchId, SiteCode, SubjectNo
from schemas.records import CohortLabels, SeriesLabel, StudyRole
from schemas.run.atomic_files import sha256_of_bytes
from schemas.vault.keys import KeyRing
from tasks.clinical.form_rows import ClinicalIntake
from tasks.clinical.intake import read_form
from tasks.clinical.merge import BatchForms
from tasks.simulate.exports import Export

Answer = dict[str, Any]


def planned_forms(export: Export) -> Iterator[tuple[str, bytes]]:
    for file in export.files:
        if file.path.startswith("clinical/"):
            yield PurePath(file.path).name, file.content()


def batch_of_forms(
    site: SiteCode,
    export_name: str,
    delivered: Iterable[tuple[str, bytes]],
    planted: Collection[str] = (),
) -> BatchForms:
    forms = []
    for number, (name, data) in enumerate(delivered):
        form = read_form(name, data, site=site, file_no=number, source_sha256=sha256_of_bytes(data))
        # One site adds a column of its own.
        expected = {"CLIN_UNKNOWN_HEADER", *planted}
        assert {finding.rule_id for finding in form.findings} <= expected
        forms.append(form)
    return BatchForms(site, BatchId(f"{site}{export_name}"), ClinicalIntake(tuple(forms)))


def true_labels(answers: list[Answer], ring: KeyRing) -> CohortLabels:
    """Return what a perfect harmonisation says of the images."""
    studies: dict[str, StudyRole] = {}
    series = []
    for answer in answers:
        site, number = SiteCode(answer["site"]), SubjectNo(answer["subject_no"])
        subject = ring.subject_id(site, number)
        common = {"subject_id": subject, "study_uid": answer["study_uid"]}
        studies[answer["study_uid"]] = StudyRole(
            **common,
            modality=answer["modality"],
            role=answer["role"],
            role_evidence=(),
            study_date=_shifted_date(answer["study_uid"], ring.date_shift_days(site, number)),
            registered_date=_shifted_date(answer["study_uid"], ring.date_shift_days(site, number)),
            manufacturer=None,
            model=None,
            field_strength_t=float(answer["field_strength_t"] or 0) or None,
            contrast_agent_class=answer["agent_class"],
        )
        series.append(
            SeriesLabel(
                **common,
                series_uid=answer["series_uid"],
                sub_stack_digest=answer["sub_stack_digest"],
                modality=answer["modality"],
                label=answer["label"],
                contrast_phase=answer["contrast_phase"],
                label_tier="A",
                label_evidence=(),
                mapping_version="1",
                weighting="other",
                agent_class=answer["agent_class"],
                orientation="oblique" if answer["label"] == "MR_MRCP" else "axial",
                n_slices=int(answer["n_slices"]),
                n_missing_slices=0,
                slice_thickness_mm=float(answer["slice_thickness_mm"]),
                spacing_between_slices_mm=None,
                slice_gap_mm=None,
                thickness_limit_mm=None,
                thickness_verdict=None,
                field_strength_t=None,
                required_for_protocol=True,
                acquisition_time_offset_s=None,
                is_diagnostic=True,
            )
        )
    return CohortLabels(series=tuple(series), studies=tuple(studies.values()))


def _shifted_date(study_uid: str, shift_days: int) -> str:
    """Return the shifted day of a study; the simulator's UIDs carry the day and time."""
    (stamp,) = [part for part in study_uid.split(".") if len(part) == 14 and part[:2] == "20"]
    day = dt.date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8]))
    return (day - dt.timedelta(days=shift_days)).strftime("%Y%m%d")
