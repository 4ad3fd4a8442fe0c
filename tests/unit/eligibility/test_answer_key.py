"""Forms of simulated sites, read and judged, agree with the simulator's answer key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pytest

from schemas.atomic_files import sha256_of_bytes
from schemas.identifiers import BatchId, SiteCode, SubjectNo
from schemas.keys import KeyRing
from schemas.records import CohortLabels, SeriesLabel, StudyRole
from tasks.clinical.form_rows import ClinicalIntake
from tasks.clinical.intake import read_form
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.eligibility.assemble import assemble_cohort
from tasks.eligibility.protocol import read_protocol
from tasks.publish.checks import check_flow
from tasks.simulate.exports import Export
from tasks.simulate.nights import Request, plan_nights
from tasks.simulate.stories import STORIES

Answer = dict[str, Any]


def planned_forms(export: Export) -> Iterator[tuple[str, bytes]]:
    for file in export.files:
        if file.path.startswith("clinical/"):
            yield PurePath(file.path).name, file.content()


def batch_of_forms(
    site: SiteCode, export_name: str, delivered: Iterable[tuple[str, bytes]]
) -> BatchForms:
    forms = []
    for number, (name, data) in enumerate(delivered):
        form = read_form(name, data, site=site, file_no=number, source_sha256=sha256_of_bytes(data))
        # One site adds a column of its own.
        assert {finding.rule_id for finding in form.findings} <= {"CLIN_UNKNOWN_HEADER"}
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
                orientation="axial",
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
            )
        )
    return CohortLabels(series=tuple(series), studies=tuple(studies.values()))


def _shifted_date(study_uid: str, shift_days: int) -> str:
    """Return the shifted day of a study; the simulator's UIDs carry the day and time."""
    (stamp,) = [part for part in study_uid.split(".") if len(part) == 14 and part[:2] == "20"]
    day = dt.date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8]))
    return (day - dt.timedelta(days=shift_days)).strftime("%Y%m%d")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_nights", "faults"), [(1, ()), (2, ()), (2, ("incremental_forms", "late_edc_form"))]
)
def test_nine_sites_with_their_formats_give_the_true_verdicts_and_a_flow_that_closes(
    ring: KeyRing, n_nights: int, faults: tuple[str, ...]
) -> None:
    request = Request(sites=9, subjects=6, nights=2, seed=7, faults=faults)
    nights = [night for night in plan_nights(request) if night.export.night <= n_nights]
    merged = merge_batches(
        [
            batch_of_forms(
                SiteCode(n.export.hospital.code), f"{n.export.night}", planned_forms(n.export)
            )
            for n in nights
        ],
        ring,
    )
    labels = [row for night in nights for row in night.export.labels]
    found = assemble_cohort(merged.rows, true_labels(labels, ring)).tables
    effects = {
        (r["subject_id"], r["reading"], r["criterion_id"]): r["effect"]
        for r in found["criterion_result"]
    } | {(r["subject_id"], r["reading"], "status"): r["status"] for r in found["eligibility"]}
    truth = [row for night in nights if night.export.night == n_nights for row in night.eligibility]
    assert len(truth) == 9 * 6 * 2 * 10
    for one in truth:
        subject = ring.subject_id(SiteCode(str(one["site"])), SubjectNo(str(one["subject_no"])))
        assert effects[subject, one["reading"], one["criterion"]] == one["effect"], one
    table = pa.Table.from_pylist(found["stard_flow"])
    assert len(set(table["reading"].to_pylist())) == len(read_protocol().readings)
    assert check_flow(table) == []


@pytest.mark.slow
def test_every_story_at_a_limit_gets_its_true_verdict(ring: KeyRing) -> None:
    request = Request(sites=1, subjects=len(STORIES), nights=2, seed=5, faults=())
    nights = list(plan_nights(request))
    site = SiteCode("S91")
    batches = [batch_of_forms(site, n.export.name, planned_forms(n.export)) for n in nights]
    labels = [row for night in nights for row in night.export.labels]
    merged = merge_batches(batches, ring)
    found = assemble_cohort(merged.rows, true_labels(labels, ring)).tables
    effects = {
        (r["subject_id"], r["reading"], r["criterion_id"]): r["effect"]
        for r in found["criterion_result"]
    }
    differing = []
    for one in nights[-1].eligibility:
        subject = ring.subject_id(site, SubjectNo(str(one["subject_no"])))
        key = (subject, one["reading"], one["criterion"])
        if one["criterion"] != "status" and effects.get(key) != one["effect"]:
            differing.append((one["story"], *key[1:], one["effect"], effects.get(key)))
    assert differing == []
