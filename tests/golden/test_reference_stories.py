"""Every worked story of the reference standard comes out as a clinician would read it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.clinical_rows import Cell, ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.protocol import read_protocol
from tasks.eligibility.assemble import CohortRows, assemble_cohort
from tasks.reference.adjudication import evidence_digest
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import DCE, plain_images, plain_rows, row

PATH = Path(__file__).with_name("reference_stories.yaml")
STORIES: list[dict[str, Any]] = yaml.safe_load(PATH.read_text(encoding="utf-8"))["stories"]
READINGS = [reading.id for reading in read_protocol().readings]
_FORMS = ("diagnosis", "pathology", "follow_up", "treatment")


def on(day: int | None) -> Cell:
    return Missing.NOT_APPLICABLE if day is None else PartialDate.of(DCE + dt.timedelta(days=day))


def _number(lesion: int) -> Cell:
    return lesion or Missing.NOT_ENTERED


def told(value: str | float | None) -> Cell:
    return Missing.NOT_APPLICABLE if value is None else value


def rows_of(story: dict[str, Any]) -> list[ClinicalRow]:
    """Return the forms of a subject whom nothing but the story's records distinguishes."""
    rows = [one for one in plain_rows() if one.form not in _FORMS]
    for number, lesion in enumerate(story["lesions"], 1):
        reference_class, route = lesion.split(" by ")
        rows.append(
            row("diagnosis", lesion_no=number, reference_class=reference_class,
                reference_route=route)
        )  # fmt: skip
    for number, (lesion, day, procedure, code) in enumerate(story.get("specimens", ()), 1):
        rows.append(
            row("pathology", specimen_no=number, lesion_no=_number(lesion), specimen_date=on(day),
                report_date=on(day + 2),
                procedure=procedure, diagnosis_code=code)
        )  # fmt: skip
    if story.get("no_pathology"):
        rows.append(row("pathology", specimen_no=0, pathology_done="no"))
    for number, contact in enumerate(story.get("follow_ups", ()), 1):
        lesion, day, conclusion, status, change = contact
        rows.append(
            row("follow_up", followup_no=number, lesion_no=_number(lesion), image_date=on(day),
                image_done="no" if day is None else "yes", conclusion=told(conclusion),
                followup_status=status, size_change_percent=told(change))
        )  # fmt: skip
    for number, (day, kind, target) in enumerate(story.get("treatments", ()), 1):
        rows.append(
            row("treatment", treatment_no=number, prior_treatment="yes", start_date=on(day),
                type=kind, target=target)
        )  # fmt: skip
    if not story.get("treatments"):
        rows.append(row("treatment"))
    return [*rows, *judgements_of(story, rows)]


def judgements_of(story: dict[str, Any], rows: list[ClinicalRow]) -> list[ClinicalRow]:
    """Return the adjudication forms; the readers saw the evidence of the story, or older."""
    lesions = {one.number("lesion_no"): one for one in rows if one.form == "diagnosis"}
    judgements = []
    for lesion, role, reader, found, evidence in story.get("adjudications", ()):
        today = evidence_digest(lesions[lesion], rows)
        judgements.append(
            row("adjudication", lesion_no=lesion, role=role, reader_id=reader,
                reference_class=found,
                evidence_digest=today if evidence == "today" else "EV-0000000000000000")
        )  # fmt: skip
    return judgements


def told_by(story: dict[str, Any]) -> CohortRows:
    return assemble_cohort(rows_of(story), plain_images(), judge_subject)


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_every_lesion_has_the_state_that_its_record_gives_it(story: dict[str, Any]) -> None:
    tables = told_by(story).tables
    assert [lesion["reference_state"] for lesion in tables["lesion"]] == story["states"]
    (subject,) = tables["subject"]
    assert subject["patient_reference"] == story["subject"]
    assert subject["partially_verified"] is bool(story.get("partial"))
    flags = {flag for lesion in tables["lesion"] for flag in lesion["reference_flags"]}  # type: ignore[attr-defined]
    assert set(story.get("flags", ())) <= flags


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_every_reading_decides_i5_and_e3_as_stated(story: dict[str, Any]) -> None:
    found = {
        (verdict["reading"], verdict["criterion_id"]): verdict["effect"]
        for verdict in told_by(story).tables["criterion_result"]
        if verdict["criterion_id"] in ("I5", "E3")
    }
    differs = story.get("but", {})
    expected = {
        (reading, criterion): differs.get(reading, {}).get(criterion, effect)
        for reading in READINGS
        for criterion, effect in story["effects"].items()
    }
    assert found == expected


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_only_a_proven_label_is_published_as_one(story: dict[str, Any]) -> None:
    for lesion in told_by(story).tables["lesion"]:
        proven = lesion["reference_state"] == "proven"
        assert (lesion["malignant"] is not None) is proven
        assert bool(lesion["reference_proof"]) is proven


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_adjudications_that_do_not_count_are_findings(story: dict[str, Any]) -> None:
    found = {one.rule_id for one in told_by(story).findings}
    raised = {rule.removeprefix("REF_ADJUDICATION_") for rule in found if "ADJUDICATION" in rule}
    assert raised == set(story.get("adjudication_problems", ()))


@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_a_lesion_that_readers_settled_says_so_and_what_they_found(story: dict[str, Any]) -> None:
    settled = {
        lesion["lesion_no"]: lesion["reference_class"]
        for lesion in told_by(story).tables["lesion"]
        if lesion["reference_route"] == "adjudication"
    }
    assert settled == story.get("settled", {})


@pytest.mark.parametrize(
    "story",
    [story for story in STORIES if "contradicted" in story["states"]],
    ids=lambda story: story["name"],
)
def test_a_contradiction_is_a_major_finding_that_names_both_fields(story: dict[str, Any]) -> None:
    found = [one for one in told_by(story).findings if one.rule_id == "REF_CONTRADICTED"]
    assert found
    for one in found:
        assert one.severity == "major"
        assert one.column_name in one.message_en
        assert one.expected in one.message_en
        assert one.column_name in one.message_zh
        assert one.expected != one.column_name
