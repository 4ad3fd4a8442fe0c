"""Reduced volumes side by side: scrolled, linked in millimetres, windowed, by mouse, key, touch."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_report import open_page

pytestmark = pytest.mark.browser

#: `drawn.ARTERIAL` begins 10 mm higher, has slices of 4 mm instead of 5, and lies 20 mm right.
PLAIN, ARTERIAL = "CT NC", "CT ART"
PIXELS = (64, 48)


def subject_with_both(site: Path) -> str:
    """Return the page of a subject that has both phases of a CT."""
    for page in sorted((site / "subjects").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        if all(f'data-title="{title}' in text for title in (PLAIN, ARTERIAL)):
            return f"subjects/{page.name}"
    raise LookupError("no subject has both phases")


def opened(page: Page, site: Path, query: str = "") -> tuple[Locator, Locator]:
    """Open the CT of a subject; return the panels of the plain and the arterial phase."""
    open_page(page, site, subject_with_both(site), query)
    page.locator("[data-open-volumes]").first.click()
    grid = page.locator("[data-volume-grid]").first
    panels = [grid.locator(".volume", has_text=title) for title in (PLAIN, ARTERIAL)]
    expect(panels[0]).to_contain_text("45.0 mm")
    expect(panels[1]).to_contain_text("46.0 mm")
    return panels[0], panels[1]


def press(panel: Locator, key: str) -> None:
    panel.locator("canvas").press(key)


def cross_hair(panel: Locator) -> tuple[float, float]:
    """Return column and row of the cross-hair, as shares of the picture."""
    found = panel.locator("canvas").evaluate(
        """canvas => {
          const context = canvas.getContext("2d"), wide = canvas.width, high = canvas.height;
          const data = context.getImageData(0, 0, wide, high).data;
          const yellow = (x, y) => data[4 * (y * wide + x) + 2] < 120 &&
            data[4 * (y * wide + x)] > 180;
          const columns = [], rows = [];
          for (let x = 0; x < wide; x += 1) if (yellow(x, 0)) columns.push(x + 0.5);
          for (let y = 0; y < high; y += 1) if (yellow(0, y)) rows.push(y + 0.5);
          const middle = list => list.reduce((a, b) => a + b, 0) / list.length;
          return [middle(columns) / wide, middle(rows) / high];
        }"""
    )
    return found[0], found[1]


def grey_at(panel: Locator, share: tuple[float, float]) -> int:
    return int(
        panel.locator("canvas").evaluate(
            """(canvas, share) => canvas.getContext("2d").getImageData(
              canvas.width * share[0], canvas.height * share[1], 1, 1).data[0]""",
            list(share),
        )
    )


def test_phases_are_linked_by_millimetres_and_not_by_number(page: Page, site: Path) -> None:
    plain, arterial = opened(page, site)
    press(plain, "ArrowDown")
    expect(plain.locator(".volume-position")).to_have_text("S 40.0 mm · slice 12 of 20")
    # 38 and 42 mm are both 2 mm away.
    expect(arterial.locator(".volume-position")).to_contain_text("2.0 mm from the cross-hair")
    plain.locator("canvas").hover()
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)
    expect(plain.locator(".volume-position")).to_have_text("S 50.0 mm · slice 10 of 20")
    expect(arterial.locator(".volume-position")).to_have_text("S 50.0 mm · slice 10 of 20")
    press(plain, "End")
    expect(plain.locator(".volume-position")).to_have_text("S 0.0 mm · slice 20 of 20")
    expect(arterial.locator(".volume-position")).to_contain_text("no slice of this series")
    press(plain, "l")
    press(arterial, "Home")
    expect(arterial.locator(".volume-position")).to_have_text("S 86.0 mm · slice 1 of 20")
    expect(plain.locator(".volume-position")).to_have_text("S 0.0 mm · slice 20 of 20")


def test_series_of_another_frame_of_reference_are_not_linked_and_it_is_said(
    page: Page, site: Path
) -> None:
    """Before the hepatobiliary phase the person got up: its millimetres are other places."""
    titles = ("T1 PRE", "T1 TRANS", "T1 HBP")
    found = (
        (name.name, place)
        for name in sorted((site / "subjects").glob("*.html"))
        for place, exam in enumerate(name.read_text(encoding="utf-8").split("data-volume-body")[1:])
        if all(f'data-title="{title}' in exam for title in titles)
    )
    name, place = next(found)
    open_page(page, site, f"subjects/{name}")
    page.locator("[data-open-volumes]").nth(place).click()
    expect(page.locator("[data-volume-body]").nth(place)).to_contain_text("2 frames of reference")
    grid = page.locator("[data-volume-grid]").nth(place)
    native, transitional, late = (grid.locator(".volume", has_text=title) for title in titles)
    for panel in (native, transitional):
        expect(panel).to_contain_text("S 45.0 mm · slice 11 of 20 · frame 1")
    expect(late).to_contain_text("S 45.0 mm · slice 11 of 20 · frame 2")
    press(native, "End")
    expect(transitional).to_contain_text("S 0.0 mm")
    expect(late).to_contain_text("S 45.0 mm")
    press(late, "Home")
    expect(native).to_contain_text("S 0.0 mm")
    press(late, "l")
    press(transitional, "Home")
    press(transitional, "l")
    expect(native).to_contain_text("S 95.0 mm")
    expect(late).to_contain_text("S 95.0 mm")


def test_the_cross_hair_is_at_one_place_of_the_body_in_every_phase(page: Page, site: Path) -> None:
    plain, arterial = opened(page, site)
    box = plain.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"])
    (x, y), (other_x, other_y) = cross_hair(plain), cross_hair(arterial)
    assert abs(x - 0.5) < 0.01
    assert abs(y - 0.25) < 0.01
    # 20 mm to the right are five pixels; the patient's right is on the left of the picture.
    assert abs(other_x - x - 5 / PIXELS[0]) < 0.01
    assert abs(other_y - y) < 0.01
    press(plain, "x")
    expect(page.locator("[data-switch=crossed]").first).to_have_attribute("aria-pressed", "false")
    assert abs(grey_at(plain, (0.5, 0.01)) - 90 / 300 * 255) <= 6  # no line, air


def test_windows_show_what_their_limits_say(page: Page, site: Path) -> None:
    """The body of the phantom is 100, its organ 300: liver -90 to 210, bone -450 to 1050."""
    plain, _ = opened(page, site)
    press(plain, "x")
    body = (0.75, 0.5)
    assert abs(grey_at(plain, body) - 190 / 300 * 255) <= 6
    for _ in range(2):
        press(plain, "w")
    expect(page.get_by_role("button", name="Bone").first).to_have_attribute("aria-pressed", "true")
    assert abs(grey_at(plain, body) - 550 / 1500 * 255) <= 6


def test_a_finger_goes_through_slices_and_a_picture_opens_its_series(
    page: Page, site: Path
) -> None:
    plain, _ = opened(page, site)
    plain.locator("canvas").evaluate(
        """canvas => [["pointerdown", 100], ["pointermove", 76], ["pointerup", 76]].forEach(
          ([name, y]) => canvas.dispatchEvent(new PointerEvent(
            name, { pointerType: "touch", clientX: 50, clientY: y })))"""
    )
    expect(plain.locator(".volume-position")).to_have_text("S 30.0 mm · slice 14 of 20")
    page.locator("figure", has_text=ARTERIAL).first.get_by_role("button").click()
    large = page.locator(".volume.large")
    expect(large).to_contain_text(ARTERIAL)
    expect(large.locator("canvas")).to_be_focused()
    expect(plain).to_be_hidden()
    press(large, "Escape")
    expect(plain).to_be_visible()


def test_what_is_scrolled_in_a_reduced_volume_does_not_count_as_seen(
    page: Page, site: Path
) -> None:
    name = Path(subject_with_both(site)).stem
    open_page(page, site, f"rating/{name}_ct.html", "?lang=en")
    expect(page.locator("[data-seen]").first).to_have_text("1/20")
    page.locator("[data-open-volumes]").first.click()
    expect(page.locator("[data-volume-body]").first).to_contain_text("does not count")
    panel = page.locator(".volume").first
    expect(panel).to_contain_text("slice")
    press(panel, "ArrowDown")
    press(panel, "PageDown")
    expect(page.locator("[data-seen]").first).to_have_text("1/20")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_no_violation_in_opened_volumes(page: Page, site: Path, language: str) -> None:
    plain, _ = opened(page, site, f"?lang={language}")
    press(plain, "ArrowDown")
    spoken = str(plain.locator("canvas").get_attribute("aria-valuetext"))
    assert (
        spoken == {"en": "S 40.0 mm · slice 12 of 20", "zh": "S 40.0 mm · 第 12 / 20 层"}[language]
    )
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
