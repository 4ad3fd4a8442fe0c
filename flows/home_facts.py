"""Gather how a home stands, from the files of every stage: for `status` and the digest."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections import Counter, defaultdict

from schemas.errors import BusyError, LivercohortError
from schemas.hospital_day import hospital_today
from schemas.identifiers import SiteCode
from schemas.run.nights import last_night
from schemas.run.settings import Settings
from schemas.run.site_files import SiteConfig
from schemas.run.sites import is_site_code, read_sites, why_waiting
from schemas.run.zones import Zones
from schemas.run_context import require_key
from tasks.deidentify.search.store_held_words import undecided_words
from tasks.operate.digest import digest_markdown
from tasks.operate.facts import (
    Attention,
    Exports,
    HomeFacts,
    Queries,
    SiteFacts,
    attention,
    delivery_of,
)
from tasks.operate.store import write_digest
from tasks.publish.store import newest_release
from tasks.queries.states import TO_BE_SENT, Status
from tasks.queries.store import read_queries
from tasks.receive.ledger import HELD
from tasks.receive.store import known_export_file, list_exports, loose_files, pending_exports
from tasks.receive.store_commit import read_batches
from tasks.receive.store_lease import require_free
from tasks.receive.store_ledger import MISSING, check_batches
from tasks.receive.store_pacs import count_receiving

_GIB = 2**30
_NS_PER_HOUR = 3600 * 10**9


def home_facts(settings: Settings, only: SiteCode | None = None) -> HomeFacts:
    """Return how every site of this home stands, or one; changes nothing."""
    zones = settings.zones
    sites = [site for site in read_sites() if only in (None, site.code)]
    queries = _queries(zones)
    faults: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in check_batches(zones, only):
        faults[one.site_code][one.fault].append(one.batch_id)
    batches = read_batches(zones, only)
    held: dict[str, list[str]] = defaultdict(list)
    for batch in batches:
        if batch["state"] == HELD:
            held[str(batch["site_code"])].append(str(batch["batch_id"]))
    words = Counter(word.site for word in undecided_words(zones))
    facts = []
    for site in sites:
        wrong = faults.pop(site.code, {})
        facts.append(
            SiteFacts(
                site_code=site.code,
                exports=_exports(zones, site),
                night=last_night(zones, site.code, busy=_is_busy(zones, site.code)),
                delivery=delivery_of(site.expected, _last_delivery(zones, site), hospital_today()),
                queries=queries.get(site.code, Queries()),
                missing_batches=tuple(wrong.get(MISSING, ())),
                changed_batches=tuple(b for f, bs in wrong.items() if f != MISSING for b in bs),
                held_batches=tuple(held[site.code]),
                held_words=words[site.code],
            )
        )
    # A site whose file is gone may still have batches that somebody took away.
    facts += [
        SiteFacts(code, missing_batches=tuple(b for bs in wrong.values() for b in bs))
        for code, wrong in faults.items()
    ]
    base = next(p for p in (zones.home, *zones.home.parents) if p.exists())
    in_use = bool(batches) or any(one.exports.ready for one in facts)
    return HomeFacts(
        sites=tuple(facts),
        free_gib=round(shutil.disk_usage(base).free / _GIB, 1),
        wanted_gib=settings.min_free_gib,
        key_problem=_key_problem(settings, sites) if in_use else "",
        newest_release=_latest_release(zones),
        published_release=_published_release(zones),
        gated={} if only else gated_sites(zones),
    )


def make_digest(settings: Settings) -> tuple[list[Attention], str, str]:
    """Write the digest of this morning; return what it tells, its text and its day."""
    day = hospital_today().isoformat()
    home = home_facts(settings)
    told = attention(home)
    write_digest(settings.zones, home, told, day)
    return told, digest_markdown(home, told, day), day


def gated_sites(zones: Zones) -> dict[str, str]:
    """Return the sites that have delivered but may not be taken in, with the reason.

    A folder that is not named like a site is left out: its name may be anything.
    """
    if not zones.inbox.is_dir():
        return {}
    folders = sorted(path.name for path in zones.inbox.iterdir() if path.is_dir())
    return {name: why for name in folders if is_site_code(name) and (why := why_waiting(name))}


def _exports(zones: Zones, site: SiteConfig) -> Exports:
    now = time.time_ns()
    listed = list_exports(zones, site, now_ns=now)
    ready = pending_exports(zones, site, now_ns=now)
    oldest = min((export.newest_ns for export in ready), default=now)
    return Exports(
        listed=len(listed),
        waiting=sum(not export.ready for export in listed),
        ready=len(ready),
        ready_hours=round((now - oldest) / _NS_PER_HOUR, 1),
        loose=loose_files(zones, site),
        receiving=count_receiving(zones, site.code),
    )


def _last_delivery(zones: Zones, site: SiteConfig) -> dt.date | None:
    """Return the day of the newest complete export, or of the newest that was ever taken in."""
    now = time.time_ns()
    times = [e.newest_ns / 1e9 for e in list_exports(zones, site, now_ns=now) if e.ready]
    code = SiteCode(site.code)
    for export in list_exports(zones, site, now_ns=now):
        note = known_export_file(zones, code, export.stat_digest)
        times += [note.stat().st_mtime] if note.is_file() else []
    ledger = zones.operations / "ledger" / site.code
    times += [path.stat().st_mtime for path in ledger.glob("*.json")]
    return dt.datetime.fromtimestamp(max(times), dt.UTC).date() if times else None


def _is_busy(zones: Zones, site: str) -> bool:
    try:
        require_free(zones, site)
    except BusyError:
        return True
    return False


def _queries(zones: Zones) -> dict[str, Queries]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for query in read_queries(zones).values():
        counts[query.about.site_code][0] += query.status is Status.OPEN
        counts[query.about.site_code][1] += query.status in TO_BE_SENT
    return {site: Queries(*numbers) for site, numbers in counts.items()}


def _key_problem(settings: Settings, sites: list[SiteConfig]) -> str:
    if not os.access(settings.master_key_file, os.R_OK):
        return "the key cannot be read: no night can run here"
    try:
        require_key(settings, SiteCode(sites[0].code if sites else "S91"))
    except LivercohortError as error:
        return error.found
    return ""


def _latest_release(zones: Zones) -> str:
    latest = zones.releases / "latest"
    return latest.resolve().name if latest.exists() else ""


def _published_release(zones: Zones) -> str:
    latest, newest = zones.releases / "latest", newest_release(zones.releases)
    if latest.is_dir() and not latest.is_symlink():
        return latest.name  # a copy without links says which it is by no name
    return newest.name if newest else ""
