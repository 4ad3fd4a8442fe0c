"""Everybody can read it: axe-core finds nothing on any kind of page, in either language."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tasks.report.frame import NAVIGATION
from tests.browser.conftest import publish
from tests.browser.test_report import one_of, open_page
from tests.unit.report.synthetic import make_report

pytestmark = pytest.mark.browser

#: axe would fetch the style sheet again, which no browser allows from a file.
_OPTIONS = {"preload": False}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of element that 28 sites have, fewer of each: axe looks at each of them."""
    report = make_report(n_sites=4, subjects_per_site=2, findings_per_site=30)
    return publish(report, tmp_path_factory.mktemp("few"))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_no_violation_on_any_kind_of_page(page: Page, few: Path, language: str) -> None:
    axe = Axe()
    singles = ("sites/S01", one_of(few, "subjects"), one_of(few, "rating"))
    for name in (*NAVIGATION, *singles):
        open_page(page, few, f"{name}.html", f"?lang={language}")
        found = axe.run(page, options=_OPTIONS).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], name
