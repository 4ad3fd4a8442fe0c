"""Stages alone, over any folder or file, without the rest of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.console import (
    CsvOption,
    HomeOption,
    JsonOption,
    OutOption,
    WorkersOption,
    give_rows,
    say,
    say_json,
    show_progress,
)
from schemas.errors import BadInputError, ExitCode
from schemas.run.arrow_memory import give_memory_back
from schemas.run.settings import apply_environment

if TYPE_CHECKING:
    from schemas.identifiers import RawPatientId, SiteCode
    from schemas.records import SubjectAssignment
    from schemas.run.zones import Zones
    from schemas.vault.keys import KeyRing

_DEFAULT_SITE = "S91"
_LABELS_SHOWN = (
    "sub_stack_digest",
    "label",
    "label_tier",
    "n_slices",
    "slice_thickness_mm",
    "thickness_verdict",
)
_QUEUE_SHOWN = ("site", "modality", "words", "label", "tier", "n_series", "candidates", "missing")
SourceArgument = Annotated[Path, typer.Argument(help="Folder of DICOM files; only read.")]


def deidentify(
    src: SourceArgument,
    dst: Annotated[Path, typer.Argument(help="New folder for objects and audit.parquet.")],
    site: Annotated[str, typer.Option(help="Site of the pseudonyms.")] = _DEFAULT_SITE,
    subject_from: Annotated[
        str | None,
        typer.Option(help="`patient_id`: the PatientID is the subject (no linkage.csv)."),
    ] = None,
    home: HomeOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """De-identify a folder; one audit row per input file.

    With `SRC/linkage.csv` the subjects come from there; without it, give
    `--subject-from patient_id`.

    Example: livercohort deidentify export/dicom out --site S91 --subject-from patient_id
    """
    give_memory_back()
    from schemas.run.sites import site_code
    from schemas.run_context import require_key
    from tasks.deidentify.store_folder import deidentify_folder

    settings = apply_environment(home=home, workers=workers)
    code = site_code(site)
    ring = require_key(settings, code)
    linkage = None if subject_from else _linkage(src, settings.zones, ring, code)
    summary = deidentify_folder(
        src,
        dst,
        code,
        ring,
        assignments=linkage,
        subject_from=subject_from,
        workers=settings.workers,
    )
    if as_json:
        say_json({"files": summary.files, "states": summary.states, "reasons": summary.reasons})
        return
    say(f"{summary.files} files: " + _counts(summary.states))
    if summary.reasons:
        say("set aside: " + _counts(summary.reasons))
    say(f"one row per file: {dst / 'audit.parquet'}")


def _linkage(
    src: Path, zones: Zones, ring: KeyRing, code: SiteCode
) -> Mapping[RawPatientId, SubjectAssignment] | None:
    # With a database's library, which a folder without linkage does without.
    from tasks.receive.store_linkage import linkage_of_folder

    return linkage_of_folder(src, zones, ring, code)


def convert(
    src: SourceArgument,
    dst: Annotated[Path, typer.Argument(help="Folder for volumes, sidecars and tables.")],
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for one series.")] = 300.0,
    workers: WorkersOption = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read every file anew, even where none changed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert any folder of DICOM to NIfTI; every volume is proven against its source.

    Example: livercohort convert export/dicom volumes
    """
    from tasks.convert.store_unchanged import unchanged_counts

    if not 0 < timeout < float("inf"):
        raise BadInputError(
            f"a time-out of {timeout:g} seconds", expected="more than 0", where="--timeout"
        )
    found = None if rehash else unchanged_counts(src, dst)
    if found is None:
        settings = apply_environment(workers=workers)
        from schemas.run.progress import stage_progress
        from tasks.convert.folder_rows import count_folder
        from tasks.convert.store_folder import convert_folder

        show_progress(None)
        result = convert_folder(
            src,
            dst,
            settings.workers,
            timeout_s=timeout,
            rehash=rehash,
            progress=stage_progress("convert", "series"),
        )
        found = count_folder(result)
    if as_json:
        say_json(asdict(found))
        return
    say(f"{found.n_files} files: " + _counts(found.files))
    say(f"{found.sub_stacks} sub-stacks, {found.volumes} volumes proven and written to {dst}")
    if found.removed:
        say(f"{found.removed} volumes of an earlier run removed: {src} no longer gives them")


