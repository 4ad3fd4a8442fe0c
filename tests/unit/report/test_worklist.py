"""Findings: worst first, grouped by rule, and never without their subject when it is known."""

from __future__ import annotations

from schemas.finding_texts import read_finding_texts
from schemas.package_data import data_contracts_dir
from schemas.records import Finding
from schemas.states import Severity
from tasks.report.model import Cohort, read_cohort
from tasks.report.worklist import (
    count_severities,
    find_subject,
    group_by_rule,
    order_findings,
    owner_of,
    subject_of_object,
)
from tasks.validate.store import read_suites
from tests.unit.report.synthetic import make_report


def finding(rule: str, severity: Severity, site: str = "S91", obj: str = "x") -> Finding:
    return Finding(
        *(f"{rule}{site}{obj}", rule, severity, site, "series", obj, "", "", ""),
        *("wrong", "不对", "mend", "处理"),
    )


def cohort() -> Cohort:
    return read_cohort(make_report(n_sites=1, subjects_per_site=2).tables)


def test_blockers_come_before_majors_before_minors_before_notes() -> None:
    mixed = [finding("R", severity) for severity in reversed(Severity)]
    assert [one.severity for one in order_findings(mixed)] == list(Severity)


def test_the_order_of_findings_does_not_depend_on_the_order_they_came_in() -> None:
    findings = make_report(n_sites=3).findings
    assert order_findings(findings) == order_findings(tuple(reversed(findings)))


def test_one_line_per_rule_with_its_sites() -> None:
    groups = group_by_rule(
        [
            finding("R1", Severity.MAJOR),
            finding("R2", Severity.MAJOR, "S93"),
            finding("R2", Severity.MAJOR, "S92"),
            finding("R3", Severity.BLOCKER),
        ]
    )
    assert [(one.rule_id, one.n, one.sites) for one in groups] == [
        ("R3", 1, ("S91",)),
        ("R2", 2, ("S92", "S93")),
        ("R1", 1, ("S91",)),
    ]


def test_severities_without_a_finding_are_counted_as_zero() -> None:
    assert count_severities([finding("R", Severity.MINOR)]) == {
        "blocker": 0,
        "major": 0,
        "minor": 1,
        "info": 0,
    }


def test_a_finding_on_a_series_belongs_to_the_subject_of_the_series() -> None:
    known = cohort()
    series = known.series[0]
    owner = subject_of_object(known)
    for key in (series.series_uid, f"{series.series_uid}/{series.sub_stack_digest}"):
        assert find_subject(key, owner) == series.subject_id


def test_a_finding_on_a_subject_a_study_or_a_criterion_belongs_to_the_subject() -> None:
    known = cohort()
    study = known.studies[0]
    owner = subject_of_object(known)
    for key in (study.subject_id, study.study_uid, f"{study.subject_id}|I4|literal"):
        assert find_subject(key, owner) == study.subject_id


def test_a_finding_on_an_unknown_object_belongs_to_nobody() -> None:
    assert find_subject("S91-AAAAAAAA", subject_of_object(cohort())) == ""


def test_grouping_loses_no_finding() -> None:
    findings = make_report(n_sites=4).findings
    assert sum(group.n for group in group_by_rule(findings)) == len(findings)


def test_an_object_whose_key_begins_with_its_subject_belongs_to_it() -> None:
    found = cohort()
    owner = subject_of_object(found)
    subject = found.subjects[0].subject_id
    for key in ("L1", "P1", "F2", "T1", "Q-ct-R-1-2020-06-18"):
        assert find_subject(f"{subject}-{key}", owner) == subject
    assert find_subject("S95-3LDOMMW3-L1", owner) == ""  # nobody of the release: no page to go to


def test_a_volume_belongs_to_the_subject_of_its_series() -> None:
    found = cohort()
    volume = found.volumes[0]
    assert find_subject(volume.volume_id, subject_of_object(found)) == volume.subject_id


def test_every_rule_says_who_acts() -> None:
    texts = {rule.meta.fix_en for suite in read_suites().values() for rule in suite.expectations}
    for folder in ("site_delivery", "protocol", "sequence_labels"):
        path = data_contracts_dir() / folder / "findings.yaml"
        texts |= {one.fix.en for one in read_finding_texts(path).values()}
    assert {text for text in texts if owner_of(text) == "nobody"} == set()
