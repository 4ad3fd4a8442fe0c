"""What a reviewer is asked about an exam stands with that exam."""

from __future__ import annotations

from dataclasses import replace

from schemas.finding_texts import make_finding
from tasks.report.model import read_cohort
from tasks.report.payloads import pack_findings
from tasks.report.subject_view import view_subjects
from tests.unit.report.synthetic import make_report


def test_a_second_opinion_that_contradicts_stands_with_its_exam_and_in_the_worklist() -> None:
    report = make_report(n_sites=1)
    cohort = read_cohort(report.tables)
    study = next(one for one in cohort.studies if one.role == "dce_mri")
    found = make_finding(
        "measure", "MEASURE_PHASE_CONTRADICTED", "S01",
        object_type="imaging_study", object_id=study.study_uid, observed="art>pvp",
    )  # fmt: skip
    few = replace(
        cohort, subjects=tuple(s for s in cohort.subjects if s.subject_id == study.subject_id)
    )
    (view,) = view_subjects(report, few, ("literal",), {study.subject_id: (found,)})
    shown = {exam.study.role: exam.findings for exam in view.exams}
    assert shown.pop("dce_mri") == (found,)
    assert set(shown.values()) <= {()}
    rows = pack_findings("", [found], {study.study_uid: study.subject_id}, report, {})
    (part,) = (data.decode() for name, data in rows.items() if name.endswith("_000.js"))
    assert study.subject_id in part
    assert '"reviewer"' in part
    assert "动脉期先于门静脉期" in part