def label(
    src: Annotated[Path | None, typer.Argument(help="Folder of DICOM files; only read.")] = None,
    strings: Annotated[
        Path | None,
        typer.Option("--strings", help="CSV with columns description,vendor,modality instead."),
    ] = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Label series of a folder, or descriptions of a CSV.

    Example: livercohort label export/dicom --csv
    Example: livercohort label --strings names.csv --out labels.csv
    """
    if (src is None) == (strings is None):
        raise BadInputError("give either a folder or --strings FILE.csv")
    settings = apply_environment(workers=workers)
    rows, columns = (
        _label_folder(src, settings.workers) if src else _label_strings(strings or Path())
    )
    shown = _LABELS_SHOWN if src else None
    give_rows(
        rows,
        as_json=as_json,
        as_csv=as_csv,
        out=out,
        title="labels",
        columns=columns,
        shown=shown,
    )


def eligibility(
    facts: Annotated[
        Path, typer.Option("--facts", help="CSV with columns case_id,criterion,inputs_json.")
    ],
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Decide criteria for given facts; adds effect, reason_code and missing_evidence.

    Example: livercohort eligibility --facts cases.csv --csv
    """
    from tasks.eligibility.store import CRITERION_COLUMNS, evaluate_facts_file

    rows = evaluate_facts_file(facts)
    give_rows(
        rows,
        as_json=as_json,
        as_csv=as_csv,
        out=out,
        title="criteria",
        columns=CRITERION_COLUMNS,
    )


def forms(
    dst: Annotated[Path, typer.Argument(help="Folder for the blanks; made if need be.")],
    as_json: JsonOption = False,
) -> None:
    """Write a blank of each clinical form for sites: CSV, and Excel with code lists to choose from.

    Example: livercohort forms blanks
    """
    from tasks.clinical.store import write_templates

    names = write_templates(dst)
    if as_json:
        say_json({"folder": str(dst), "files": names})
    else:
        say(f"{len(names)} blanks in {dst}: " + ", ".join(names))


def rules(
    stage: Annotated[
        str,
        typer.Argument(
            help="`deidentification`, `labels`, `eligibility` or `all`: print them. "
            "`check`: what is wrong with a signed table, by file and line. "
            "`diff`: what they change. `review`: what a person must decide. "
            "`decide`: take decisions in."
        ),
    ] = "all",
    file: Annotated[Path | None, typer.Argument(help="decide: the filled review queue.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="diff: another data_contracts (else the version before).")
    ] = None,
    strings: Annotated[
        Path | None, typer.Option(help="diff: CSV with columns description,vendor,modality.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="diff, review, decide: a folder of DICOM (else the home's series)."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Print the rules in force, what a change of them does, or what a person must decide.

    Example: livercohort rules labels
    Example: livercohort rules check
    Example: livercohort rules diff --against earlier/data_contracts --strings names.csv
    Example: livercohort rules review --out queue.csv
    Example: livercohort rules decide queue.csv
    """
    from flows.commands.rules import (
        decide,
        difference_rows,
        render_rules,
        review_rows,
        table_rows,
    )

    zones = apply_environment(home=home).zones
    if stage == "check":
        _say_tables(*table_rows(zones), as_json=as_json)
    elif stage == "decide":
        say(decide(file, zones, folder=folder))
    elif stage in ("diff", "review"):
        rows, columns = (
            difference_rows(zones, against=against, strings=strings, folder=folder)
            if stage == "diff"
            else review_rows(zones, folder=folder)
        )
        shown = None if stage == "diff" else _QUEUE_SHOWN
        give_rows(
            rows,
            as_json=as_json,
            as_csv=as_csv,
            out=out,
            title=stage,
            columns=columns,
            shown=shown,
        )
    else:
        say(render_rules(stage))


def _say_tables(files: int, problems: list[dict[str, str | int]], *, as_json: bool) -> None:
    if as_json:
        say_json({"files": files, "problems": problems})
    else:
        for one in problems:
            line = f":{one['line']}" if one["line"] else ""
            expected = f" (expected: {one['expected']})" if one["expected"] else ""
            say(f"{one['file']}{line}: {one['found']}{expected}")
            if one["to_do"]:
                say(f"    {one['to_do']}")
        say(f"{files} signed files read, {len(problems)} problems")
    if problems:
        raise typer.Exit(ExitCode.BLOCKED)


def _label_folder(src: Path, workers: int) -> tuple[list[dict[str, object]], Sequence[str]]:
    from tasks.harmonise.store import SERIES_COLUMNS, label_folder, series_rows

    found = label_folder(src, workers=workers)
    aside = [file.reason for file in found.files if file.reason is not None]
    typer.echo(
        f"{len(found.files)} files read, {len(aside)} set aside: "
        + (_counts({str(r): aside.count(r) for r in sorted(set(aside))}) or "none"),
        err=True,
    )
    return series_rows(found.labels), SERIES_COLUMNS


def _label_strings(path: Path) -> tuple[list[dict[str, object]], Sequence[str]]:
    from tasks.harmonise.store import read_strings
    from tasks.harmonise.text import label_strings

    table = read_strings(path)
    rows = [row for _, row in table.rows]
    labelled: list[dict[str, object]] = [
        {**row, "label": found.label, "tier": found.tier, "evidence": "; ".join(found.evidence)}
        for row, found in zip(rows, label_strings(rows), strict=True)
    ]
    return labelled, (*table.columns, "label", "tier", "evidence")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())
