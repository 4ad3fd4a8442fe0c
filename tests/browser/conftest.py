"""A report on disk and a page that is watched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tasks.report.model import ReportInput
from tasks.report.store import write_report
from tests.chromium import Watch
from tests.unit.report.synthetic import make_report


def publish(report: ReportInput, home: Path) -> Path:
    """Write a report and the release files it links to; return its folder."""
    release = home / "releases" / str(report.release)
    release.mkdir(parents=True)
    for name in report.release_files:
        (release / name).write_text(name, encoding="utf-8")
    folder = home / "reports" / report.run
    write_report(report, folder)
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over 28 sites with some 1 200 findings."""
    return publish(make_report(), tmp_path_factory.mktemp("home"))


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
