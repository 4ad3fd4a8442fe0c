"""Which exam of the protocol a study is follows from labels, agent and date."""

from __future__ import annotations

from typing import Any

from schemas.dicom.features import InstanceFeatures
from schemas.records import StudyRole
from tests.unit.harmonise.exams import label, series


def roles(*parts: list[InstanceFeatures]) -> list[StudyRole]:
    by_uid = {study.study_uid: study for study in label(*parts).studies}
    return [by_uid[part[0].study_uid or ""] for part in parts]


def ct(
    study: int, date: str, description: str = "动脉期 5.0", **more: Any
) -> list[InstanceFeatures]:
    return series(
        1, description, study=study, modality="CT", StudyDate=date, AcquisitionDate=date, **more
    )


def mr(study: int, date: str, description: str, agent: str) -> list[InstanceFeatures]:
    named: dict[str, Any] = {"ContrastBolusAgent": agent} if agent else {}
    return series(1, description, study=study, StudyDate=date, AcquisitionDate=date, **named)


def test_the_first_contrast_ct_is_the_candidate_baseline_and_a_later_one_follow_up() -> None:
    first, later = roles(ct(1, "20250101"), ct(2, "20250501"))
    assert (first.role, later.role) == ("baseline_ct", "followup")


def test_a_native_ct_is_no_baseline() -> None:
    [study] = roles(ct(1, "20250101", "平扫 5.0"))
    assert (study.role, study.contrast_agent_class) == ("other", "none")


def test_two_contrast_cts_of_one_day_tie() -> None:
    studies = roles(ct(1, "20250101"), ct(2, "20250101"))
    assert [s.role for s in studies] == ["baseline_ct", "baseline_ct"]
    assert all("ROLE-TIE ExamDate" in s.role_evidence for s in studies)


def test_the_agent_of_the_header_tells_the_two_mr_exams_apart() -> None:
    eob, dce = roles(
        mr(1, "20250101", "T1 动脉期", "普美显"), mr(2, "20250103", "T1 动脉期", "加乐显")
    )
    assert (eob.role, eob.contrast_agent_class) == ("eob_mri", "gadoxetate")
    assert (dce.role, dce.contrast_agent_class) == ("dce_mri", "extracellular")


def test_a_hepatobiliary_phase_names_gadoxetate_when_the_header_is_silent() -> None:
    [study] = roles(mr(1, "20250101", "T1 肝胆期", ""))
    assert (study.role, study.contrast_agent_class) == ("eob_mri", "gadoxetate")


def test_a_dynamic_mr_whose_agent_nobody_named_is_other() -> None:
    [study] = roles(mr(1, "20250101", "T1 动脉期", ""))
    assert (study.role, study.contrast_agent_class) == ("other", "unknown")
    assert "ROLE-AGENT-UNDETERMINED" in study.role_evidence


def test_gadobenate_is_neither_of_the_two_agents() -> None:
    [study] = roles(mr(1, "20250101", "T1 动脉期", "莫迪司"))
    assert (study.role, study.contrast_agent_class) == ("other", "gadobenate")


def test_studies_without_subject_stand_alone() -> None:
    first = ct(1, "20250101", subject_id=None)
    second = ct(2, "20250501", subject_id=None)
    assert [s.role for s in roles(first, second)] == ["baseline_ct", "baseline_ct"]


def test_required_labels_depend_on_the_role() -> None:
    result = label(mr(1, "20250101", "T1 肝胆期", "普美显"))
    assert [row.required_for_protocol for row in result.series] == [True]
    result = label(mr(1, "20250101", "T1 动脉期", ""))
    assert [row.required_for_protocol for row in result.series] == [False]
