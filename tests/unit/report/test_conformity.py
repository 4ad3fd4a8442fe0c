"""The release page says of every series what a validator found, and why."""

from __future__ import annotations

from dataclasses import replace

from schemas.conformity import ConformityRow, load_known_lines
from tasks.report.conformity import view_conformity
from tasks.report.model import read_cohort
from tasks.report.render import render_report
from tests.unit.report.synthetic import make_report


def test_new_lines_name_their_series_and_their_reason_and_what_nobody_checked_is_counted() -> None:
    report = make_report(n_sites=1)
    first, second, third = read_cohort(report.tables).series[:3]
    known = next(iter(load_known_lines()))
    rows = (
        ConformityRow("1", first.series_uid, "v", new_warnings=1, new_lines=(known,)),
        ConformityRow("2", second.series_uid, "v", new_errors=1, new_lines=("Error - X",)),
        ConformityRow("3", third.series_uid, "", not_checked="no validator was installed"),
    )
    view = view_conformity(rows, read_cohort(report.tables).series)
    assert view is not None
    assert (view.n_series, view.n_checked, view.new_errors, view.new_warnings) == (3, 2, 1, 1)
    assert view.not_checked == {"no validator was installed": 1}
    assert [one.subject_id for one in view.lines] == [first.subject_id, second.subject_id]
    assert [bool(one.reason[0]) for one in view.lines] == [True, False]
    page = render_report(replace(report, conformity=rows)).files["release.html"].decode()
    for text in (
        known,
        "Error - X",
        first.series_uid,
        "未安装校验程序",
        "1 new error",
        "原因未知",
    ):
        assert text in page


def test_a_release_without_the_document_says_nothing() -> None:
    assert view_conformity((), ()) is None
