"""What comparing entries with source documents found, by site and field: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.verification_counts import FieldCounts, interval

ALL_SITES = "all"


@dataclass(frozen=True)
class ErrorRate:
    """How many compared values differed, the share in per cent, and its 95 % interval.

    `field` is empty for all critical fields of a site together. Share and interval are None
    where no value was compared.
    """

    site_code: str
    field: str
    critical: bool
    compared: int
    differed: int
    no_source: int
    share: float | None
    low: float | None
    high: float | None


def overview(counts: Sequence[FieldCounts]) -> tuple[ErrorRate, ...]:
    """Return one line per site for its critical fields, then one per field over all sites.

    Every field of every site stands on the pages of the sites: one page of all has too many rows.
    """
    sites = [one for one in error_rates(counts) if not one.field]
    fields = sorted({(one.form, one.field, one.critical) for one in counts})
    return (
        *sites,
        *(
            _rate(
                ALL_SITES,
                f"{form}.{name}",
                (one for one in counts if (one.form, one.field) == (form, name)),
                critical=critical,
            )
            for form, name, critical in fields
        ),
    )


def error_rates(counts: Sequence[FieldCounts]) -> tuple[ErrorRate, ...]:
    """Return one line per site for its critical fields together, then one per field."""
    lines = []
    for site in sorted({one.site_code for one in counts}):
        own = [one for one in counts if one.site_code == site]
        lines.append(_rate(site, "", (one for one in own if one.critical), critical=True))
        lines += [
            _rate(site, f"{one.form}.{one.field}", [one], critical=one.critical) for one in own
        ]
    return tuple(lines)


def _rate(site: str, name: str, counts: Iterable[FieldCounts], *, critical: bool) -> ErrorRate:
    members = list(counts)
    compared, differed = (sum(getattr(m, key) for m in members) for key in ("compared", "differed"))
    low, high = interval(differed, compared) if compared else (None, None)
    return ErrorRate(
        site_code=site,
        field=name,
        critical=critical,
        compared=compared,
        differed=differed,
        no_source=sum(one.no_source for one in members),
        share=_percent(differed / compared) if compared else None,
        low=_percent(low),
        high=_percent(high),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100.0 * share, 1)
