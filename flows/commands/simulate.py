"""Command `simulate`: exports as hospitals send them, and a table of what is planted in them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.console import HomeOption, JsonOption, WorkersOption, give_rows, say, say_json

if TYPE_CHECKING:
    from tasks.simulate.store import SimulationSummary

_DEFAULT_SITES = 3


class Exams(StrEnum):
    """How many series an exam has."""

    SHORT = "short"
    FULL = "full"


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder that gets the exports and the answer key.")],
    sites: Annotated[
        int | None, typer.Option(help="Fictitious sites, S91 and up: 3; with --scale X001: 28.")
    ] = None,
    subjects: Annotated[int, typer.Option(help="Subjects per site.")] = 3,
    nights: Annotated[int, typer.Option(help="Nights of deliveries.")] = 2,
    seed: Annotated[int, typer.Option(help="Decides every number and pixel.")] = 1,
    faults: Annotated[
        str | None,
        typer.Option(help="Fault names, comma separated; `none`, `all`; see docs/simulator.md."),
    ] = None,
    exams: Annotated[
        Exams, typer.Option(help="`full`: every series a scanner makes.")
    ] = Exams.SHORT,
    scale: Annotated[
        bool, typer.Option("--scale", help="Sites for load tests, small matrices, no faults.")
    ] = False,
    index_runs: Annotated[
        str | None,
        typer.Option(
            "--index-runs",
            metavar="RELEASE",
            help="Instead: an index-test run and reader sessions over a release, known truth.",
        ),
    ] = None,
    home: HomeOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write exports as hospitals send them, and what is planted in them.

    Example: livercohort simulate exports --sites 2 --subjects 4 --nights 2 --seed 7
    Example: livercohort simulate exports --faults symlinks,late_mri
    Example: livercohort simulate exports --scale --subjects 10
    Example: livercohort simulate outcomes --index-runs latest --seed 7
    """
    if index_runs is not None:
        _simulate_index_runs(out, index_runs, seed, home, as_json=as_json)
        return
    from schemas.run.settings import read_settings
    from tasks.simulate.load_sites import N_LOAD_SITES
    from tasks.simulate.store import simulate as write_exports

    summary = write_exports(
        out,
        sites=sites if sites is not None else N_LOAD_SITES if scale else _DEFAULT_SITES,
        subjects=subjects,
        nights=nights,
        seed=seed,
        faults=_chosen(faults, scale=scale),
        full_exams=exams is Exams.FULL,
        scale=scale,
        workers=workers or read_settings().workers,
    )
    if as_json:
        say_json(_facts(summary))
    else:
        _say_summary(summary)


def _simulate_index_runs(
    out: Path, release: str, seed: int, home: Path | None, *, as_json: bool
) -> None:
    from flows.commands.cohort import release_folder
    from schemas.run.settings import apply_environment
    from tasks.simulate.store_index_runs import simulate_index_runs

    found = simulate_index_runs(out, release_folder(apply_environment(home=home), release), seed)
    if as_json:
        say_json(
            {
                "run": str(found.run),
                "reader_study": str(found.study),
                "reference": str(found.reference),
                "roles": str(found.roles),
                "n_subjects": found.n_subjects,
                "roles_are_released": found.roles_are_released,
            }
        )
        return
    say(f"run over {found.n_subjects} subjects: {found.run}")
    say(f"reader study: {found.study}")
    if not found.roles_are_released:
        say(f"The release has other roles: copy {found.roles} to restricted/analysis_roles.csv,")
        say("release, and simulate over the new release.")
    say(f"judge it with: livercohort evaluate {found.run} --reference {found.reference}")


def _chosen(faults: str | None, *, scale: bool) -> tuple[str, ...]:
    from tasks.simulate.faults.apply import ALL_FAULTS, DEFAULT_FAULTS

    if faults is None:
        return () if scale else DEFAULT_FAULTS
    if faults == "all":
        return ALL_FAULTS
    names = (name.strip() for name in faults.split(","))
    return tuple(dict.fromkeys(name for name in names if name not in ("", "none")))


def _facts(summary: SimulationSummary) -> dict[str, object]:
    return {
        "exports": [str(path) for path in summary.exports],
        "answer_key": str(summary.answer_key),
        "n_files": summary.n_files,
        "n_bytes": summary.n_bytes,
        "n_planted": summary.n_planted,
        "faults": list(summary.faults),
        "planted": [vars(line) for line in summary.planted],
        "site_files": str(summary.site_files) if summary.site_files else None,
    }


def _say_summary(summary: SimulationSummary) -> None:
    rows = [vars(line) for line in summary.planted]
    give_rows(rows, as_json=False, as_csv=False, out=None, title="What was planted", columns=())
    say(f"{len(summary.exports)} exports, {summary.n_files} files, {summary.n_bytes / 1e6:.0f} MB")
    say(f"faults: {', '.join(summary.faults) or 'none'}")
    say(f"answer key with {summary.n_planted} planted identifiers: {summary.answer_key}")
    if summary.site_files:
        say(f"take them in with: LIVERCOHORT_LOAD_SITES={summary.site_files} livercohort ingest")
