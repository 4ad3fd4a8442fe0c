"""Screenshots of the pages that scroll, at two sizes and in both languages, as reviewers see them.

Run: PYTHONPATH=. python benchmarks/analyst/screenshots.py REPORT_FOLDER OUT

The report is opened from its folder; the browser may not speak to anybody. For each exam of the
first subject its phases are opened, scrolled by one slice, and the cross-hair is set; of the first
site with pictures one is enlarged; the release page shows what a validator said, the first page
the decisions that nobody signed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
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


def enlarge(page: Page) -> None:
    """Show one picture of the contact sheet large."""
    page.locator("[data-large]").first.click()
    page.wait_for_function("document.querySelector('[data-large-image]').naturalWidth > 0")


def decide(page: Page) -> None:
    """Open the list of decisions."""
    place = page.locator("details", has=page.locator("td.code")).first
    place.locator("summary").click()
    place.evaluate("one => one.scrollIntoView()")


def conform(page: Page) -> None:
    """Go to what a validator said."""
    page.locator("[data-conformity]").evaluate("one => one.scrollIntoView()")


def contradict(page: Page) -> None:
    """Go to what pixels contradict, if anything."""
    told = page.locator("[data-observed-of=MEASURE_PHASE_CONTRADICTED]")
    if told.count():
        told.first.evaluate("one => one.closest('section').scrollIntoView()")


def shoot_page(
    browser: Browser,
    address: Path,
    out: Path,
    size: tuple[int, int],
    language: str,
    prepare: Callable[[Page], None],
) -> None:
    """Write one picture of a page, after something was done on it."""
    watch = Watch()
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    watch.follow(context)
    page = context.new_page()
    page.goto(f"{address.as_uri()}?lang={language}")
    prepare(page)
    name = f"{address.parent.name}_{address.stem[:8]}_{prepare.__name__}_{size[0]}_{language}.png"
    page.screenshot(path=str(out / name))
    print(f"{name}: {len(watch.outside)} requests outside, {len(watch.errors)} errors")
    context.close()


def changed_pages(report: Path) -> list[tuple[Path, Callable[[Page], None]]]:
    """Return pages and what to do on each; one that the report does not have is left out."""
    wanted: list[tuple[str, str, Callable[[Page], None]]] = [
        ("sites/*.html", "data-large-picture", enlarge),
        ("release.html", "data-conformity", conform),
        ("index.html", "needs-folder", decide),
        ("subjects/*.html", "MEASURE_PHASE_CONTRADICTED", contradict),
    ]
    found = []
    for pattern, holds, prepare in wanted:
        pages = (one for one in sorted(report.glob(pattern)) if holds in one.read_text("utf-8"))
        found += [(page.resolve(), prepare) for page in [next(pages, None)] if page is not None]
    return found


def main() -> None:
    """Shoot the page of the first subject, its first rating page, and the other pages."""
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
        for address, prepare in changed_pages(given.report):
            for size in SIZES:
                for language in ("en", "zh"):
                    shoot_page(browser, address, given.out, size, language, prepare)


if __name__ == "__main__":
    main()
