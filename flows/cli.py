"""The `livercohort` command: assembles the commands and turns errors into exit codes."""

from __future__ import annotations

import gc
import os
import sys
from copy import copy
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.models import CommandInfo

from flows.commands import cohort as cli_cohort
from flows.commands import decisions as cli_decisions
from flows.commands import evaluate as cli_evaluate
from flows.commands import export as cli_export
from flows.commands import inspect as cli_inspect
from flows.commands import mask as cli_mask
from flows.commands import night as cli_night
from flows.commands import quarantine as cli_quarantine
from flows.commands import queries as cli_queries
from flows.commands import receive as cli_receive
from flows.commands import rehearse as cli_rehearse
from flows.commands import review as cli_review
from flows.commands import sdv as cli_sdv
from flows.commands import share as cli_share
from flows.commands import simulate as cli_simulate
from flows.commands import sites as cli_sites
from flows.commands import stages as cli_stages
from flows.commands import status as cli_status
from flows.commands import system as cli_system
from flows.commands import vault as cli_vault
from flows.commands import withdraw as cli_withdraw
from flows.commands import words as cli_words
from schemas.errors import ExitCode, LivercohortError
from schemas.run.lazy_imports import load_when_used
from schemas.run.leaving import leave
from schemas.run.log_redaction import silence_warnings
from schemas.run.progress import step_now
from schemas.run.stopping import Stopped, stopped_by_sigterm

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From hospital exports to a versioned liver-imaging cohort.\n\n"
    "Start with: livercohort demo",
)

#: What Typer returns for Ctrl-C, which it catches itself.
_TYPER_INTERRUPTED = 130

_OBJECTS_BETWEEN_COLLECTIONS = 200_000
#: Told to libraries before they are loaded. No threads of numpy's linear algebra: while they wait
#: for work they take a fifth of a short command's time, and workers are processes here. No looking
#: for pydantic's plugins among all that is installed: none may see what is validated here.
_OF_LIBRARIES = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
_NIGHT, _COHORT, _STAGES, _SYSTEM = "Nights", "Cohort", "Stages alone", "Installation"

app.command(rich_help_panel=_NIGHT)(cli_night.demo)
app.command(rich_help_panel=_NIGHT)(cli_simulate.simulate)
app.command(rich_help_panel=_NIGHT)(cli_night.ingest)
app.command(rich_help_panel=_NIGHT)(cli_status.status)
app.command(rich_help_panel=_NIGHT)(cli_status.digest)
app.add_typer(cli_receive.receive_app, name="receive", rich_help_panel=_NIGHT)
app.command(rich_help_panel=_COHORT)(cli_cohort.release)
app.command(rich_help_panel=_COHORT)(cli_cohort.verify)
app.command(rich_help_panel=_COHORT)(cli_cohort.diff)
app.command(rich_help_panel=_COHORT)(cli_cohort.report)
app.command(rich_help_panel=_COHORT)(cli_export.export)
app.command(rich_help_panel=_COHORT)(cli_evaluate.evaluate)
app.command(rich_help_panel=_COHORT)(cli_vault.reidentify)
app.add_typer(cli_review.signoff_app, name="signoff", rich_help_panel=_COHORT)
app.command(rich_help_panel=_COHORT)(cli_withdraw.withdraw)
app.add_typer(cli_decisions.decisions_app, name="decisions", rich_help_panel=_COHORT)
app.add_typer(cli_quarantine.quarantine_app, name="quarantine", rich_help_panel=_NIGHT)
app.add_typer(cli_mask.mask_app, name="mask", rich_help_panel=_COHORT)
app.add_typer(cli_words.words_app, name="words", rich_help_panel=_COHORT)
app.add_typer(cli_queries.queries_app, name="queries", rich_help_panel=_COHORT)
app.add_typer(cli_sdv.sdv_app, name="sdv", rich_help_panel=_COHORT)
app.command(rich_help_panel=_STAGES)(cli_rehearse.check_export)
app.command(rich_help_panel=_STAGES)(cli_stages.deidentify)
app.command(rich_help_panel=_STAGES)(cli_inspect.inspect)
app.command(rich_help_panel=_STAGES)(cli_stages.convert)
app.command(rich_help_panel=_STAGES)(cli_stages.label)
app.command(rich_help_panel=_STAGES)(cli_stages.eligibility)
app.command(rich_help_panel=_STAGES)(cli_stages.forms)
app.command(rich_help_panel=_STAGES)(cli_stages.rules)
app.command(rich_help_panel=_SYSTEM)(cli_system.doctor)
app.add_typer(cli_sites.site_app, name="site", rich_help_panel=_SYSTEM)
app.command(rich_help_panel=_SYSTEM)(cli_sites.deploy)
cli_system.key_app.command("rotate")(cli_vault.rotate_key)
cli_system.key_app.command("check")(cli_vault.check_key)
app.add_typer(cli_share.share_app, name="share", rich_help_panel=_COHORT)
app.add_typer(cli_system.key_app, name="key", rich_help_panel=_SYSTEM)


