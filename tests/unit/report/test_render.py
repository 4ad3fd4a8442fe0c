"""The pages: complete, the same twice, self-contained, and safe with any text."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from schemas.errors import BadInputError
from tasks.report.frame import NAVIGATION, RATER_STATE_SCRIPT, STATE_SCRIPT
from tasks.report.model import ReportInput
from tasks.report.worklist import order_findings
from tests.unit.report.synthetic import make_report, render_site

PAGE_BUDGET_BYTES = 300_000


class Elements(HTMLParser):
    """All elements of a page with their attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return render_site(make_report())


def empty_report() -> ReportInput:
    return dataclasses.replace(
        make_report(n_sites=1),
        release=None,
        tables={},
        documents=None,
        batches=(),
        findings=(),
        previous=None,
    )


def unpack(files: dict[str, bytes], table: str, folder: str = "") -> list[dict[str, str]]:
    """Return the rows of all parts of a long table, as the page would load them."""
    contents = json.loads(files[f"data/{folder}{table}.js"].decode().split("=", 1)[1].rstrip("\n;"))
    rows = []
    for entry in contents["parts"]:
        part = json.loads(files[f"data/{entry['file']}"].decode().split(",", 2)[2].rstrip("\n;)"))
        found = [[part["strings"][place] for place in row] for row in part["rows"]]
        assert sum(counts[-1] for counts in entry["counts"]) == len(found)
        rows += [dict(zip(contents["columns"], row, strict=True)) for row in found]
    return rows


def test_there_is_a_page_per_site_and_one_per_question(files: dict[str, bytes]) -> None:
    pages = {name for name in files if name.endswith(".html")}
    subjects = make_report().tables["subject"]["subject_id"].to_pylist()
    assert pages == {
        *(f"{name}.html" for name in NAVIGATION),
        *(f"sites/S{n:02d}.html" for n in range(1, 29)),
        *(f"subjects/{subject}.html" for subject in subjects),
    }


def test_the_same_input_gives_the_same_bytes(files: dict[str, bytes]) -> None:
    assert render_site(make_report()) == files


def test_the_name_of_the_run_stands_in_no_page(files: dict[str, bytes]) -> None:
    assert render_site(make_report(run="release-9.9.9")) == files


def test_the_order_of_findings_and_batches_changes_nothing(files: dict[str, bytes]) -> None:
    given = make_report()
    turned = dataclasses.replace(
        given,
        findings=tuple(reversed(given.findings)),
        batches=tuple(reversed(given.batches)),
    )
    assert render_site(turned) == files


def test_every_page_with_its_scripts_and_styles_stays_within_budget(
    files: dict[str, bytes],
) -> None:
    for name, page in files.items():
        if name.endswith(".html"):
            loaded = re.findall(r'(?:src|href)="(?:\.\./)?((?:assets|data)/[^"]+)"', page.decode())
            known = [files[one] for one in loaded if one not in (STATE_SCRIPT, RATER_STATE_SCRIPT)]
            assert len(page) + sum(map(len, known)) <= PAGE_BUDGET_BYTES, name


