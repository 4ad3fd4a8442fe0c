"""Command `evaluate`: the registered outcomes of an index-test run, or of a reader study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.console import (
    CsvOption,
    HomeOption,
    JsonOption,
    OutOption,
    give_rows,
    say,
    say_json,
)

if TYPE_CHECKING:
    from flows.evaluations import Sealed

_SHOWN = (
    *("outcome_no", "unit", "measure", "arm", "reader_id", "method", "n", "estimate", "interval"),
    "state",
)


def evaluate(
    run_dir: Annotated[
        Path, typer.Argument(help="Folder with run.json, or design.json.", metavar="RUN_DIR")
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Folder with reference_lesions.csv: where the reference lesions lie.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Take in an index-test run or a reader study and print the registered outcomes.

    The run names its release; the evaluation is sealed beside it, in evaluations/<run>/, and is
    never overwritten. A run that may not be taken in is refused by file and line.

    Example: livercohort evaluate index_results/liverai-2.1 --reference reference
    Example: livercohort evaluate reader_sessions/spring --csv
    """
    from flows.evaluations import evaluate as evaluate_and_seal
    from schemas.errors import BadInputError
    from schemas.run.settings import apply_environment

    if not run_dir.is_dir():
        raise BadInputError("there is no such folder", where=str(run_dir))
    settings = apply_environment(home=home)
    sealed = evaluate_and_seal(settings, run_dir, reference)
    if as_json and out is None:
        say_json(
            {
                "evaluation": str(sealed.path),
                "written": sealed.written,
                "release": sealed.release,
                "exploratory": list(sealed.exploratory),
                "estimates": [dict(row) for row in sealed.estimates],
            }
        )
    elif as_csv or out is not None:
        title = f"evaluation {sealed.path.name}"
        give_rows(
            sealed.estimates, as_json=as_json, as_csv=as_csv, out=out, title=title, columns=()
        )
    else:
        _tell(sealed)


def _tell(sealed: Sealed) -> None:
    from tasks.evaluate.rows import ALL, MAIN

    rows = [
        {
            "outcome_no": row["outcome_no"],
            "unit": row["unit"],
            "measure": row["measure"],
            "arm": row["arm"],
            "reader_id": row["reader_id"],
            "method": row["method"],
            "n": _count(row),
            "estimate": _number(row["estimate"]),
            "interval": f"{_number(row['ci_low'])} - {_number(row['ci_high'])}"
            if row["ci_low"] is not None
            else "",
            "state": str(row["state"]).replace("_", " "),
        }
        for row in sealed.estimates
        if (row["reading"], row["analysis"], row["subset_by"]) == ("literal", MAIN, ALL)
        and row["method"] not in ("clopper_pearson", "cluster_bootstrap")
    ]
    title = f"evaluation {sealed.path.name} of release {sealed.release}, 95 % intervals"
    give_rows(rows, as_json=False, as_csv=False, out=None, title=title, columns=_SHOWN)
    for reason in sealed.exploratory:
        say(f"EXPLORATORY: {reason}")
    say(f"{'Written' if sealed.written else 'Was there already'}: {sealed.path}")
    say(f"On the page of the release with: livercohort report {sealed.release}")


def _count(row: Mapping[str, object]) -> str:
    if row["denominator"] is None:
        return "" if row["n_clusters"] is None else str(row["n_clusters"])
    return f"{row['numerator']:g}/{row['denominator']:g}"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else ""
