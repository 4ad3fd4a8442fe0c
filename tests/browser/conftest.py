"""A report on disk and a browser that may not speak to anybody."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, sync_playwright

from schemas.zones import Zones
from tasks.report.model import ReportInput
from tasks.report.store import write_report
from tasks.report.store_reviews import read_reviews
from tests.unit.report.drawn import with_pictures
from tests.unit.report.synthetic import make_report

#: 28 sites, few subjects: many kinds of pages, not many pages.
REPORT = make_report(subjects_per_site=2)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Watch:
    """What a browser context asked of the network, and what went wrong in its pages."""

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        def refuse(route: Route) -> None:
            self.outside.append(route.request.url)
            route.abort()

        context.route(lambda url: url.startswith(("http:", "https:", "ws:", "wss:")), refuse)
        context.on("page", self.listen)

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", self.fail)
        page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )

    def fail(self, request: Request) -> None:
        # Leaving a page breaks off what it was still loading: no file is missing.
        if request.failure != "net::ERR_ABORTED":
            self.errors.append(f"failed: {request.url}")


def find_chromium() -> str | None:
    """Return the browser of LIVERCOHORT_CHROMIUM or the first on PATH."""
    named = os.environ.get("LIVERCOHORT_CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one the tests are skipped, or fail where one is required."""
    executable = find_chromium()
    if executable is None:
        reason = "no Chromium here: install it or set LIVERCOHORT_CHROMIUM to its path"
        if os.environ.get("LIVERCOHORT_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason} (LIVERCOHORT_REQUIRE_BROWSER=1 forbids the skip)")
        pytest.skip(reason)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=_FLAGS + sandbox)
        yield started
        started.close()


def publish(report: ReportInput, home: Path) -> Path:
    """Write a report with pictures and the release files it links to; return its folder."""
    release = home / "releases" / str(report.release)
    release.mkdir(parents=True, exist_ok=True)
    for name in report.release_files:
        (release / name).write_text(name, encoding="utf-8")
    drawn, store = with_pictures(report, home / "drawn")
    reviews = read_reviews(Zones(home))
    return write_report(drawn, home / "reports", store, reviews).index.parent


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over 28 sites with some 1 200 findings."""
    return publish(REPORT, tmp_path_factory.mktemp("home"))


@pytest.fixture
def watch() -> Watch:
    """The record of one test."""
    return Watch()


@pytest.fixture
def page(browser: Browser, watch: Watch) -> Iterator[Page]:
    """A fresh page, English, watched, and at its end without a complaint."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
    watch.follow(context)
    yield context.new_page()
    context.close()
    assert watch.outside == []
    assert watch.errors == []
