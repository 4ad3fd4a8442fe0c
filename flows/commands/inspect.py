"""`livercohort inspect`: text and faces in the pixels of any folder of DICOM."""

from __future__ import annotations

from pathlib import Path

import typer

from flows.commands.console import (
    CsvOption,
    JsonOption,
    OutOption,
    WorkersOption,
    give_rows,
    show_progress,
)
from flows.commands.stages import SourceArgument
from schemas.errors import ExitCode
from schemas.run.settings import apply_environment

_SHOWN = ("series_uid", "outcome", "reason", "n_images", "n_views", "n_boxes")


def inspect(
    src: SourceArgument,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Look for text and faces in pixels; one row for each series, never what was read.

    Exit code 1 when a series is held, 3 when a model is missing or changed (then all are).

    Example: livercohort inspect export/dicom --csv
    """
    settings = apply_environment(workers=workers)
    from schemas.run.progress import stage_progress
    from tasks.inspect.store_folder import SERIES_COLUMNS, inspect_folder

    show_progress(None)
    found = inspect_folder(
        src,
        workers=settings.workers,
        words_of=_words_of,
        progress=stage_progress("inspect", "series"),
    )
    typer.echo(
        f"{found.n_files} files read, {found.n_no_image} of them no image of DICOM", err=True
    )
    give_rows(
        found.rows,
        as_json=as_json,
        as_csv=as_csv,
        out=out,
        title="series",
        columns=SERIES_COLUMNS,
        shown=_SHOWN,
    )
    if found.broken is not None:
        raise found.broken
    if any(row["outcome"] == "held" for row in found.rows):
        raise typer.Exit(ExitCode.BLOCKED)


def _words_of(path: Path) -> frozenset[str]:
    """Return the words of the person that a header names; none of one that cannot be read."""
    from schemas.dicom.elements import scan_file
    from schemas.dicom.scan_errors import ScanError
    from schemas.errors import LivercohortError
    from tasks.deidentify.identifiers import SubjectIdentifiers, harvest_identifiers
    from tasks.deidentify.search.store_picture_words import words_of

    try:
        named = harvest_identifiers(scan_file(path.read_bytes()))
    except (ScanError, LivercohortError, ValueError):
        return frozenset()
    return words_of(SubjectIdentifiers("", None, named))