def _print_version(wanted: bool) -> None:
    if wanted:
        from schemas.run.software import software_version

        typer.echo(f"livercohort {software_version()}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print it.")
    ] = False,
) -> None:
    """From hospital exports to a versioned liver-imaging cohort."""


def main() -> None:
    """Run one command; every way out has its exit code."""
    # A command is short, and loads thousands of classes that stay: looking for circles of garbage
    # after every 700 objects, as Python does by default, is a sixth of its start.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # pydicom loads the first two for test files that one may download, and a command looks nowhere
    # outward; scipy takes all names of numpy, also of what compiles Fortran and of what tests.
    load_when_used("requests", "pydicom.examples", "numpy.f2py", "numpy.testing")
    for name, value in _OF_LIBRARIES.items():
        os.environ.setdefault(name, value)
    silence_warnings()
    _open_closed_streams()
    leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code.

    Returns
    -------
    int
        0 done, 1 findings block, 2 bad usage or input, 3 environment, 4 interrupted,
        120 nobody read what was said, 143 stopped by SIGTERM.
    """
    try:
        with stopped_by_sigterm():
            result = _called(arguments)(arguments, prog_name="livercohort", standalone_mode=False)
    except LivercohortError as error:
        return _tell(error)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted("interrupted", ExitCode.INTERRUPTED)
    except Stopped:
        return _interrupted("stopped by SIGTERM", ExitCode.STOPPED)
    except TyperException as error:
        return _tell_usage_error(error)
    except OSError as error:
        return _tell_system_error(error)
    except SystemExit:
        # The library's own way out of a pipe that was closed at the other end, with the code 1.
        return ExitCode.NOT_TOLD
    except Exception as error:
        from schemas.run.settings import read_settings
        from schemas.run.stage_errors import redacted

        return _tell(redacted(error, "command", read_settings().zones))
    if result == _TYPER_INTERRUPTED:
        return _interrupted("interrupted", ExitCode.INTERRUPTED)
    return int(result or 0)


def _open_closed_streams() -> None:
    """Let what is said go nowhere where the caller had closed a stream: Python has none then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  to the end


def _called(arguments: list[str]) -> typer.Typer:
    """Return the command that is called without the others: to make all takes a while.

    All of them where it is none by its full name: then it is help, or a mistake to explain.
    """
    name = arguments[0] if arguments else ""
    commands = [c for c in app.registered_commands if _name_of(c) == name]
    groups = [g for g in app.registered_groups if g.name == name]
    if not commands and not groups:
        return app
    one = copy(app)
    one.registered_commands, one.registered_groups = commands, groups
    return one


def _name_of(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def _tell(error: LivercohortError) -> int:
    typer.echo(f"error: {error.message}", err=True)
    return error.exit_code


def _tell_usage_error(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "livercohort"
    message = error.format_message().rstrip(".")
    if message:  # without one the help was printed already
        typer.echo(f"error: {message}. See `{command} --help`.", err=True)
    return ExitCode.BAD_INPUT


def _tell_system_error(error: OSError) -> int:
    # The path is left out: in the inbox it is the site's, and may identify.
    typer.echo(
        f"error: the system refused: {error.strerror or type(error).__name__}. "
        "Check rights and free space with `livercohort doctor`.",
        err=True,
    )
    return ExitCode.ENVIRONMENT


def _interrupted(how: str, code: ExitCode) -> int:
    told = " at ".join(filter(None, [how, step_now()]))
    typer.echo(f"{told}: what was committed stays, what was not starts anew next time", err=True)
    return code


if __name__ == "__main__":
    main()
