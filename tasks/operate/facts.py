"""How things stand at every site, and what of it needs a person. Pure.

Site codes, batch ids, counts, days and redacted messages: nothing here names a person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from schemas.run.nights import NEEDS_A_PERSON, NightRecord, NightState
from schemas.run.site_files import Expectation

#: A complete export that two nights have passed by was not simply early.
OVERDUE_HOURS = 48.0


class Level(StrEnum):
    """How much something matters: `act` makes `status` exit with 1."""

    ACT = "act"
    LOOK = "look"


@dataclass(frozen=True)
class Attention:
    """One thing that somebody should know, in a sentence."""

    level: Level
    kind: str
    site_code: str
    text: str


@dataclass(frozen=True)
class Exports:
    """What lies in a site's inbox.

    `listed` are all there are; `waiting` are not complete yet; `ready` are complete and were not
    taken in, the oldest for `ready_hours`; `loose` lie beside the exports, where nobody reads them;
    `receiving` were sent by a PACS and are in no export yet.
    """

    listed: int = 0
    waiting: int = 0
    ready: int = 0
    ready_hours: float = 0.0
    loose: int = 0
    receiving: int = 0


@dataclass(frozen=True)
class Delivery:
    """What a site has agreed to deliver, and what it did."""

    last_on: dt.date | None
    due_on: dt.date
    late_days: int


@dataclass(frozen=True)
class Queries:
    """Queries of a site: asked and not answered, and not yet put to it."""

    open: int = 0
    waiting_for_export: int = 0


@dataclass(frozen=True)
class SiteFacts:
    """One site."""

    site_code: str
    exports: Exports = Exports()
    night: NightRecord | None = None
    delivery: Delivery | None = None
    queries: Queries = Queries()
    missing_batches: tuple[str, ...] = ()
    changed_batches: tuple[str, ...] = ()
    held_batches: tuple[str, ...] = ()
    held_words: int = 0


@dataclass(frozen=True)
class HomeFacts:
    """The whole home; `key_problem` is empty when nights can run.

    `newest_release` is what `latest` points to, `published_release` the highest version there.
    """

    sites: tuple[SiteFacts, ...] = ()
    free_gib: float = 0.0
    wanted_gib: float = 0.0
    key_problem: str = ""
    newest_release: str = ""
    published_release: str = ""
    gated: dict[str, str] = field(default_factory=dict)


def delivery_of(
    expected: Expectation | None, last_on: dt.date | None, today: dt.date
) -> Delivery | None:
    """Return when the next delivery is due and by how many days it is late (0: it is not)."""
    if expected is None:
        return None
    start = max(expected.since, last_on) if last_on else expected.since
    due = start + dt.timedelta(days=expected.every_days)
    late = (today - due).days - expected.grace_days
    return Delivery(last_on, due, max(0, late))


def attention(home: HomeFacts) -> list[Attention]:
    """Return what somebody should know, what must be acted on first."""
    found = _of_home(home)
    for site in home.sites:
        found += _of_site(site)
    return sorted(found, key=lambda a: (a.level is not Level.ACT, a.site_code, a.kind))


def _of_home(home: HomeFacts) -> list[Attention]:
    found = []
    if home.key_problem:
        found.append(Attention(Level.ACT, "key", "", home.key_problem))
    if home.published_release != home.newest_release:
        text = (
            f"`latest` points to {home.newest_release or 'nothing'} and "
            f"{home.published_release or 'nothing'} is the newest release: end what was killed "
            "(`livercohort withdraw` of the same subject), or `livercohort release`"
        )
        found.append(Attention(Level.ACT, "latest", "", text))
    if home.free_gib < home.wanted_gib:
        text = f"{home.free_gib:.1f} GiB are free, {home.wanted_gib:g} are wanted"
        found.append(Attention(Level.ACT, "disk", "", text))
    found += [Attention(Level.LOOK, "gated", code, why) for code, why in home.gated.items()]
    return found


def _of_site(site: SiteFacts) -> list[Attention]:
    found = [*_of_batches(site), *_of_inbox(site)]
    night, delivery = site.night, site.delivery
    if night is not None and night.state in NEEDS_A_PERSON:
        told = "the run was killed; the next night starts anew"
        if night.state is not NightState.KILLED:
            told = " ".join(night.messages)
        text = f"the night of {night.begun} {night.state}: {told}"
        found.append(Attention(Level.ACT, "night", site.site_code, text))
    if delivery is not None and delivery.late_days:
        last = delivery.last_on.isoformat() if delivery.last_on else "never"
        text = (
            f"a delivery was due on {delivery.due_on} and is {delivery.late_days} days over its "
            f"grace; the last came {last}"
        )
        found.append(Attention(Level.ACT, "late", site.site_code, text))
    if site.held_words:
        text = f"{site.held_words} words hold subjects until decided: `livercohort words list`"
        found.append(Attention(Level.LOOK, "words", site.site_code, text))
    if site.queries.waiting_for_export:
        text = f"{site.queries.waiting_for_export} queries wait for `livercohort queries export`"
        found.append(Attention(Level.LOOK, "queries", site.site_code, text))
    return found


def _of_batches(site: SiteFacts) -> list[Attention]:
    told = [
        (Level.ACT, "batch_missing", site.missing_batches, "was committed and is gone: restore it"),
        (Level.ACT, "batch_changed", site.changed_batches, "is not as committed: restore it"),
        (Level.LOOK, "held", site.held_batches, "is held and in no release until it is mended"),
    ]
    return [
        Attention(level, kind, site.site_code, f"batch {batch} {words}")
        for level, kind, batches, words in told
        for batch in batches
    ]


def _of_inbox(site: SiteFacts) -> list[Attention]:
    code, exports = site.site_code, site.exports
    found = []
    if exports.ready:
        level = Level.ACT if exports.ready_hours > OVERDUE_HOURS else Level.LOOK
        text = (
            f"{exports.ready} complete exports are not taken in, the oldest for "
            f"{exports.ready_hours:.0f} hours"
        )
        found.append(Attention(level, "ready", code, text))
    if exports.waiting:
        text = f"{exports.waiting} exports wait for READY or the quiet period"
        found.append(Attention(Level.LOOK, "waiting", code, text))
    if exports.receiving:
        text = f"{exports.receiving} objects of a PACS wait for `receive close`"
        found.append(Attention(Level.LOOK, "receiving", code, text))
    if exports.loose:
        text = f"{exports.loose} files lie beside the exports and are not read"
        found.append(Attention(Level.LOOK, "loose", code, text))
    return found


def as_json_facts(home: HomeFacts) -> dict[str, Any]:
    """Return the facts as plain values, days as ISO texts."""
    facts = asdict(home)
    for site in facts["sites"]:
        for name in ("last_on", "due_on") if site["delivery"] else ():
            day = site["delivery"][name]
            site["delivery"][name] = day.isoformat() if day else None
    return facts
