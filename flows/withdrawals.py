"""Who withdrew since a release was made, and how what shows persons keeps clear of an erasure."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import pyarrow as pa

from schemas.errors import EnvironmentProblemError, GateBlockedError
from schemas.run.settings import Settings
from schemas.run.zones import Zones
from schemas.tables.contracts import read_table_contracts
from schemas.vault.keys import read_key_file
from schemas.vault.suppression import SUPPRESSION_LIST, suppressed_among
from tasks.publish.consent import rows_of
from tasks.publish.store import withdrawn_subjects
from tasks.receive.store_lease import lease, require_all_free, require_free, require_still_held

#: The lease of whoever withdraws somebody, and the first part of those of whoever shows persons
#: outside a release: of these there may be many.
WITHDRAWALS, SHOWING = "withdrawals", "showing-"
#: To be called with everybody of whom something gets its name next: raises to stop it.
LastLook = Callable[[Iterable[str]], None]


@contextmanager
def nobody_withdraws(zones: Zones) -> Iterator[Callable[[], None]]:
    """Let a withdrawal wait while persons are read and written to another place.

    What was read before an erasure would otherwise be published after it. Releases and nights are
    not kept waiting: an erasure has leases of theirs too.

    Yields
    ------
    callable
        To be called right before what was made gets its name: raises BusyError if this process
        slept so long that an erasure may have gone on without it.

    Raises
    ------
    BusyError
        If somebody withdraws now.
    """
    name = f"{SHOWING}{secrets.token_hex(4)}"
    # First the own lease and then the look at the other one, here and in `nobody_shows`: of two
    # that begin together one sees the other at least.
    with lease(zones, name):
        require_free(zones, WITHDRAWALS)
        yield partial(require_still_held, zones, name)


@contextmanager
def nobody_shows(zones: Zones) -> Iterator[None]:
    """Let what shows persons wait while somebody withdraws.

    Raises
    ------
    BusyError
        If somebody withdraws now, or a report or the like is being made.
    """
    with lease(zones, WITHDRAWALS):
        require_all_free(zones, SHOWING)
        yield


def withdrawn_since(settings: Settings, subjects: Iterable[str]) -> frozenset[str]:
    """Return which subjects are on the list of withdrawals, or withdrew in a form.

    The newest release says of whom a form withdrew the consent.

    Raises
    ------
    EnvironmentProblemError
        If there is a list and no key: it names nobody then, and nobody may be handed out.
    """
    asked = frozenset(subjects)
    by_form = asked & withdrawn_subjects(settings.zones.releases)
    restricted = settings.zones.restricted
    if not (restricted / SUPPRESSION_LIST).is_file():
        return by_form
    if not settings.master_key_file.is_file():
        raise EnvironmentProblemError(
            "somebody withdrew, and without the key nobody can tell who",
            where=f"restricted/{SUPPRESSION_LIST}",
            expected=f"the key at {settings.master_key_file}",
            hint="Run it where the key is, or set LIVERCOHORT_KEY_FILE.",
        )
    ring = read_key_file(settings.master_key_file)
    return by_form | suppressed_among(restricted, ring, asked)


def last_look(settings: Settings, still: Callable[[], None]) -> LastLook:
    """Return the look right before something of subjects gets its name.

    Nights and releases are not kept waiting meanwhile, and a form in one may be a withdrawal.

    Parameters
    ----------
    settings : Settings
        Of the home.
    still : callable
        Of `nobody_withdraws`.

    Returns
    -------
    callable
        Raises BusyError if an erasure may have gone on, GateBlockedError if one of those named
        withdrew.
    """

    def look(subjects: Iterable[str]) -> None:
        still()
        gone = withdrawn_since(settings, subjects)
        if gone:
            raise GateBlockedError(
                f"{len(gone)} subjects withdrew since the release was made",
                expected="only what is of subjects who take part",
                hint="Nothing was written: from then on nothing of theirs is taken in or handed "
                "out. What is made of many goes without them when it is called again.",
            )

    return look


def without_withdrawn(settings: Settings, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Return the tables of a release without the rows of who withdrew since it was made."""
    subjects = tables["subject"]["subject_id"].to_pylist()
    gone: Collection[str] = withdrawn_since(settings, subjects)
    if not gone:
        return dict(tables)
    kept = pa.array([one for one in subjects if one not in gone], pa.string())
    return rows_of(tables, read_table_contracts(), kept)
