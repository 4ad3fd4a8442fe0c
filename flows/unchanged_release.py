"""A release with nothing new: seen before a server is started or a table is read.

The answer is that of the release which looked at everything, and it is only given where a
person asked for nothing in particular.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from tasks.publish.store_inputs import (
    Inputs,
    inputs_file,
    keep_inputs,
    read_inputs,
    renewed,
    unchanged_since,
)
from tasks.receive.store_lease import lease

_log = logging.getLogger("livercohort.release")
_UNCHANGED = "unchanged"
#: What only a run that went all the way has to say.
_OF_THE_REPORT = ("report", "pushed")


class Asked(NamedTuple):
    """What a release would say when nothing changed since the last one, and what was looked at."""

    same: dict[str, Any] | None = None
    inputs: Inputs | None = None

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """Let a release that is made inside know of it: of millions of images it takes a while.

        What changes meanwhile is another input when the release ends, so nothing is kept then.
        """
        token = _in_hand.set(self)
        try:
            yield
        finally:
            _in_hand.reset(token)


_in_hand: ContextVar[Asked | None] = ContextVar("in_hand", default=None)


def same_again(
    settings: Settings,
    *,
    bump: str = "auto",
    dry_run: bool = False,
    rehash: bool = False,
    accept_gone: bool = False,
) -> Asked:
    """Ask whether anything changed since the last release; once for a command and its release."""
    if (asked := _in_hand.get()) is not None:
        return asked
    if bump != "auto" or rehash or accept_gone or not inputs_file(settings.zones).is_file():
        return Asked()
    ring = read_key_file(settings.master_key_file)
    try:
        inputs = read_inputs(settings, ring)
    except OSError:  # something comes or goes just now
        return Asked()
    found = unchanged_since(settings.zones, inputs, ring, inputs.day)
    if found is not None and dry_run:
        found = {name: value for name, value in found.items() if name not in _OF_THE_REPORT}
    elif found is not None:
        _hand_on(settings, str(found["version"]))
    return Asked(found, inputs)


def _hand_on(settings: Settings, version: str) -> None:
    """Copy what a store may lack, and tell whom the settings name, as any release does."""
    if settings.releases_url or settings.warehouse_url:
        from tasks.publish.store_remote import push_where_set  # loads what few homes need

        with lease(settings.zones, "release"):  # an erasure takes from the stores what is there
            push_where_set(settings, version)
    if settings.notify_webhook or settings.notify_mail:
        from tasks.operate.store_notify import notify

        told = f"Release {version}: {_UNCHANGED}"
        for failure in notify(settings, f"livercohort: {told}", told):
            _log.error("a message was not delivered: %s", failure)


def inputs_now(settings: Settings) -> Inputs | None:
    """Return the inputs as a release begins; None where they cannot be told."""
    try:
        return read_inputs(settings, read_key_file(settings.master_key_file))
    except OSError:
        return None


def with_queries(settings: Settings, began: Inputs | None) -> Inputs | None:
    """Return the inputs after the release has raised and closed its queries."""
    try:
        return renewed(began, settings.zones) if began else None
    except OSError:
        return None


def keep_for_next(
    settings: Settings, began: Inputs | None, result: Mapping[str, Any], look_again_at: float
) -> None:
    """Keep what the release was made from and what the same one would say again."""
    if began is None:
        return
    again = {
        **result,
        "status": _UNCHANGED,
        "predecessor": result["version"],
        "changes": {},
        "rows": {name: n for name, n in result["rows"].items() if name != "release"},
    }
    if "pushed" in again:
        again["pushed"] = False  # the store has it by now
    ring = read_key_file(settings.master_key_file)
    try:
        keep_inputs(settings, ring, began, again, today=began.day, look_again_at=look_again_at)
    except OSError:
        return  # the next release looks at everything
