"""Take one person out of what reports keep: pages, pictures and reviews."""

from __future__ import annotations

import shutil
from pathlib import Path

from schemas.run.zones import Zones
from tasks.report.store_adjudication import erase_adjudication_pages
from tasks.report.store_builds import ERASED_SUFFIX, MANIFEST, PICTURES
from tasks.report.store_release import PICTURE_STORE
from tasks.report.store_reviews import review_files

_TEXT = frozenset({".html", ".js", ".json"})


def erase_from_reports(zones: Zones, subject_id: str) -> int:
    """Remove every report that names the subject, its reviews, and all pictures.

    A report is removed whole: the release it shows has lost the subject, and building it again
    is one command, under the next name. The pictures are a store of all subjects, named by
    content; the next build draws those that it needs. What a killed build left beside the
    reports goes unread: it may name anybody, and nobody needs it.

    Returns
    -------
    int
        How many report folders went.
    """
    named = reports_naming(zones, subject_id)
    for folder in named:
        folder.with_name(f"{folder.name}{ERASED_SUFFIX}").touch()
        shutil.rmtree(folder)
    for unfinished in zones.reports.glob(".*.part"):
        shutil.rmtree(unfinished)
    shutil.rmtree(zones.reports / PICTURE_STORE, ignore_errors=True)
    erase_adjudication_pages(zones)
    for review in review_files(zones):
        if subject_id.encode() in review.read_bytes():
            review.unlink()
    return len(named)


def reports_naming(zones: Zones, subject_id: str) -> list[Path]:
    """Return the folders of all reports that show the subject."""
    folders = [path.parent for path in sorted(zones.reports.glob(f"[!.]*/{MANIFEST}"))]
    return [folder for folder in folders if _names(folder, subject_id)]


def _names(folder: Path, subject_id: str) -> bool:
    # Pictures and reduced volumes are named by content and name nobody.
    pictures = folder / PICTURES
    files = (
        path
        for path in folder.rglob("*")
        if path.suffix in _TEXT and pictures not in path.parents and path.is_file()
    )
    return any(
        subject_id in path.name or subject_id.encode() in path.read_bytes() for path in files
    )
