"""The command `share`: individual data for others, behind signed gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.cohort import release_folder
from flows.commands.console import HomeOption, JsonOption, say, say_json
from schemas.run.settings import apply_environment

share_app = typer.Typer(no_args_is_help=True, help="Individual data for others.")


@share_app.callback()
def about() -> None:
    """Individual data for others, behind signed gates."""


@share_app.command()
def resman(
    out: Annotated[Path, typer.Option(help="A new folder for the package.")],
    release: Annotated[str, typer.Option(help="A version, `latest`, or a release folder.")] = (
        "latest"
    ),
    k: Annotated[int, typer.Option(min=2, help="Everybody is one of at least so many.")] = 5,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the package for ResMan: only when completion and clearance are signed.

    Only subjects who consented themselves are in it, and the scan for residual identifiers
    goes over every file before the folder gets its name. Site, sex, age and diagnosis are made as
    coarse as it takes for everybody to be one of at least k; where that cannot be, it refuses.

    Example: livercohort share resman --release 3.0.0 --out /data/resman
    """
    from functools import partial

    from flows.withdrawals import last_look, nobody_withdraws, withdrawn_since
    from schemas.vault.keys import Purpose, read_key_file
    from tasks.deidentify.search.store_scan_release import require_no_identifiers, subjects_of
    from tasks.publish.store_share import share_for_resman

    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    folder = release_folder(settings, release).resolve()
    with nobody_withdraws(settings.zones) as still:
        made = share_for_resman(
            folder,
            out,
            kept_out=partial(withdrawn_since, settings),
            inspect=partial(require_no_identifiers, settings, inside=subjects_of(folder)),
            keyed=lambda kind, name: ring.mac(Purpose.PACKAGE, folder.name, kind, name),
            k=k,
            at_last=last_look(settings, still),
        )
    if as_json:
        say_json(
            {
                "path": str(made.path),
                "subjects": made.subjects,
                "withheld": made.withheld,
                "volumes": made.volumes,
                "files": made.files,
                "k": made.k,
                "generalisation": dict(made.generalisation),
            }
        )
    else:
        say(f"{made.path}: {made.subjects} subjects, {made.volumes} volumes, {made.files} files")
        say(f"{made.withheld} subjects of the release lack their own consent, or stood alone")
        told = ", ".join(f"{name} {how}" for name, how in made.generalisation.items())
        say(f"everybody is one of at least {made.k} alike: {told}")
