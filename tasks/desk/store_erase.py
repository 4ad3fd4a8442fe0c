"""Take the review page away: its pictures may be of a person who is to be erased."""

from __future__ import annotations

import shutil

from schemas.run.zones import Zones
from tasks.desk.store_page import page_folder


def erase_page(zones: Zones) -> None:
    """Remove the page; the next `livercohort quarantine page` makes one of what is there then."""
    shutil.rmtree(page_folder(zones), ignore_errors=True)
