"""The morning digest as text, and what is told of a night: pseudonymous by what it is made of.

Pure. Site codes, batch ids, counts, days and messages that were redacted before.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.run.nights import NightRecord
from tasks.operate.facts import Attention, HomeFacts, Level, SiteFacts


def digest_markdown(home: HomeFacts, told: Sequence[Attention], day: str) -> str:
    """Return the digest of one morning.

    Parameters
    ----------
    home : HomeFacts
        How every site stands.
    told : sequence of Attention
        What somebody should know.
    day : str
        ISO date at the hospitals.
    """
    acts = [one for one in told if one.level is Level.ACT]
    looks = [one for one in told if one.level is Level.LOOK]
    lines = [
        f"# livercohort, morning of {day}",
        "",
        subject_of(told),
        "",
        "## To be acted on",
        "",
        *(_item(one) for one in acts),
        *([] if acts else ["Nothing."]),
        "",
        "## To be looked at",
        "",
        *(_item(one) for one in looks),
        *([] if looks else ["Nothing."]),
        "",
        "## Sites",
        "",
        "| site | last night | files taken in | ready | waiting | next due | late | queries open |",
        "|---|---|---:|---:|---:|---|---:|---:|",
        *(_row(site) for site in home.sites if _has_anything(site)),
        "",
        f"Free disk: {home.free_gib:.1f} GiB. Newest release: {home.newest_release or 'none'}.",
        "",
    ]
    return "\n".join(lines)


def subject_of(told: Sequence[Attention]) -> str:
    """Return one line that says whether anybody has to do something."""
    acts = [one for one in told if one.level is Level.ACT]
    if not acts:
        return "livercohort: nothing needs a person"
    sites = sorted({one.site_code for one in acts if one.site_code})
    kinds = ", ".join(sorted({one.kind for one in acts}))
    return (
        f"livercohort: {len(acts)} to act on ({kinds}){' at ' if sites else ''}{', '.join(sites)}"
    )


def night_text(record: NightRecord) -> str:
    """Return what is told of one night that needs a person."""
    told = " ".join(record.messages)
    return f"livercohort: the night of {record.begun} at {record.site_code} {record.state}. {told}"


def unrecorded_night(site: str, failure: str) -> tuple[str, str]:
    """Return subject and text for a night that failed where it could leave no record."""
    subject = f"livercohort: the night at {site} failed and left no record"
    return subject, f"{subject}. {failure}"


def _item(one: Attention) -> str:
    return f"- **{one.site_code or 'home'}** ({one.kind}): {one.text}"


def _has_anything(site: SiteFacts) -> bool:
    return bool(site.night or site.exports.listed or site.delivery or site.missing_batches)


def _row(site: SiteFacts) -> str:
    night, delivery = site.night, site.delivery
    cells = [
        site.site_code,
        f"{night.state} {night.begun}" if night else "none yet",
        str(sum(night.counts.values())) if night else "0",
        str(site.exports.ready),
        str(site.exports.waiting),
        delivery.due_on.isoformat() if delivery else "-",
        str(delivery.late_days) if delivery else "-",
        str(site.queries.open),
    ]
    return f"| {' | '.join(cells)} |"
