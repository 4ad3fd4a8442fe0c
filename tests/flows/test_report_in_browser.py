"""The report of a real release, opened as a reviewer does: by double click, network refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.chromium import Watch
from tests.flows.conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.xdist_group("demo")]


def test_every_page_of_the_demos_report_opens_without_a_request_or_a_complaint(
    demo: Demo, browser: Browser
) -> None:
    watch = Watch()
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    watch.follow(context)
    page = context.new_page()
    pages = sorted((demo.home / "reports" / "release-1.1.0").rglob("*.html"))
    for path in pages:
        page.goto(path.as_uri())
        assert page.locator("h1").first.is_visible()
    context.close()
    assert len(pages) > 5
    assert (watch.outside, watch.errors) == ([], [])
