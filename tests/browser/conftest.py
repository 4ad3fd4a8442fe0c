"""A report on disk and a browser that may not speak to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from schemas.run.zones import Zones
from tasks.report.model import ReportInput
from tasks.report.store import write_report
from tasks.report.store_reviews import read_reviews
from tests.chromium import Watch
from tests.unit.report.drawn import with_pictures
from tests.unit.report.synthetic import make_report


@cache
def whole_report() -> ReportInput:
    """Return 28 sites, few subjects: many kinds of pages, not many pages."""
    return make_report(subjects_per_site=2)


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
    return publish(whole_report(), tmp_path_factory.mktemp("home"))


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
