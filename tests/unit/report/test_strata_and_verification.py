"""Counts by stratum close, and error rates carry their interval."""

from __future__ import annotations

from collections import Counter

from schemas.verification_counts import FieldCounts
from tasks.report.strata import ALL_SITES, count_strata
from tasks.report.tables import EligibilityRow, SubjectRow
from tasks.report.verification import error_rates


def subject(number: int, site: str, stratum: str | None) -> SubjectRow:
    return SubjectRow(f"{site}-{number}", site, "F", 50.0, stratum, "US")


def verdict(subject_id: str, status: str) -> EligibilityRow:
    return EligibilityRow(subject_id, "literal", status, None, ())


SUBJECTS = [
    subject(1, "S91", "prospective"),
    subject(2, "S91", "retrospective"),
    subject(3, "S92", None),
    subject(4, "S92", "prospective"),
]
VERDICTS = [
    verdict("S91-1", "eligible"),
    verdict("S91-2", "ineligible"),
    verdict("S92-3", "undetermined"),
]


def test_every_subject_is_in_one_stratum_and_status_of_its_site() -> None:
    lines = {
        (one.site_code, one.stratum): one for one in count_strata(SUBJECTS, VERDICTS, "literal")
    }
    assert lines["S91", "prospective"].eligible == 1
    assert lines["S91", "retrospective"].ineligible == 1
    assert lines["S92", "unknown"].undetermined == 1
    assert lines["S92", "prospective"].undetermined == 1, "no verdict is no decision"


def test_strata_and_sites_add_up_to_the_cohort() -> None:
    lines = count_strata(SUBJECTS, VERDICTS, "literal")
    totals: Counter[str] = Counter()
    for one in lines:
        assert one.subjects == one.eligible + one.undetermined + one.ineligible
        totals["all" if one.site_code == ALL_SITES else "sites"] += one.subjects
    assert totals == {"all": 4, "sites": 4}


def test_a_site_has_the_rate_of_its_critical_fields_and_of_each_field() -> None:
    counts = [
        FieldCounts("S91", "diagnosis", "reference_class", True, 1, 15, 1, 0),
        FieldCounts("S91", "pathology", "specimen_date", True, 1, 14, 0, 2),
        FieldCounts("S91", "diagnosis", "segment", False, 1, 0, 0, 4),
    ]
    lines = {one.field: one for one in error_rates(counts)}
    critical = lines[""]
    assert (critical.compared, critical.differed, critical.no_source) == (29, 1, 2)
    # Newcombe (1998), table I: 1 of 29 by Wilson is 0.0061 to 0.1718.
    assert (critical.low, critical.high) == (0.6, 17.2)
    assert lines["diagnosis.segment"].share is None
