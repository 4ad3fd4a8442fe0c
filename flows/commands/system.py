"""Commands about the installation: the key, and whether everything is in place."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json
from schemas.errors import EnvironmentProblemError, ExitCode
from schemas.run.settings import Settings, apply_environment

key_app = typer.Typer(no_args_is_help=True, help="The master key of this installation.")


@key_app.command("create")
def create_key(home: HomeOption = None) -> None:
    """Make the master key (mode 0600); an existing one is never overwritten.

    Example: livercohort key create --home /data/livercohort
    """
    from schemas.vault.keys import create_key_file

    settings = apply_environment(home=home)
    _require_no_other_key(settings)
    ring = create_key_file(settings.master_key_file)
    say(f"Key {ring.key_id} written to {settings.master_key_file}")
    say("Back it up apart from the data: without it the cohort cannot be continued,")
    say("and whoever has both the key and the vault can look persons up.")


def _require_no_other_key(settings: Settings) -> None:
    """Refuse a new key where another has sealed something: it would open none of that."""
    zones = settings.zones
    sealed = zones.vault_file.exists() or any((zones.restricted / "batches").glob("*/*"))
    if sealed and not settings.master_key_file.exists():
        raise EnvironmentProblemError(
            "this home was started with a key that is not here",
            where=str(zones.restricted),
            hint="Restore the key file from its backup; a new key opens nothing of this home.",
        )


@key_app.command("show-id")
def show_key_id(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print eight digits that name the key without telling anything about it.

    Example: livercohort key show-id
    """
    from schemas.vault.keys import read_key_file

    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    if as_json:
        say_json({"key_id": ring.key_id, "is_demo": ring.is_demo})
    else:
        say(f"{ring.key_id}{' (demo key: only for fictitious sites)' if ring.is_demo else ''}")


def doctor(
    home: HomeOption = None,
    as_json: JsonOption = False,
    min_free_gib: Annotated[
        float, typer.Option("--min-free-gib", help="Least free disk space.")
    ] = 5.0,
) -> None:
    """Check key, vault, tools, disk, clock, telemetry and database; say how to mend each.

    Example: livercohort doctor --home /data/livercohort
    """
    from flows.commands.checks import run_checks

    settings = apply_environment(home=home)
    checks = run_checks(settings, min_free_gib=min_free_gib)
    if as_json:
        say_json([check.__dict__ for check in checks])
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'MEND'}  {check.name:<10} {check.found}")
            if not check.ok:
                say(f"      {'':<10} → {check.mend}")
    if not all(check.ok for check in checks):
        raise typer.Exit(ExitCode.ENVIRONMENT)
