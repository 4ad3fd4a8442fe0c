"""Stories by somebody who had not written the rules, from delivered forms to verdicts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.identifiers import BatchId
from schemas.protocol import read_protocol
from schemas.records import CohortLabels
from schemas.vault.keys import KeyRing
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.reconcile import check_rows
from tasks.eligibility.assemble import assemble_cohort
from tasks.reference.judge import judge_subject
from tests.unit.clinical.forms import SITE, form_row, intake_of, read_rows
from tests.unit.eligibility.cohort import CT, DCE, EOB, plain_images

PATH = Path(__file__).with_name("stranger_stories.yaml")
STORIES: list[dict[str, Any]] = yaml.safe_load(PATH.read_text(encoding="utf-8"))["stories"]
READINGS = [reading.id for reading in read_protocol().readings]
_NOT_APPLICABLE = "NA"


def on(day: int | str | None) -> str:
    if day is None:
        return _NOT_APPLICABLE
    return day if isinstance(day, str) else (DCE + dt.timedelta(days=day)).isoformat()


def told(value: object) -> str:
    return _NOT_APPLICABLE if value is None else str(value)


def forms_of(story: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return the forms of a subject whom nothing but the story's records distinguishes."""
    ratings = [form_row("image_quality", exam=exam) for exam in ("ct", "mri")]
    treatments = [
        form_row("treatment", treatment_no=str(number), prior_treatment="yes", start_date=on(start),
                 type=kind, target=target)
        for number, (start, kind, target) in enumerate(story.get("treatments", ()), 1)
    ]  # fmt: skip
    forms = {
        "demographics": [form_row("demographics")],
        "screening_log": [form_row("screening_log")],
        "image_quality": ratings,
        "treatment": treatments or [form_row("treatment")],
        "diagnosis": [
            form_row("diagnosis", lesion_no=told(number), reference_class=code,
                     reference_route=route)
            for number, code, route in story["lesions"]
        ],
        "pathology": [
            form_row("pathology", specimen_no=str(number), lesion_no=told(lesion),
                     specimen_date=on(taken), report_date=on(reported), procedure=procedure,
                     diagnosis_code=code)
            for number, (lesion, taken, reported, procedure, code)
            in enumerate(story.get("specimens", ()), 1)
        ],
        "follow_up": [
            form_row("follow_up", followup_no=str(number), lesion_no="" if lesion is None
                     else str(lesion), image_done="no" if imaged is None else "yes",
                     image_date=on(imaged), conclusion=told(conclusion),
                     followup_status=status, size_change_percent=told(change))
            for number, (lesion, imaged, conclusion, status, change)
            in enumerate(story.get("follow_ups", ()), 1)
        ],
    }  # fmt: skip
    return {form: rows for form, rows in forms.items() if rows}


def images_of(subject: str, shift_days: int) -> CohortLabels:
    images = plain_images(subject)
    days = {"baseline_ct": CT, "dce_mri": DCE, "eob_mri": EOB}
    studies = []
    for one in images.studies:
        shifted = f"{days[one.role] - dt.timedelta(days=shift_days):%Y%m%d}"
        studies.append(replace(one, study_date=shifted, registered_date=shifted))
    return CohortLabels(series=images.series, studies=tuple(studies))


@dataclass(frozen=True)
class Told:
    """What the line makes of a story."""

    states: list[str]
    subject: str
    effects: dict[tuple[str, str], str]
    findings: set[str]


def told_by(story: dict[str, Any], ring: KeyRing) -> Told:
    read = [read_rows(form, *rows)[0] for form, rows in forms_of(story).items()]
    merged = merge_batches([BatchForms(SITE, BatchId("b"), intake_of(*read))], ring)
    (subject,) = {(row.subject_id, row.shift_days) for row in merged.rows}
    cohort = assemble_cohort(merged.rows, images_of(*subject), judge_subject)
    found = [*merged.findings, *check_rows(merged.rows), *cohort.findings]
    return Told(
        [str(lesion["reference_state"]) for lesion in cohort.tables["lesion"]],
        str(cohort.tables["subject"][0]["patient_reference"]),
        {
            (str(verdict["reading"]), str(verdict["criterion_id"])): str(verdict["effect"])
            for verdict in cohort.tables["criterion_result"]
            if verdict["criterion_id"] in ("I5", "E3")
        },
        {one.rule_id for one in found},
    )


def _is_as_stated(expected: str, found: str) -> bool:
    return {"open": found != "proven", "any": True}.get(expected, expected == found)


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_a_story_comes_out_as_a_clinician_reads_it(story: dict[str, Any], ring: KeyRing) -> None:
    found = told_by(story, ring)
    assert len(found.states) == len(story["states"])
    assert all(map(_is_as_stated, story["states"], found.states)), found.states
    label = "open" if found.subject not in ("malignant", "benign") else found.subject
    assert label == story["subject"]
    differs = story.get("but", {})
    assert found.effects == {
        (reading, criterion): differs.get(reading, {}).get(criterion, effect)
        for reading in READINGS
        for criterion, effect in story["effects"].items()
    }
    assert set(story.get("findings", ())) <= found.findings
