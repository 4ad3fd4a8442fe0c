"""Write a report folder: beside its final place, flushed, renamed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.atomic_files import (
    canonical_json,
    directory_published_as,
    sha256_of_bytes,
    sha256_of_file,
)
from schemas.errors import BadInputError
from schemas.identifiers import Sha256
from tasks.report.model import ReportInput
from tasks.report.render import render_site

MANIFEST = "report.json"


@dataclass(frozen=True)
class WrittenReport:
    """A report on disk; `report_sha256` is what a reviewer signs."""

    index: Path
    report_sha256: Sha256
    n_files: int
    n_bytes: int
    written: bool


def write_report(report: ReportInput, out_dir: Path) -> WrittenReport:
    """Render a report and publish its folder with one rename.

    Building the same report again into the same folder writes nothing.

    Parameters
    ----------
    report : ReportInput
        What to show.
    out_dir : Path
        `reports/<run>`; links to the release expect `releases/` beside `reports/`.

    Returns
    -------
    WrittenReport
        Where it is and its hash; `written` is False when it was there already.

    Raises
    ------
    BadInputError
        If another report stands in `out_dir`: nothing published is ever overwritten.
    """
    files = render_site(report)
    report_sha256 = hash_report(files)
    written = not out_dir.exists()
    if written:
        _publish(report, files, report_sha256, out_dir)
    elif hash_folder(out_dir) != report_sha256:
        raise BadInputError(
            "another report stands under this run name",
            where=f"reports/{report.run}",
            expected="a run name without a report",
            hint="Give the report a new run name; published reports are never overwritten.",
        )
    return WrittenReport(
        index=out_dir / "index.html",
        report_sha256=report_sha256,
        n_files=len(files) + 1,
        n_bytes=sum(map(len, files.values())),
        written=written,
    )


def hash_report(files: Mapping[str, bytes]) -> Sha256:
    """Return the SHA-256 over the names and contents of all files of a report."""
    return _hash_of({name: sha256_of_bytes(data) for name, data in files.items()})


def hash_folder(folder: Path) -> Sha256:
    """Return the same hash from a folder on disk; its manifest does not count."""
    return _hash_of(
        {
            path.relative_to(folder).as_posix(): sha256_of_file(path)
            for path in folder.rglob("*")
            if path.is_file() and path != folder / MANIFEST
        }
    )


def _hash_of(hashes: Mapping[str, str]) -> Sha256:
    return sha256_of_bytes(canonical_json(hashes))


def _publish(
    report: ReportInput, files: Mapping[str, bytes], report_sha256: Sha256, out_dir: Path
) -> None:
    manifest = {
        "run": report.run,
        "release": report.release,
        "report_sha256": report_sha256,
        "files": {name: sha256_of_bytes(data) for name, data in files.items()},
    }
    with directory_published_as(out_dir) as staging:
        for name, data in {**files, MANIFEST: canonical_json(manifest)}.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
