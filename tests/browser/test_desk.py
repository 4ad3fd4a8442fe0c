"""The review desk in a browser: decided by keyboard or mouse, saved, taken in; nothing sent."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from schemas.pixel_decisions import Outcome
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.pixel_decision_log import read_decisions
from tasks.desk.store_decide import decide, open_desks, read_requests
from tasks.desk.store_page import write_page
from tests.builders import to_bytes
from tests.unit.desk.quarantined import RING, TEXT, Quarantine, lettered, zones_at

pytestmark = pytest.mark.browser

TODAY = dt.date(2026, 11, 20)


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A home with a series that shows text, one with a face, and a file without a picture."""
    quarantine = Quarantine(zones_at(tmp_path))
    quarantine.add_series(lettered(n_slices=5))
    quarantine.add_series(lettered(n_slices=3, series=2), ReasonCode.FACE_IN_VIEW, ())
    captured = lettered(n_slices=1, series=3, SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1")
    quarantine.add(to_bytes(captured[0]), ReasonCode.SOP_CLASS_NOT_ADMITTED)
    quarantine.write()
    return quarantine.zones


def open_desk_page(page: Page, zones: Zones) -> None:
    built = write_page(zones, RING, open_desks(zones, RING))
    page.goto(built.index.as_uri())
    expect(page.locator("[data-progress]")).to_contain_text("0 of 3")


def download(page: Page, folder: Path) -> Path:
    """Give a reviewer code and keep what the page hands out."""
    page.locator("[data-reviewer]").fill("QC01")
    page.locator("[data-reviewer]").blur()
    with page.expect_download() as handed:
        page.keyboard.press("s")
    path = folder / handed.value.suggested_filename
    handed.value.save_as(path)
    return path


def test_three_cases_are_decided_by_keyboard_saved_and_taken_in(
    page: Page, zones: Zones, tmp_path: Path
) -> None:
    open_desk_page(page, zones)
    expect(page.locator("[data-reason]")).to_have_text("TEXT_IN_PIXELS")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-position]")).to_have_text("slice 2 of 5")
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-reason]")).to_have_text("FACE_IN_VIEW")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-nothing]")).to_be_visible()
    page.keyboard.press("1")  # a document cannot be accepted: nothing happens
    page.keyboard.press("Enter")
    expect(page.locator("[data-told]")).to_contain_text("Choose first")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-progress]")).to_have_text("3 of 3 decided")
    saved = download(page, tmp_path)
    decided = decide(zones, RING, read_requests(saved), search=lambda _: None, today=TODAY)
    outcomes = {str(one.held_for): one.outcome for one, _ in decided}
    assert outcomes == {
        "TEXT_IN_PIXELS": Outcome.MASK,
        "FACE_IN_VIEW": Outcome.REJECT,
        "SOP_CLASS_NOT_ADMITTED": Outcome.REJECT,
    }
    (mask,) = (one for one, _ in decided if one.outcome is Outcome.MASK)
    (box,) = mask.boxes
    # The page begins four pixels around what was found; it was moved and made higher by one.
    assert (box.x, box.y) == (TEXT.x - 4 + 1, TEXT.y - 4)
    assert (box.width, box.height) == (TEXT.width + 8, TEXT.height + 8 + 1)
    assert TEXT.lies_in(box)
    assert len(read_decisions(zones, RING).decisions) == 3


def test_a_rectangle_is_drawn_moved_and_sized_by_mouse(page: Page, zones: Zones) -> None:
    open_desk_page(page, zones)
    page.keyboard.press("n")
    page.keyboard.press("3")
    page.keyboard.press("x")
    expect(page.locator("[data-boxes] li")).to_have_count(0)
    place = page.locator("[data-canvas]").bounding_box()
    assert place is not None
    scale = place["width"] / 128

    def drag(start: tuple[int, int], end: tuple[int, int]) -> None:
        page.mouse.move(place["x"] + start[0] * scale, place["y"] + start[1] * scale)
        page.mouse.down()
        page.mouse.move(place["x"] + end[0] * scale, place["y"] + end[1] * scale, steps=4)
        page.mouse.up()

    def shown() -> list[int]:
        fields = page.locator("[data-boxes] input")
        return [int(fields.nth(n).input_value()) for n in range(4)]

    drag((20, 30), (60, 50))
    x, y, width, height = shown()
    assert abs(x - 20) <= 1
    assert abs(y - 30) <= 1
    assert abs(width - 40) <= 2
    assert abs(height - 20) <= 2
    drag((40, 40), (50, 45))
    assert abs(shown()[0] - x - 10) <= 1
    assert shown()[2:] == [width, height]
    drag((shown()[0] + width, shown()[1] + height), (100, 100))
    assert abs(sum(shown()[::2]) - 100) <= 2


def test_the_rule_for_a_device_and_a_second_look(page: Page, zones: Zones, tmp_path: Path) -> None:
    open_desk_page(page, zones)
    page.keyboard.press("3")
    page.keyboard.press("r")
    expect(page.locator("[data-until]")).not_to_have_value("")
    page.keyboard.press("Enter")
    page.keyboard.press("p")
    expect(page.locator("[data-rule]")).to_be_checked()
    page.keyboard.press("u")
    expect(page.locator("[data-progress]")).to_have_text("0 of 3 decided")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    rows = json.loads(download(page, tmp_path).read_text(encoding="utf-8"))["decisions"]
    assert [(row["outcome"], row["boxes"], row["until"]) for row in rows] == [("accept", [], "")]


def test_the_same_place_of_every_slice_leads_to_the_slice(page: Page, zones: Zones) -> None:
    open_desk_page(page, zones)
    expect(page.locator("[data-strip]")).to_have_attribute(
        "aria-label", "The same place cut out of 5 slices"
    )
    strip = page.locator("[data-strip]").bounding_box()
    assert strip is not None
    page.mouse.click(strip["x"] + strip["width"] * 0.55, strip["y"] + 5)
    expect(page.locator("[data-position]")).to_have_text("slice 4 of 5")
    page.keyboard.press("v")
    expect(page.locator("[data-see=minimum]")).to_have_attribute("aria-pressed", "true")


def test_no_code_of_a_reviewer_saves_nothing(page: Page, zones: Zones) -> None:
    open_desk_page(page, zones)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.keyboard.press("s")
    expect(page.locator("[data-told]")).to_contain_text("QC01")
    expect(page.locator("[data-reviewer]")).to_be_focused()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everybody_can_read_it_in_both_languages(page: Page, zones: Zones, language: str) -> None:
    open_desk_page(page, zones)
    page.locator(f"[data-set-language={language}]").click()
    page.keyboard.press("3")
    words = "遮盖" if language == "zh" else "Mask"
    expect(page.locator("[data-outcome=mask]")).to_contain_text(words)
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
