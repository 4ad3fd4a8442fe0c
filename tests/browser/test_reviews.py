"""A reviewer's decision: made by keyboard, saved, taken in, shown; never of another report."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from schemas.errors import BadInputError, GateBlockedError
from schemas.run.zones import Zones
from tasks.report.reviews import checksum, ratings_in_force
from tasks.report.store_reviews import import_review, read_reviews, review_files
from tests.browser.conftest import publish
from tests.browser.test_report import one_of, open_page
from tests.unit.report.synthetic import make_report

pytestmark = pytest.mark.browser

SMALL = make_report(n_sites=2, subjects_per_site=2)


def found_nobody(_: str) -> None:
    """Stand for a search that finds nothing."""


def save(page: Page, folder: Path) -> Path:
    """Press Enter where the cursor is and keep what the page hands out."""
    with page.expect_download() as handed:
        page.keyboard.press("Enter")
    path = folder / handed.value.suggested_filename
    handed.value.save_as(path)
    return path


def rate(page: Page, report: Path, into: Path, *, answer: str = "1", whole: bool = True) -> Path:
    """Rate the first exam by keyboard alone; look at every slice, or at the first ones."""
    open_page(page, report, f"{one_of(report, 'rating')}.html")
    n_series = page.locator("[data-series]").count()
    expect(page.locator("[data-seen]").first).to_have_text("1/20")
    for _ in range(n_series):
        for _ in range(19 if whole else 3):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("n")
    if whole:
        expect(page.locator(".seen.all")).to_have_count(n_series)
    page.keyboard.press(answer)
    page.keyboard.type("QC01")
    return save(page, into)


def test_a_rating_says_what_limits_it_is_saved_by_enter_anywhere_and_leads_to_the_next(
    page: Page, tmp_path: Path
) -> None:
    report = publish(SMALL, tmp_path)
    first = Path(one_of(report, "rating")).name
    open_page(page, report, f"rating/{first}.html")
    page.keyboard.press("2")
    page.keyboard.type("QC01")
    page.get_by_text("What limits it").click()
    page.get_by_label("motion").check()
    page.get_by_label("Comment").fill("呼吸 moved")
    page.locator("[data-canvas]").focus()
    saved = save(page, tmp_path)
    facts = json.loads(saved.read_text(encoding="utf-8"))["content"]
    assert (facts["reasons"], facts["comment"]) == (["motion"], "呼吸 moved")
    searched: list[str] = []
    taken = import_review(Zones(tmp_path), saved, searched.append)
    assert searched == ["呼吸 moved"]
    # What is free text lies in the restricted zone, as with a sign-off.
    assert [path.parent.parent.name for path in review_files(Zones(tmp_path))] == ["restricted"]
    (kept,) = ratings_in_force(read_reviews(Zones(tmp_path)))
    assert (kept.rating.reasons, taken.new) == (("motion",), True)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: first not in url)
    following = sorted(path.stem for path in (report / "rating").glob("*.html"))
    assert Path(page.url.split("?")[0]).stem == following[following.index(first) + 1]


def sign(page: Page, report: Path, into: Path, decision: str = "Accepted") -> Path:
    """Sign a report off."""
    open_page(page, report, "signoff.html")
    page.get_by_label(decision).check()
    page.get_by_label("Your reviewer code").fill("QC02")
    page.get_by_label("Comment").fill('看过全部 ✓ "quoted"\nsecond line')
    page.get_by_label("Your reviewer code").focus()
    return save(page, into)


def test_a_rating_by_keyboard_is_saved_taken_in_and_shown_in_the_next_build(
    page: Page, tmp_path: Path
) -> None:
    report = publish(SMALL, tmp_path)
    saved = rate(page, report, tmp_path)
    taken = import_review(Zones(tmp_path), saved, found_nobody)
    assert (taken.viewed, taken.new) == ("full_series", True)
    (kept,) = ratings_in_force(read_reviews(Zones(tmp_path)))
    assert kept.rating.assessable
    assert kept.review.reviewer == "QC01"
    following = publish(SMALL, tmp_path)
    open_page(page, following, "rating.html")
    line = page.locator("tbody tr", has_text=Path(one_of(report, "rating")).name)
    expect(line).to_contain_text("1 received")


def test_a_rating_of_a_few_slices_is_kept_and_does_not_decide(page: Page, tmp_path: Path) -> None:
    report = publish(SMALL, tmp_path)
    saved = rate(page, report, tmp_path, answer="2", whole=False)
    expect(page.locator("[data-told]")).to_contain_text("will not decide")
    assert import_review(Zones(tmp_path), saved, found_nobody).viewed == "mosaic"


def test_a_rating_page_shows_nothing_of_reference_treatment_or_verdict(
    page: Page, tmp_path: Path
) -> None:
    report = publish(SMALL, tmp_path)
    for path in (report / "rating").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for word in (
            "HCC",
            "FNH",
            "TACE",
            "biopsy",
            "benign",
            "malignant",
            "eligible",
            "subjects/",
        ):
            assert word not in text, path.name
        page.goto(path.as_uri())
        loaded = page.eval_on_selector_all("script[src]", "all => all.map(one => one.src)")
        assert {one.rsplit("/", 1)[1].split("?")[0] for one in loaded} == {
            *("site.js", "ui.js", "rater.js", "reviews.js", "rating.js"),
            *("volumes.js", "scroller.js"),
        }
        own = path.stem.rsplit("_", 1)[0]
        state = (report / "data" / "rater.js").read_text(encoding="utf-8")
        assert set(json.loads(state[state.index("{") : state.rindex(")")])) == {
            *("run", "release", "report_sha256")
        }
        words = (report / "data" / "ui.js").read_text(encoding="utf-8")
        assert own not in words + state


def test_windows_show_their_limits_as_black_and_white(page: Page, tmp_path: Path) -> None:
    """The key w goes through them; what lies between the limits is drawn between 0 and 1."""
    report = publish(SMALL, tmp_path)
    open_page(page, report, "rating/" + min((report / "rating").glob("*_ct.html")).stem + ".html")
    buttons = page.locator("[data-window]")
    for number in range(buttons.count()):
        expect(buttons.nth(number)).to_have_attribute("aria-pressed", "true")
        low, high = map(float, str(buttons.nth(number).get_attribute("data-window")).split())
        shown = page.locator("[data-canvas]").evaluate("one => one.style.filter")
        bright, contrast = (float(n) for n in re.findall(r"\(([\d.]+)\)", shown))
        black, white = ((bright * grey - 0.5) * contrast + 0.5 for grey in (low, high))
        assert (round(black, 3), round(white, 3)) == (0.0, 1.0)
        page.keyboard.press("w")
    expect(buttons.first).to_have_attribute("aria-pressed", "true")


def test_the_wheel_goes_through_the_slices(page: Page, tmp_path: Path) -> None:
    report = publish(SMALL, tmp_path)
    open_page(page, report, f"{one_of(report, 'rating')}.html", "?lang=en")
    expect(page.locator("[data-seen]").first).to_have_text("1/20")
    page.locator("[data-canvas]").hover()
    for _ in range(3):
        page.mouse.wheel(0, 100)
    expect(page.locator("[data-position]")).to_contain_text("slice 4 of 20")
    page.mouse.wheel(0, -100)
    expect(page.locator("[data-position]")).to_contain_text("slice 3 of 20")


def test_a_sign_off_is_taken_in_and_the_next_build_is_shown_as_signed(
    page: Page, tmp_path: Path
) -> None:
    report = publish(SMALL, tmp_path)
    open_page(page, report, "index.html")
    expect(page.locator("[data-state=signed]")).to_have_text("Not signed yet")
    assert import_review(Zones(tmp_path), sign(page, report, tmp_path), found_nobody).new
    following = publish(SMALL, tmp_path)
    assert following.name == "release-1.2.0-build-2"
    open_page(page, following, "index.html")
    expect(page.locator("[data-state=signed]")).to_contain_text("Signed by QC02")
    open_page(page, following, "signoff.html")
    expect(page.locator("[data-state=sign_offs] li")).to_contain_text("QC02")


def test_taking_a_file_in_twice_changes_nothing(page: Page, tmp_path: Path) -> None:
    saved = sign(page, publish(SMALL, tmp_path), tmp_path)
    new = [import_review(Zones(tmp_path), saved, found_nobody).new for _ in range(2)]
    assert new == [True, False]


def test_a_changed_report_refuses_an_old_sign_off(page: Page, tmp_path: Path) -> None:
    report = publish(SMALL, tmp_path)
    saved = sign(page, report, tmp_path)
    publish(dataclasses.replace(SMALL, findings=SMALL.findings[:-1]), tmp_path)
    with pytest.raises(GateBlockedError, match="built anew"):
        import_review(Zones(tmp_path), saved, found_nobody)
    assert read_reviews(Zones(tmp_path)) == ()


def test_a_report_edited_on_disk_refuses_its_sign_off(page: Page, tmp_path: Path) -> None:
    report = publish(SMALL, tmp_path)
    saved = sign(page, report, tmp_path)
    with (report / "worklist.html").open("a", encoding="utf-8") as stream:
        stream.write(" ")
    with pytest.raises(GateBlockedError, match="changed after it was built"):
        import_review(Zones(tmp_path), saved, found_nobody)


def test_a_tampered_file_is_refused(page: Page, tmp_path: Path) -> None:
    saved = sign(page, publish(SMALL, tmp_path), tmp_path, "Returned")
    facts = json.loads(saved.read_text(encoding="utf-8"))
    assert facts["sha256"] == checksum(facts)
    facts["content"]["decision"] = "accepted"
    saved.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BadInputError, match="changed after it was made"):
        import_review(Zones(tmp_path), saved, found_nobody)
