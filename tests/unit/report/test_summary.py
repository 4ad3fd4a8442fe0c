"""The first page: verdict, sites, what changed."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest

from tasks.report.model import BatchAccount, PreviousRelease, ReportInput, read_cohort
from tasks.report.summary import compare_releases, count_sites, judge_run, list_sites
from tests.unit.report.synthetic import make_report


def report(**changes: object) -> ReportInput:
    base = make_report(n_sites=3, fictitious=True)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]  # of mixed type


def test_a_blocker_blocks() -> None:
    assert judge_run(report()).level == "blocked"


def test_without_blockers_a_major_finding_asks_for_attention() -> None:
    majors = tuple(one for one in report().findings if one.severity == "major")
    assert judge_run(report(findings=majors)).level == "attention"


def test_with_minor_findings_only_the_run_is_clear() -> None:
    calm = make_report(n_sites=2, blockers=False)
    assert judge_run(calm).level == "clear"


def test_files_that_do_not_add_up_outrank_every_finding() -> None:
    off = (BatchAccount("S91", "b1", 10, {"accepted": 9}),)
    verdict = judge_run(report(batches=off))
    assert verdict.level == "blocked"
    assert "S91" in verdict.sentence
    assert "1 not accounted for" in str(verdict.files)


def test_nothing_taken_in_is_said_as_such() -> None:
    verdict = judge_run(report(batches=(), findings=()))
    assert (verdict.level, verdict.files) == ("idle", None)


def test_a_blocker_that_belongs_to_no_site_stands_at_the_whole_run() -> None:
    blocker = next(one for one in report().findings if one.severity == "blocker")
    verdict = judge_run(report(findings=(dataclasses.replace(blocker, site_code=""),)))
    assert "the whole run" in verdict.sentence


def test_fictitious_sites_contribute_but_are_never_registered() -> None:
    given = report()
    sites = count_sites(read_cohort(given.tables), given.batches, given.active_sites)
    assert (sites.registered, sites.active, sites.contributing) == (28, 3, 3)
    assert sites.fictitious == ("S91", "S92", "S93")
    assert len(sites.waiting) == 28


def test_the_registered_sites_are_counted_even_before_the_first_release() -> None:
    assert count_sites(read_cohort({}), (), ()).registered == 28


def test_a_site_with_findings_but_without_data_has_a_line() -> None:
    given = report(batches=())
    lines = list_sites(read_cohort({}), (), given.findings)
    assert [line.site_code for line in lines] == ["S91", "S92", "S93"]


def test_the_lines_of_the_sites_sum_to_the_whole() -> None:
    given = report()
    cohort = read_cohort(given.tables)
    lines = list_sites(cohort, given.batches, given.findings)
    assert sum(line.subjects for line in lines) == len(cohort.subjects)
    assert sum(line.files.n_files for line in lines) == sum(one.n_files for one in given.batches)
    assert sum(sum(line.severities.values()) for line in lines) == len(given.findings)


def test_what_changed_names_added_and_removed_subjects() -> None:
    changes = compare_releases(report())
    assert changes is not None
    assert (changes.version, len(changes.added), changes.removed) == ("1.1.0", 9, 0)
    assert [(one.table, one.now - one.before) for one in changes.tables] == [("subject", 9)]


def test_what_changed_names_verdicts_and_labels_that_moved() -> None:
    """No subject came or went, and yet two of them are eligible now."""
    given = report()
    verdicts, series = given.tables["eligibility"], given.tables["series"]
    rows = verdicts.to_pylist()
    moved = [row for row in rows if (row["reading"], row["status"]) == ("literal", "eligible")][:2]
    for row in moved:
        row["status"] = "undetermined"
    other = next(row for row in rows if row["reading"] == "combined_exam")
    other["status"] = "ineligible" if other["status"] == "eligible" else "eligible"
    labels = series.to_pylist()
    labels[0]["label"], now = "UNCLASSIFIED", labels[0]["label"]
    before = {
        **given.tables,
        "eligibility": pa.Table.from_pylist(rows, schema=verdicts.schema),
        "series": pa.Table.from_pylist(labels, schema=series.schema),
    }
    changes = compare_releases(report(previous=PreviousRelease("1.1.0", before)))
    assert changes is not None
    (verdict,), (label,) = changes.verdicts, changes.labels
    assert (verdict.before, verdict.now) == ("undetermined", "eligible")
    assert verdict.subjects == tuple(sorted(row["subject_id"] for row in moved))
    assert (label.before, label.now, label.n) == ("UNCLASSIFIED", now, 1)
    assert (changes.added, changes.removed) == ((), 0)


@pytest.mark.parametrize("changes", [{"previous": None}, {"release": None}])
def test_without_two_releases_nothing_is_compared(changes: dict[str, object]) -> None:
    assert compare_releases(report(**changes)) is None
