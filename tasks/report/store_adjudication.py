"""The pages for readers on disk: `restricted/adjudication/SITE/`, written anew by each release.

A page of a lesion whose evidence has changed is gone with it; what somebody saved from it
before does not count, because it names the evidence it was made on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.adjudication import AdjudicationCase
from schemas.run.atomic_files import directory_published_as, make_folder
from schemas.run.zones import Zones
from tasks.report.adjudication_page import pictures_of, render_case_pages
from tasks.report.store_builds import PICTURES, link_or_write
from tasks.report.subject_view import SeriesView


def write_adjudication_pages(
    zones: Zones,
    cases: Sequence[AdjudicationCase],
    series_of: Mapping[str, Sequence[SeriesView]],
    state: Mapping[str, str],
    report_folder: Path,
) -> list[Path]:
    """Write the pages of every site with cases and take away those of every other.

    Parameters
    ----------
    zones : Zones
        The home.
    cases : sequence of AdjudicationCase
        Of all sites.
    series_of : mapping of subject_id to series
        What can be looked at.
    state : mapping of str to str
        `run`, `release` and `report_sha256` of the report.
    report_folder : Path
        Where its pictures are.

    Returns
    -------
    list of Path
        The page of the readers of each site.
    """
    root = zones.restricted / "adjudication"
    erase_adjudication_pages(zones)
    written = []
    for site in sorted({one.site for one in cases}):
        own = [one for one in cases if one.site == site]
        shown = {one.subject_id: series_of.get(one.subject_id, ()) for one in own}
        files = render_case_pages(site, own, shown, state)
        make_folder(root, closed=True)
        with directory_published_as(root / site) as folder:
            for name, data in files.items():
                link_or_write(folder / name, data, None)
            for name in pictures_of(shown):
                source = report_folder / PICTURES / name
                link_or_write(folder / PICTURES / name, source.read_bytes(), source)
        written.append(root / site / "reader.html")
    return written


def erase_adjudication_pages(zones: Zones) -> None:
    """Take all pages away; the next release writes those that are due."""
    shutil.rmtree(zones.restricted / "adjudication", ignore_errors=True)
