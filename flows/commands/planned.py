"""Commands of the interface whose part is not there yet: they say so and exit 2."""

from __future__ import annotations

from collections.abc import Callable

import typer

from schemas.errors import BadInputError

_PLANNED = {
    "evaluate": "taking in an index-test run and its outcomes",
}


def add_planned_commands(app: typer.Typer) -> None:
    """Add one command per planned part; any arguments are accepted and none is used."""
    for name, part in _PLANNED.items():
        app.command(
            name,
            help=f"Planned: {part}. Not there yet.",
            rich_help_panel="Planned",
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(_command(name, part))


def _command(name: str, part: str) -> Callable[[], None]:
    def planned() -> None:
        raise BadInputError(
            f"`livercohort {name}` is planned and not there yet: {part}",
            hint="The README lists what works today.",
        )

    return planned
