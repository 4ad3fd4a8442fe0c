"""Readers and chair judge a lesion blinded, by keyboard; the form they save is read as one."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from schemas.adjudication import AdjudicationCase
from schemas.clinical_rows import ClinicalRow
from schemas.run.zones import Zones
from tasks.eligibility.assemble import assemble_cohort
from tasks.reference.judge import judge_subject
from tasks.report.store_adjudication import write_adjudication_pages
from tasks.report.subject_view import SeriesView, series_of_subjects
from tests.browser.conftest import publish
from tests.unit.clinical.forms import read_bytes
from tests.unit.eligibility.cohort import SUBJECT, plain_images, plain_rows, row
from tests.unit.report.drawn import with_pictures
from tests.unit.report.synthetic import make_report

pytestmark = pytest.mark.browser

REPORT = make_report(n_sites=1, subjects_per_site=1)
STATE = {"run": "release-1.2.0", "release": "1.2.0", "report_sha256": "0" * 64}
#: A biopsy says HCC, a follow-up that it grew, and the site still says FNH by follow-up.
CONFLICT = [
    *(one for one in plain_rows() if one.form not in ("diagnosis", "follow_up")),
    row("diagnosis", reference_class="FNH", reference_route="followup", diameter_mm=23.5),
    row("follow_up", lesion_no=1, modality="MR", conclusion="progressed", size_change_percent=85),
]


def told(*votes: ClinicalRow) -> tuple[str, list[AdjudicationCase]]:
    """Return the state of the lesion and the cases that are due, with these judgements."""
    cohort = assemble_cohort([*CONFLICT, *votes], plain_images(), judge_subject)
    return str(cohort.tables["lesion"][0]["reference_state"]), list(cohort.cases)


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[SeriesView, ...]]:
    """A report with pictures, and the series of its one subject."""
    home = tmp_path_factory.mktemp("home")
    report = publish(REPORT, home)
    drawn, _ = with_pictures(REPORT, home / "drawn")
    subject = str(REPORT.tables["subject"]["subject_id"][0])
    return report, series_of_subjects(drawn, {subject})[subject]


def violations(page: Page) -> list[tuple[str, str]]:
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [(one["id"], node["html"]) for one in found for node in one["nodes"]]


def pages(
    home: Path, cases: list[AdjudicationCase], shown: tuple[Path, tuple[SeriesView, ...]]
) -> Path:
    report, series = shown
    write_adjudication_pages(Zones(home), cases, {SUBJECT: series}, STATE, report)
    return Zones(home).restricted / "adjudication" / "S91"


def judge(page: Page, path: Path, key: str, code: str, into: Path) -> ClinicalRow:
    """Judge the first case by keyboard alone and return the row that the intake makes of it."""
    page.goto(f"{path.as_uri()}?lang=en")
    expect(page.locator("[data-seen]").first).to_have_text("1/20")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-case] [data-position]").first).to_contain_text("slice 2 of 20")
    page.keyboard.press(key)
    expect(page.locator("[data-decided]").first).to_have_text("✓")
    page.get_by_label("code").focus()
    page.keyboard.type(code)
    with page.expect_download() as handed:
        page.keyboard.press("Enter")
    saved = into / handed.value.suggested_filename
    handed.value.save_as(saved)
    form, findings = read_bytes(saved.name, saved.read_bytes())
    assert findings == []
    assert (form.form, form.incremental) == ("adjudication", True)
    (entered,) = form.rows
    values = {name: value for name, value in entered.values.items() if name != "subject_no"}
    assert str(entered.person) == "LC-1"
    return row("adjudication", **values)


def test_two_readers_who_agree_settle_a_lesion_through_the_page(
    page: Page, tmp_path: Path, shown: tuple[Path, tuple[SeriesView, ...]]
) -> None:
    state, cases = told()
    assert (state, len(cases)) == ("contradicted", 1)
    folder = pages(tmp_path, cases, shown)
    votes = [judge(page, folder / "reader.html", "1", code, tmp_path) for code in ("R01", "R02")]
    assert told(votes[0])[0] == "contradicted"
    assert told(*votes) == ("proven", [])


def test_the_chair_sees_only_lesions_on_which_two_readers_differ(
    page: Page, tmp_path: Path, shown: tuple[Path, tuple[SeriesView, ...]]
) -> None:
    folder = pages(tmp_path, told()[1], shown)
    assert not (folder / "chair.html").exists()
    votes = [
        judge(page, folder / "reader.html", key, code, tmp_path)
        for key, code in (("1", "R01"), ("7", "R02"))
    ]
    assert [vote.text("reference_class") for vote in votes] == ["HCC", "FNH"]
    state, cases = told(*votes)
    assert (state, [one.for_chair for one in cases]) == ("contradicted", [True])
    folder = pages(tmp_path, cases, shown)
    chair = judge(page, folder / "chair.html", "1", "R09", tmp_path)
    assert chair.text("role") == "chair"
    assert told(*votes, chair) == ("proven", [])


def test_a_judgement_of_older_evidence_does_not_count(
    page: Page, tmp_path: Path, shown: tuple[Path, tuple[SeriesView, ...]]
) -> None:
    folder = pages(tmp_path, told()[1], shown)
    votes = [judge(page, folder / "reader.html", "1", code, tmp_path) for code in ("R01", "R02")]
    later = row("follow_up", followup_no=2, lesion_no=1, conclusion="indeterminate")
    cohort = assemble_cohort([*CONFLICT, later, *votes], plain_images(), judge_subject)
    assert cohort.tables["lesion"][0]["reference_state"] == "contradicted"
    assert "REF_ADJUDICATION_STALE" in {one.rule_id for one in cohort.findings}


def test_a_page_shows_nothing_the_site_concluded_and_lies_closed(
    tmp_path: Path, shown: tuple[Path, tuple[SeriesView, ...]]
) -> None:
    folder = pages(tmp_path, told()[1], shown)
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    text = (folder / "reader.html").read_text(encoding="utf-8")
    case = text[text.index("data-case") : text.index("<fieldset")]
    assert "23.5 mm" in case
    assert "85" in case
    assert "HCC" in case, "what the pathologist found is evidence"
    for hidden in ("FNH", "followup", "progressed", "malignant", "benign", "LR-"):
        assert hidden not in case
    for script in folder.rglob("*.js"):
        assert "LC-1" not in script.read_text(encoding="utf-8")


def test_pages_of_settled_lesions_are_taken_away(
    tmp_path: Path, shown: tuple[Path, tuple[SeriesView, ...]]
) -> None:
    folder = pages(tmp_path, told()[1], shown)
    assert folder.is_dir()
    pages(tmp_path, [], shown)
    assert not folder.exists()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_accessible_in_both_languages_with_several_cases(
    page: Page, tmp_path: Path, shown: tuple[Path, tuple[SeriesView, ...]], language: str
) -> None:
    (case,) = told()[1]
    other = dataclasses.replace(
        case, lesion_no=2, subject_id="S91-BBBBBBBB", subject_no='L"C,2', records=()
    )
    folder = pages(tmp_path, [case, other], shown)
    page.goto(f"{(folder / 'reader.html').as_uri()}?lang={language}")
    page.keyboard.press("j")
    expect(page.locator("[data-case]:visible h2").first).to_contain_text('L"C,2')
    assert violations(page) == []
    page.keyboard.press("k")
    page.screenshot(path=tmp_path / f"reader_{language}.png", full_page=True)
    assert violations(page) == []
