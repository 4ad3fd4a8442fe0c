"""Screenshots of the pages that scroll, at two sizes and in both languages, as reviewers see them.

Run: PYTHONPATH=. python benchmarks/analyst/screenshots.py REPORT_FOLDER OUT

The report is opened from its folder; the browser may not speak to anybody. For each exam of the
first subject its phases are opened, scrolled by one slice, and the cross-hair is set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.chromium import Watch, find_chromium, started_chromium

SIZES = ((1366, 768), (1920, 1080))


def show(page: Page, number: int) -> None:
    """Open the volumes of one exam, scroll one slice, set the cross-hair."""
    place = page.locator("[data-volumes]").nth(number)
    place.locator("[data-open-volumes]").click()
    canvas = place.locator("canvas").nth(0)
    page.wait_for_function(
        "n => !document.querySelectorAll('[data-volumes]')[n].textContent.includes('…')",
        arg=number,
    )
    canvas.click(position={"x": 90, "y": 110})
    canvas.press("ArrowDown")
    place.evaluate("one => one.scrollIntoView()")


def shoot(browser: Browser, address: Path, out: Path, size: tuple[int, int], language: str) -> None:
    """Write one picture for each exam of a page, and print what went wrong: nothing."""
    watch = Watch()
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    watch.follow(context)
    page = context.new_page()
    page.goto(f"{address.as_uri()}?lang={language}")
    for number in range(page.locator("[data-volumes]").count()):
        show(page, number)
        name = f"{address.parent.name}_{number + 1}_{size[0]}_{language}.png"
        page.screenshot(path=str(out / name))
        print(f"{name}: {len(watch.outside)} requests outside, {len(watch.errors)} errors")
    context.close()


def main() -> None:
    """Shoot the page of the first subject and its first rating page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    executable = find_chromium()
    if executable is None:
        raise SystemExit("no Chromium: set LIVERCOHORT_CHROMIUM")
    given.out.mkdir(parents=True, exist_ok=True)
    pages = [min((given.report / kind).glob("*.html")) for kind in ("subjects", "rating")]
    with started_chromium(executable) as browser:
        for address in pages:
            for size in SIZES:
                for language in ("en", "zh"):
                    shoot(browser, address.resolve(), given.out, size, language)


if __name__ == "__main__":
    main()
