"""Write a report folder: beside its final place, flushed, renamed once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.identifiers import Sha256
from schemas.run.atomic_files import (
    canonical_json,
    directory_published_as,
    sha256_of_bytes,
    write_bytes,
)
from tasks.report.model import ReportInput
from tasks.report.render import RenderedReport, render_report
from tasks.report.reviews import Imported, SignOff, ratings_in_force, sign_offs_of
from tasks.report.store_builds import (
    MANIFEST,
    PICTURES,
    RATER_STATE,
    STATE,
    NewestReport,
    builds_of,
    hash_report,
    link_or_write,
    newest_report,
    next_build,
)
from tasks.report.store_pictures import PictureStore


@dataclass(frozen=True)
class WrittenReport:
    """A report on disk; `report_sha256` is what a reviewer signs."""

    index: Path
    report_sha256: Sha256
    n_files: int
    n_bytes: int
    written: bool


def write_report(
    report: ReportInput,
    reports: Path,
    pictures: PictureStore,
    reviews: Sequence[Imported] = (),
    *,
    at_last: Callable[[], None] = lambda: None,
) -> WrittenReport:
    """Render a report and publish its folder with one rename.

    Building the same report again writes nothing; a report that says something else, or is
    signed by now, becomes the next build beside the ones before.

    Parameters
    ----------
    report : ReportInput
        What to show.
    reports : Path
        Folder of all reports; links to the release expect `releases/` beside it.
    pictures : PictureStore
        Where the pictures are that the report names.
    reviews : sequence of Imported
        What reviewers have sent back.
    at_last : callable
        Called when all is written, right before the folder gets its name; raises to stop.

    Returns
    -------
    WrittenReport
        Where it is and its hash; `written` is False when it was there already.
    """
    before = newest_report(reports)
    rendered = render_report(report, before.take_pages)
    shown = {f"{PICTURES}/{name}": Path(name).stem for name in rendered.pictures}
    report_sha256 = hash_report(rendered.files, shown)
    knowledge = _state(report, report_sha256, reviews)
    builds = builds_of(reports, report.run)
    if builds and _says(builds[-1]) == (report_sha256, knowledge):
        out_dir, written = builds[-1], False
    else:
        out_dir, written = next_build(reports, report.run), True
        manifest = _manifest(report, rendered, report_sha256, knowledge, out_dir.name)
        _publish(rendered, manifest, out_dir, pictures, before, at_last)
    return WrittenReport(
        index=out_dir / "index.html",
        report_sha256=report_sha256,
        n_files=len(rendered.files) + len(shown) + 3,
        n_bytes=sum(map(len, rendered.files.values())),
        written=written,
    )


def _state(
    report: ReportInput, report_sha256: Sha256, reviews: Sequence[Imported]
) -> dict[str, Any]:
    """Return what is known of a report and is no part of it: who signed, who rated."""
    ratings: dict[str, int] = {}
    for kept in ratings_in_force(reviews):
        key = f"{kept.rating.subject_id}_{kept.rating.exam}"
        ratings[key] = ratings.get(key, 0) + 1
    return {
        "release": report.release,
        "report_sha256": report_sha256,
        "ratings": ratings,
        "sign_offs": [
            {
                "reviewer": one.reviewer,
                "made_on": one.made_on.isoformat(),
                "decision": one.content.decision,
            }
            for one in sign_offs_of(reviews, report_sha256)
            if isinstance(one.content, SignOff)
        ],
    }


def _says(folder: Path) -> tuple[str, Any]:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest["report_sha256"], manifest.get("state")


def _manifest(
    report: ReportInput,
    rendered: RenderedReport,
    report_sha256: Sha256,
    knowledge: dict[str, Any],
    run: str,
) -> dict[str, Any]:
    return {
        "run": run,
        "release": report.release,
        "report_sha256": report_sha256,
        "state": knowledge,
        "exams": rendered.exams,
        "files": {name: sha256_of_bytes(data) for name, data in rendered.files.items()},
        "page_keys": rendered.page_keys,
        "n_pictures": len(rendered.pictures),
    }


def _publish(
    rendered: RenderedReport,
    manifest: dict[str, Any],
    out_dir: Path,
    pictures: PictureStore,
    before: NewestReport,
    at_last: Callable[[], None],
) -> None:
    known = {"run": manifest["run"], **manifest["state"]}
    for_raters = {name: known[name] for name in ("run", "release", "report_sha256")}
    with directory_published_as(out_dir) as staging:
        for name, data in rendered.files.items():
            same = before.same_as(name, manifest["files"][name])
            link_or_write(staging / name, data, same)
        for name, facts in ((STATE, known), (RATER_STATE, for_raters)):
            said = canonical_json(facts).decode().rstrip()
            write_bytes(staging / name, f"livercohort.takeState({said});\n".encode())
        write_bytes(staging / MANIFEST, canonical_json(manifest))
        pictures.link(rendered.pictures, staging / PICTURES)
        at_last()
