"""What the EDC states of an exam, and what a reviewer decides, in the role of a study."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import BadInputError, ContractError
from schemas.records import StatedExam, StudyRole
from tasks.harmonise.exam import label_instances
from tasks.harmonise.study_overrides import (
    StudyOverride,
    parse_study_overrides,
    render_study_overrides,
)
from tasks.harmonise.study_review import read_study_decisions, study_queue
from tests.unit.harmonise.exams import label, series

DAY, SUBJECT = "20250306", "S91-AAAAAAAA"


def dynamic(agent: str | None = None) -> list[InstanceFeatures]:
    named: dict[str, Any] = {"ContrastBolusAgent": agent} if agent else {}
    passes = (("pre", -60), ("art", 25), ("portal", 65), ("delayed", 180))
    return [
        m
        for n, (name, at_s) in enumerate(passes, 1)
        for m in series(n, f"t1_vibe_fs_tra_{name}", at_s=at_s, **named)
    ]


def stated(role: str, first: str = DAY, last: str = DAY) -> StatedExam:
    return StatedExam(subject_id=SUBJECT, role=role, earliest=first, latest=last)


def role_of(instances: list[InstanceFeatures], *exams: StatedExam) -> StudyRole:
    [study] = label_instances(instances, stated=exams).studies
    return study


def test_a_dynamic_mri_that_names_no_agent_is_what_the_edc_states_for_its_day() -> None:
    study = role_of(dynamic(), stated("dce_mri"))
    assert (study.role, study.contrast_agent_class) == ("dce_mri", "extracellular")
    assert "AGENT-EDC demographics=dce_mri" in study.role_evidence


def test_the_edc_of_another_day_or_of_two_mri_tells_nothing() -> None:
    other_day = stated("dce_mri", "20250310", "20250310")
    assert role_of(dynamic(), other_day).role == "other"
    assert role_of(dynamic(), stated("dce_mri"), stated("eob_mri")).role == "other"


def test_a_header_that_names_another_agent_stands_and_is_told() -> None:
    labels = label_instances(dynamic("Primovist"), stated=[stated("dce_mri")])
    assert labels.studies[0].role == "eob_mri"
    assert "LABEL_AGENT_DIFFERS_FROM_EDC" in {note.rule_id for note in labels.notes}


def test_native_images_are_no_dce_mri_whatever_the_edc_states() -> None:
    native = series(1, "t1_vibe_fs_tra_pre")
    assert role_of(native, stated("dce_mri")).role == "other"


def test_of_two_cts_the_one_that_the_edc_states_is_the_baseline() -> None:
    first = series(1, "Arterial 5.0", study=1, modality="CT", AcquisitionDate="20250101")
    second = series(1, "Arterial 5.0", study=2, modality="CT", AcquisitionDate="20250306")
    found = label_instances([*first, *second], stated=[stated("baseline_ct")]).studies
    roles = {s.study_date: s.role for s in found}
    assert roles == {"20250101": "other", "20250306": "baseline_ct"}


def override(study_uid: str, role: str = "", agent: str = "") -> StudyOverride:
    return StudyOverride(study_uid, role, agent, "RW01", "2026-01-01", "seen")


def test_a_reviewers_role_and_agent_stand_above_every_rule() -> None:
    instances = dynamic()
    uid = instances[0].study_uid or ""
    [study] = label_instances(
        instances, study_overrides={uid: override(uid, "eob_mri", "gadoxetate")}
    ).studies
    assert (study.role, study.contrast_agent_class) == ("eob_mri", "gadoxetate")
    assert study.role_evidence == ("REVIEWER RW01 2026-01-01",)
    [by_agent] = label_instances(
        instances, study_overrides={uid: override(uid, agent="extracellular")}
    ).studies
    assert by_agent.role == "dce_mri"


def test_decisions_about_studies_come_back_from_their_file() -> None:
    one = override("1.2.3", "dce_mri", "extracellular")
    assert parse_study_overrides(render_study_overrides([one]), "f.csv") == {"1.2.3": one}
    with pytest.raises(ContractError):
        parse_study_overrides(render_study_overrides([replace(one, role="best")]), "f.csv")


def test_the_queue_shows_a_study_without_agent_and_takes_its_decision() -> None:
    labels = label(dynamic())
    [row] = study_queue(labels.studies, labels.series)
    assert (row["label"], row["n_series"]) == ("other", 4)
    filled = {k: str(v) for k, v in row.items()} | {
        "decision": "dce_mri agent=extracellular", "author": "RW01",
        "date": "2026-01-01", "reason": "agent on the request form",
    }  # fmt: skip
    known = [study.study_uid for study in labels.studies]
    [decision] = read_study_decisions(
        [(2, filled)], "q.csv", known=known, standing={}, today=date(2026, 1, 2)
    )
    assert (decision.role, decision.agent_class) == ("dce_mri", "extracellular")
    with pytest.raises(BadInputError):
        read_study_decisions([(2, filled)], "q.csv", known=[], standing={}, today=date(2026, 1, 2))