def test_no_page_names_an_address_outside_its_folder(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        assert re.search(rb"https?://|[\"'(]//", data) is None, name


def test_pages_hold_no_inline_script_style_or_handler(files: dict[str, bytes]) -> None:
    """A strict content security policy of whoever serves the folder must not break it.

    A site's page brings its style along, because it is mailed alone, and the one script that
    it then needs: where the folder is there, that of the folder runs.
    """
    for name, page in files.items():
        if name.endswith(".html"):
            for tag, attributes in Elements(page).found:
                assert tag != "style" or name.startswith("sites/"), name
                assert tag != "script" or attributes.get("src") or name.startswith("sites/"), name
                assert not [one for one in attributes if one == "style" or one.startswith("on")]
        if name.startswith("sites/"):
            alone = page.decode().split('site.js"></script>\n<script>\n')[1]
            assert alone.startswith("if (!window.livercohort) {")


def test_text_of_a_finding_is_never_markup() -> None:
    given = make_report(n_sites=1, findings_per_site=1)
    hostile = "</script><img src=x onerror=alert(1)>"
    bad = dataclasses.replace(given.findings[0], message_en=hostile, rule_id=hostile)
    pages = render_site(dataclasses.replace(given, findings=(bad,)))
    for name, page in pages.items():
        if name.endswith(".html"):
            assert b"<img src=x" not in page, name


def test_the_first_page_shows_the_sum_of_the_files(files: dict[str, bytes]) -> None:
    n_files = sum(one.n_files for one in make_report().batches)
    assert f"{n_files:,}" in files["index.html"].decode()
    assert b"adds up" in files["index.html"]


def test_the_first_page_counts_registered_active_and_contributing_sites(
    files: dict[str, bytes],
) -> None:
    assert b"28 registered / 28 active / 28 contributing" in files["index.html"]


def test_findings_of_no_site_have_a_row_so_that_the_columns_of_the_sites_add_up() -> None:
    given = make_report(n_sites=2)
    blocker = next(one for one in given.findings if one.severity == "blocker")
    homeless = dataclasses.replace(blocker, site_code="", finding_id="f")
    page = render_site(dataclasses.replace(given, findings=(*given.findings, homeless)))
    table = page["index.html"].decode().split('<table class="sortable compact">')[1]
    numbers = [
        [int(value) for value in re.findall(r'data-value="(\d+)"', row)]
        for row in re.findall(r"<tr.*?</tr>", table.split("</table>")[0], re.DOTALL)[1:]
    ]
    *parts, total = [row[-2:] for row in numbers]
    assert len(parts) == 3
    assert [sum(column) for column in zip(*parts, strict=True)] == total


def test_unsigned_decisions_are_announced_where_counts_depend_on_them(
    files: dict[str, bytes],
) -> None:
    for name in ("index.html", "eligibility.html"):
        assert b"26 protocol decisions are not signed" in files[name]


def test_a_fictitious_site_is_announced_on_every_page() -> None:
    for name, page in render_site(make_report(n_sites=2, fictitious=True)).items():
        assert not name.endswith(".html") or b"are fictitious" in page, name


def test_every_finding_reaches_the_worklist_with_subject_evidence_and_fix(
    files: dict[str, bytes],
) -> None:
    rows = unpack(files, "findings")
    expected = order_findings(make_report().findings)
    assert [row["finding_id"] for row in rows] == [one.finding_id for one in expected]
    assert all(row["subject"] and row["fix_en"] and row["fix_zh"] for row in rows)


def test_a_site_page_holds_the_findings_of_its_site_only(files: dict[str, bytes]) -> None:
    rows = unpack(files, "findings", "S05/")
    assert {row["site"] for row in rows} == {"S05"}


def test_every_subject_stands_in_the_table_and_in_the_matrix_of_its_site(
    files: dict[str, bytes],
) -> None:
    listed = {row["subject"] for row in unpack(files, "subjects")}
    in_matrix = {
        row["subject"] for n in range(1, 29) for row in unpack(files, "matrix", f"S{n:02d}/")
    }
    assert listed == in_matrix == set(make_report().tables["subject"]["subject_id"].to_pylist())


def test_age_is_completed_years_and_never_rounded_up() -> None:
    given = make_report(n_sites=1, subjects_per_site=1)
    tables = dict(given.tables)
    subjects = tables["subject"].to_pylist()
    subjects[0]["age_years"] = 17.99
    tables["subject"] = type(tables["subject"]).from_pylist(subjects)
    files = render_site(dataclasses.replace(given, tables=tables))
    by_subject = {row["subject"]: row for row in unpack(files, "subjects")}
    assert by_subject[subjects[0]["subject_id"]]["age"] == "17"


def test_a_run_without_release_batches_or_findings_still_has_all_pages() -> None:
    files = render_site(empty_report())
    assert b"Nothing has been taken in yet." in files["index.html"]
    assert b"No release was published" in files["index.html"]
    assert b"No finding stands." in files["worklist.html"]
    assert b"No subject is in the release." in files["subjects.html"]


def test_a_table_missing_from_a_release_is_said_on_the_page() -> None:
    given = make_report(n_sites=1)
    tables = {name: table for name, table in given.tables.items() if name != "stard_flow"}
    files = render_site(dataclasses.replace(given, tables=tables))
    assert b"These tables are not in the release" in files["eligibility.html"]
    assert b"no flow for this reading" in files["flow.html"]


def test_a_flow_node_of_zero_is_shown(files: dict[str, bytes]) -> None:
    page = files["flow.html"].decode()
    row = re.search(r'data-node="window_truncated">.*?</tr>', page, re.DOTALL)
    assert row is not None
    assert 'data-value="0"' in row.group()


def test_a_site_code_that_is_none_names_no_page() -> None:
    given = make_report(n_sites=1)
    bad = dataclasses.replace(given.findings[0], site_code="../S01")
    with pytest.raises(BadInputError, match="not one of this project"):
        render_site(dataclasses.replace(given, findings=(bad,)))


def test_many_nights_of_a_site_stay_one_short_table_that_sums_up() -> None:
    given = make_report(n_sites=1, batches_per_site=200)
    page = render_site(given)["sites/S01.html"].decode()
    assert "170 earlier batches" in page
    assert f"{sum(one.n_files for one in given.batches):,}" in page


def test_a_site_page_names_no_subject_so_that_it_may_be_mailed_alone(
    files: dict[str, bytes],
) -> None:
    subjects = make_report().tables["subject"]["subject_id"].to_pylist()
    for name, page in files.items():
        if name.startswith("sites/"):
            assert not [one for one in subjects if one.encode() in page], name
            assert b"<style>" in page


def test_a_subject_page_says_what_is_missing_in_words(files: dict[str, bytes]) -> None:
    rows = make_report().tables["criterion_result"].to_pylist()
    lacking = next(
        row
        for row in rows
        if row["reading"] == "literal"
        and row["missing_evidence"] == ["edc.treatment.prior_treatment"]
    )
    page = files[f"subjects/{lacking['subject_id']}.html"].decode()
    shown = page.split(f'data-criterion="{lacking["criterion_id"]}"')[1].split("</tr>")[0]
    assert "whether treated before" in shown
    assert "是否既往治疗" in shown
    assert "undetermined" in shown


def test_a_subject_page_holds_all_findings_of_the_subject_with_observed_expected_and_fix(
    files: dict[str, bytes],
) -> None:
    rows = unpack(files, "findings")
    subject = rows[0]["subject"]
    page = files[f"subjects/{subject}.html"].decode().split("<h2>")
    (shown,) = [part for part in page if part.startswith('<span lang="en">Findings')]
    own = [row for row in rows if row["subject"] == subject]
    assert shown.count('class="severity') == len(own)
    for row in own:
        assert all(
            row[name] in shown
            for name in (
                "observed_en",
                "observed_zh",
                "expected_en",
                "expected_zh",
                "fix_en",
                "fix_zh",
            )
        )


def test_a_subject_page_draws_the_windows_of_the_protocol(files: dict[str, bytes]) -> None:
    studies = make_report().tables["imaging_study"].to_pylist()
    with_all = next(
        row["subject_id"]
        for row in studies
        if {one["role"] for one in studies if one["subject_id"] == row["subject_id"]}
        == {"baseline_ct", "dce_mri", "eob_mri"}
    )
    page = files[f"subjects/{with_all}.html"].decode()
    assert page.count('<rect class="window') == 3
    assert "2021-" not in page
    assert "2022-" not in page


def test_without_pictures_a_series_says_so_and_no_exam_is_rated(files: dict[str, bytes]) -> None:
    subject = next(name for name in files if name.startswith("subjects/"))
    assert b"no volume to show" in files[subject]
    assert not [name for name in files if name.startswith("rating/")]
