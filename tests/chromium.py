"""Chromium that may not speak to anybody, and a record of what its pages asked and complained."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, sync_playwright

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


@contextmanager
def started_chromium(executable: str) -> Iterator[Browser]:
    """Run one headless Chromium until the block ends."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=_FLAGS + sandbox)
        yield started
        started.close()
