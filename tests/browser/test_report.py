"""The report in Chromium, opened from a folder as a reviewer opens it."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tasks.report.frame import NAVIGATION
from tests.browser.conftest import publish, whole_report
from tests.chromium import Watch
from tests.unit.report.synthetic import make_report

pytestmark = pytest.mark.browser

NODE_BUDGET = 3000
SIZES = [(1366, 768), (1920, 1080)]


def pages_of(site: Path) -> list[Path]:
    """Return every page of the cohort and of a site, and some of those per subject."""
    singles = [sorted((site / name).glob("*.html"))[:8] for name in ("subjects", "rating")]
    return [*site.glob("*.html"), *(site / "sites").glob("*.html"), *singles[0], *singles[1]]


def open_page(page: Page, site: Path, name: str, query: str = "") -> None:
    page.goto((site / name).as_uri() + query)


def one_of(site: Path, folder: str) -> str:
    """Return the first page of a folder, as its address without the suffix."""
    return f"{folder}/{min((site / folder).glob('*.html')).stem}"


def rows(page: Page, table: str = "findings") -> int:
    return page.locator(f"table[data-table={table}] tbody tr").count()


def settled(page: Page) -> None:
    """Wait until no table is loading parts any more."""
    expect(page.locator("table[aria-busy=true]")).to_have_count(0)


def total_shown(page: Page) -> int:
    settled(page)
    # A page that has only just opened may not have begun to load.
    expect(page.locator("[data-showing]").first).to_have_text(re.compile(r" of [\d,]+"))
    shown = page.locator("[data-showing]").first.inner_text()
    return int(shown.replace(",", "").split(" of ")[1])


@pytest.mark.slow
def test_every_page_opens_leads_only_to_files_that_are_there_and_stays_small(
    page: Page, site: Path
) -> None:
    """No request outside and no complaint either: the page fixture sees to that."""
    there: set[Path] = set()
    for path in pages_of(site):
        page.goto(path.as_uri())
        expect(page.locator("h1").first).to_be_visible()
        nodes, links = page.evaluate(
            """() => [document.querySelectorAll('*').length,
                      [...document.querySelectorAll('a[href]')].map(one => one.href)]"""
        )
        assert nodes <= NODE_BUDGET, path.name
        for link in links:
            parts = urlsplit(link)
            assert parts.scheme == "file", link
            target = Path(unquote(parts.path))
            assert target in there or target.is_file(), f"{path.name}: {link}"
            there.add(target)
            if parts.fragment and target == path:
                assert page.locator(f"#{parts.fragment}").count() == 1, link


def test_a_request_outside_would_be_seen(browser: Browser, site: Path) -> None:
    """The guard itself: what the other tests rely on does notice a request."""
    watch = Watch()
    context = browser.new_context()
    watch.follow(context)
    page = context.new_page()
    open_page(page, site, "index.html")
    page.evaluate("new Image().src = 'https://example.invalid/x.png'")
    page.wait_for_timeout(200)
    context.close()
    assert watch.outside == ["https://example.invalid/x.png"]


def test_every_page_of_the_cohort_is_reached_from_any_other(page: Page, site: Path) -> None:
    for name in ("index.html", "sites/S01.html"):
        for target in ("Worklist", "Flow", "Rating", "Release", "Sign-off", "Summary"):
            open_page(page, site, name)
            page.get_by_role("navigation").get_by_role("link", name=target).click()
            expect(page.locator("nav a[aria-current=page]")).to_have_text(
                re.compile(target), use_inner_text=True
            )


def test_the_language_switch_changes_words_title_and_language_of_the_page(
    page: Page, site: Path
) -> None:
    open_page(page, site, "index.html")
    expect(page.get_by_role("heading", level=1)).to_contain_text("blockers stand")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("阻断性问题")
    assert "blockers stand" not in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert "运行概览" in page.title()


def test_the_language_chosen_stays_on_the_next_page(page: Page, site: Path) -> None:
    open_page(page, site, "index.html")
    page.get_by_role("button", name="中文").click()
    page.locator("nav a").nth(1).click()
    expect(page.locator("h1")).to_have_text("待办清单", use_inner_text=True)
    expect(page.locator("table .severity").first).to_have_text("阻断", use_inner_text=True)
    page.get_by_role("button", name="English").click()
    expect(page.locator("table .severity").first).to_have_text("Blocker", use_inner_text=True)


def test_the_language_travels_in_the_address_where_a_browser_stores_nothing(
    page: Page, site: Path
) -> None:
    open_page(page, site, "index.html", "?lang=zh")
    assert page.evaluate("localStorage.length") == 0
    page.locator("nav a").nth(2).click()
    expect(page.locator("h1")).to_have_text("受试者", use_inner_text=True)


def test_no_english_sentence_is_left_on_a_chinese_page(page: Page, site: Path) -> None:
    spoken = [name for name in NAVIGATION if name != "release"]  # its documents are English
    for name in (*spoken, one_of(site, "subjects"), one_of(site, "rating")):
        open_page(page, site, f"{name}.html", "?lang=zh")
        text = page.locator("main").inner_text()
        assert re.search(r"\b(the|and|of|stands?|with)\b", text) is None, name


def test_filters_narrow_the_worklist_together_and_reset_brings_all_back(
    page: Page, site: Path
) -> None:
    open_page(page, site, "worklist.html")
    everything = total_shown(page)
    page.locator("[data-filter=severity]").select_option("major")
    majors = total_shown(page)
    page.locator("[data-filter=site]").select_option("S05")
    both = total_shown(page)
    assert 0 < both < majors < everything
    assert set(page.locator("tbody .severity").all_inner_texts()) == {"Major"}
    assert set(page.locator("tbody td:nth-child(2)").all_inner_texts()) == {"S05"}
    page.get_by_role("button", name="Reset").click()
    assert total_shown(page) == everything


def test_search_finds_a_subject_and_says_so_when_nothing_matches(page: Page, site: Path) -> None:
    open_page(page, site, "worklist.html")
    subject = page.locator("tbody tr").first.locator("td").nth(4).inner_text()
    page.get_by_label("Search text").fill(subject)
    settled(page)
    assert set(page.locator("tbody td:nth-child(5)").all_inner_texts()) == {subject}
    page.get_by_label("Search text").fill("no such words")
    expect(page.locator("tbody")).to_contain_text("Nothing matches")


def test_a_count_on_the_first_page_leads_to_exactly_these_findings(page: Page, site: Path) -> None:
    open_page(page, site, "index.html")
    link = page.locator("a[href*='rule_id=']").first
    count = int(link.inner_text().replace(",", ""))
    link.click()
    expect(page.locator("h1")).to_have_text("Worklist", use_inner_text=True)
    assert total_shown(page) == count


def test_missing_evidence_leads_to_the_subjects_that_lack_it(page: Page, site: Path) -> None:
    open_page(page, site, "eligibility.html")
    row = page.locator("[data-reading=literal] tr:has(a[href*='subjects.html'])").first
    count = int(row.locator("td").nth(1).inner_text())
    row.get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("Subjects", use_inner_text=True)
    assert total_shown(page) == count


def test_headers_sort_with_the_keyboard_in_both_directions(page: Page, site: Path) -> None:
    open_page(page, site, "subjects.html")
    header = page.locator("th[data-column=age]")
    for direction in ("ascending", "descending"):
        header.get_by_role("button").focus()
        page.keyboard.press("Enter")
        expect(header).to_have_attribute("aria-sort", direction)
        settled(page)
        ages = [int(age) for age in page.locator("tbody td:nth-child(4)").all_inner_texts()]
        assert ages == sorted(ages, reverse=direction == "descending")


def test_severity_sorts_by_weight_and_not_by_letter(page: Page, site: Path) -> None:
    open_page(page, site, "worklist.html")
    header = page.locator("th[data-column=severity]").get_by_role("button")
    header.click()
    assert page.locator("tbody .severity").first.inner_text() == "Blocker"
    header.click()
    assert page.locator("tbody .severity").first.inner_text() == "Info"


def test_the_table_of_sites_sorts_by_number(page: Page, site: Path) -> None:
    open_page(page, site, "index.html")
    table = page.locator("table.sortable").first
    table.get_by_role("button", name="Subjects").click()
    cells = table.locator("tbody td:nth-child(3)").all_inner_texts()
    assert [int(n) for n in cells] == sorted(int(n) for n in cells)


def test_paging_reaches_every_finding_once(page: Page, site: Path) -> None:
    open_page(page, site, "worklist.html")
    total_shown(page)  # parts that are still loading move the last page
    seen = rows(page)
    forward = page.get_by_role("button", name="Next")
    while forward.is_enabled():
        forward.click()
        seen += rows(page)
    assert seen == total_shown(page) == len(make_report().findings)


def test_csv_holds_the_filtered_rows_in_both_languages(page: Page, site: Path) -> None:
    open_page(page, site, "worklist.html", "?severity=blocker")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download CSV").click()
    data = downloading.value.path().read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    table = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert len(table) == total_shown(page)
    assert {row["severity"] for row in table} == {"blocker"}
    assert all(row["fix_en"] and row["fix_zh"] for row in table)


def test_hostile_text_is_shown_as_text_and_is_no_formula_in_the_csv(
    page: Page, tmp_path: Path
) -> None:
    given = make_report(n_sites=1, findings_per_site=1)
    hostile = "<img src=x onerror=document.title='broken'>"
    bad = dataclasses.replace(given.findings[0], message_en=hostile, observed="=cmd()|x")
    folder = publish(dataclasses.replace(given, findings=(bad,)), tmp_path)
    open_page(page, folder, "worklist.html")
    expect(page.locator("tbody")).to_contain_text(hostile)
    assert "broken" not in page.title()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download CSV").click()
    assert '"\'=cmd()|x"' in downloading.value.path().read_text(encoding="utf-8")


def test_the_matrix_of_a_site_has_a_row_per_subject(page: Page, site: Path) -> None:
    open_page(page, site, "sites/S03.html")
    subjects = whole_report().tables["subject"]["site_code"].to_pylist().count("S03")
    assert rows(page, "matrix") == subjects
    assert page.locator("table.matrix tbody td.shape").count() == 15 * subjects


def test_the_flow_shows_its_zeros_and_its_sums(page: Page, site: Path) -> None:
    open_page(page, site, "flow.html")
    page.locator("[data-reading=literal] summary").click()
    flow = page.locator("[data-reading=literal] table.tree")
    assert flow.locator("[data-node=window_truncated] td").nth(1).inner_text() == "0"
    assert flow.locator(".check.off").count() == 0


def test_a_run_without_anything_says_so_on_every_page(page: Page, tmp_path: Path) -> None:
    nothing = dataclasses.replace(
        make_report(n_sites=1),
        release=None,
        tables={},
        documents=None,
        batches=(),
        findings=(),
        decisions=(),
        previous=None,
        queries=(),
        verification=(),
    )
    folder = publish(nothing, tmp_path)
    open_page(page, folder, "index.html")
    expect(page.locator(".verdict.idle h1")).to_have_text(
        "Nothing has been taken in yet.", use_inner_text=True
    )
    for name in NAVIGATION[1:-1]:
        open_page(page, folder, f"{name}.html")
        if name == "completeness":
            continue  # 28 sites wait there
        expect(page.locator("main .empty").first).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_the_screen_or_cuts_a_table(
    page: Page, site: Path, size: tuple[int, int], language: str
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    singles = ("sites/S01", one_of(site, "subjects"), one_of(site, "rating"))
    for name in (*NAVIGATION, *singles):
        open_page(page, site, f"{name}.html", f"?lang={language}")
        cut = page.evaluate(
            """() => [document.documentElement, ...document.querySelectorAll('.scroll')]
                 .filter(one => one.scrollWidth > one.clientWidth + 1).length"""
        )
        assert cut == 0, name


def test_print_leaves_out_what_only_a_screen_can_use(page: Page, site: Path) -> None:
    open_page(page, site, "worklist.html")
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator(".filters").first).to_be_hidden()
    expect(page.locator("tbody .severity").first).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_of_a_site_can_be_mailed_alone(
    browser: Browser, site: Path, tmp_path: Path, scripts: bool
) -> None:
    """One file: it is styled, speaks both languages, holds no subject, and has no dead link."""
    alone = tmp_path / "S03.html"
    alone.write_bytes((site / "sites" / "S03.html").read_bytes())
    context = browser.new_context(java_script_enabled=scripts, locale="zh-CN")
    page = context.new_page()
    page.goto(alone.as_uri())
    for link in page.locator("a[href]").all():
        usable = link.is_visible() and link.evaluate("one => getComputedStyle(one).pointerEvents")
        assert usable in (False, "none") or link.get_attribute("href") == "#content"
    expect(page.locator("nav")).to_be_hidden()
    shown = page.locator("main").inner_text()
    assert "各中心" not in shown
    assert "质疑编号" in shown
    assert [
        one for one in whole_report().tables["subject"]["subject_id"].to_pylist() if one in shown
    ] == []
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "8px"
    if scripts:
        page.get_by_role("button", name="English").click()
        expect(page.locator("main")).to_contain_text("What the findings ask for")
    context.close()


def test_findings_are_filtered_by_who_acts(page: Page, site: Path) -> None:
    open_page(page, site, "worklist.html")
    page.locator("[data-filter=owner]").select_option("reviewer")
    reviewers = sum(one.fix_en.startswith("QC reviewer:") for one in whole_report().findings)
    assert total_shown(page) == reviewers
    assert set(page.locator("tbody td:nth-child(6)").all_inner_texts()) == {"QC reviewer"}


def test_a_query_leads_to_its_finding(page: Page, site: Path) -> None:
    open_page(page, site, "queries.html")
    assert total_shown(page) == len(whole_report().queries)
    page.locator("[data-filter=query]").select_option("open")
    query = page.locator("tbody a[href*='worklist.html']").first
    number = query.inner_text()
    query.click()
    expect(page.locator("h1")).to_have_text("Worklist", use_inner_text=True)
    assert total_shown(page) == 1
    expect(page.locator("tbody tr")).to_contain_text("Query: Open at the site")
    assert number.removeprefix("Q-") in page.locator("[data-search]").input_value()


def test_a_picture_of_the_contact_sheet_is_enlarged_by_click_and_by_enter(
    page: Page, site: Path
) -> None:
    pages = sorted((site / "sites").glob("*.html"))
    name = next(one.name for one in pages if "data-large-picture" in one.read_text("utf-8"))
    open_page(page, site, f"sites/{name}")
    dialog, picture = page.locator("[data-large-picture]"), page.locator("[data-large]").first
    small = picture.locator("img").bounding_box()
    picture.click()
    expect(dialog).to_be_visible()
    large = dialog.locator("img").bounding_box()
    assert small is not None
    assert large is not None
    assert large["height"] > 2 * small["height"]
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    picture.focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button").click()
    expect(dialog).to_be_hidden()
