"""The command `export`: files and a datalist for training."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.cohort import release_folder
from flows.commands.console import HomeOption, JsonOption, say, say_json, show_progress
from schemas.errors import BadInputError
from schemas.run.settings import apply_environment

if TYPE_CHECKING:
    from tasks.datalist.store import Exported


def export(
    release: Annotated[str, typer.Argument(help="A version, `latest`, or a release folder.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="A new folder.")],
    cohort: Annotated[
        str | None, typer.Option(help="A named cohort, for instance hbp_eligible.")
    ] = None,
    sql: Annotated[
        str | None, typer.Option(help="A query over the release that returns rel_path.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="Labels that every case must have, with commas: its channels.")
    ] = "",
    folds: Annotated[int, typer.Option(min=2, help="Folds by subject.")] = 5,
    seed: Annotated[str, typer.Option(help="Deals the folds; any text.")] = "0",
    link: Annotated[
        bool, typer.Option("--link", help="Hard links, not copies: one file with two names.")
    ] = False,
    accept_unassigned: Annotated[
        bool,
        typer.Option(
            "--accept-unassigned", help="Train on subjects to whom no analysis role was given."
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand out images of a release with a datalist for MONAI and nnU-Net.

    Every file is proven equal to the release. No subject is in two folds; subjects for validation
    are in the test list alone; who is left out is listed with the reason. An interrupted export
    goes on when it is called again.

    Example: livercohort export latest /data/hbp --cohort hbp_eligible
    Example: livercohort export 1.2.0 /data/t2 --sql "SELECT rel_path FROM series_choice WHERE label = 'MR_T2_FS'" --labels MR_T2_FS
    """  # noqa: E501 - an example on one line can be copied
    from flows.withdrawals import withdrawn_since
    from tasks.datalist.store import Wanted, export_release

    if (cohort is None) == (sql is None):
        from tasks.datalist.store import read_cohorts

        raise BadInputError(
            "an export is of one selection",
            expected=f"--sql QUERY, or --cohort with one of {', '.join(read_cohorts())}",
        )
    settings = apply_environment(home=home)
    show_progress(None)
    wanted = Wanted(
        cohort, sql, tuple(filter(None, labels.split(","))), folds, seed, accept_unassigned
    )
    exported = export_release(
        release_folder(settings, release), destination, wanted,
        kept_out=partial(withdrawn_since, settings), link=link,
    )  # fmt: skip
    if as_json:
        say_json(_told(exported))
    else:
        _say(exported)


def _told(exported: Exported) -> dict[str, Any]:
    parts = Counter(case.part.value for case in exported.cases.listed)
    return {
        "path": str(exported.folder),
        "release": exported.made.release,
        "training": parts["training"],
        "test": parts["test"],
        "left_out": dict(Counter(one.reason.value for one in exported.cases.left_out)),
        "files": exported.files,
        "files_there_already": exported.files_there,
    }


def _say(exported: Exported) -> None:
    told = _told(exported)
    say(
        f"{told['path']}: {told['training']} subjects to train on, {told['test']} to test on, "
        f"{told['files']} volumes ({told['files_there_already']} were there already)"
    )
    for reason, count in told["left_out"].items():
        say(f"{count} left out: {reason} (left_out.csv)")
    if "ROLE_NOT_ASSIGNED" in told["left_out"]:
        say("--accept-unassigned takes those without an analysis role to train on")
