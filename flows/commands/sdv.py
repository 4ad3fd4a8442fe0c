"""Commands of source data verification: what is compared with the source documents, and found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json
from flows.file_names import file_name, naming_file
from schemas.errors import BadInputError, ExitCode
from schemas.run.settings import apply_environment

sdv_app = typer.Typer(
    no_args_is_help=True, help="Entries compared with source documents, a sample of each site."
)


@sdv_app.command("plan")
def plan(
    site: Annotated[list[str] | None, typer.Argument(help="Site codes, e.g. S91 S92.")] = None,
    all_sites: Annotated[bool, typer.Option("--all", help="Every site with forms.")] = False,
    seed: Annotated[
        str, typer.Option(help="Seed of the sample; the key seeds it if left out.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who asks, beside the system's user.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the subjects of a site by its risk and write the form to restricted/outgoing/SITE.

    Shares by risk and the fields to compare stand in data_contracts/verification. Planning
    again before the form came back writes the same round; look-ups are logged.

    Example: livercohort sdv plan S91
    Example: livercohort sdv plan --all --seed 2026-11
    """
    from flows.verify_sources import plan_site, sites_with_forms
    from flows.withdrawals import last_look, nobody_withdraws
    from schemas.run.sites import site_code

    if all_sites == bool(site):
        raise BadInputError("give sites or --all", hint="See `livercohort sdv plan --help`.")
    settings = apply_environment(home=home)
    codes = [site_code(code) for code in site or []]
    chosen = sites_with_forms(settings.zones) if all_sites else codes
    done, refused = [], []
    for code in chosen:
        try:
            with nobody_withdraws(settings.zones) as still:
                at_last = last_look(settings, still)
                done.append(plan_site(settings, code, seed, by, at_last))
        except BadInputError as error:  # one site does not keep the others from their forms
            refused.append(error)
    if as_json:
        say_json(done)
    for row in done if not as_json else ():
        drawn = f"{row['subjects']} of {row['of']} subjects, {row['items']} values"
        say(f"{row['site_code']} round {row['round']}, risk {row['risk']}: {drawn}")
        for path in row["files"]:
            say(f"  {path}")
    for one in refused:
        typer.echo(f"error: {one.message}", err=True)
    if refused:
        raise typer.Exit(ExitCode.BAD_INPUT)


@sdv_app.command("import")
def import_form(
    file: Annotated[Path, typer.Argument(help="The CSV or workbook, filled in.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in the form of a round, whole or not at all; a line that cannot be taken is named.

    Example: livercohort sdv import verification_S91_001.xlsx
    """
    from flows.verify_sources import import_form as take_in
    from flows.withdrawals import nobody_withdraws

    settings = apply_environment(home=home)
    if not file.is_file():
        raise BadInputError("there is no such form", where=file_name(file))
    with naming_file(file), nobody_withdraws(settings.zones):
        done = take_in(settings, file)
    if as_json:
        say_json(done)
        return
    say(
        f"{done['site_code']} round {done['round']}: {done['compared']} values compared, "
        f"{done['differed']} differ, {done['no_source']} without source"
    )
    say("The next build of the report shows it: livercohort report")
