"""What source data verification found, in counts only: for the report, part of no release."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO

from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones

_COUNTS = ("compared", "differed", "no_source")
_PERCENT = 100.0


@dataclass(frozen=True)
class FieldCounts:
    """How many values of one field of one site were compared, and how many differed.

    `no_source` are those whose source document was not found; they are in neither count.
    """

    site_code: str
    form: str
    field: str
    critical: bool
    rounds: int
    compared: int
    differed: int
    no_source: int


def read_counts(zones: Zones) -> tuple[FieldCounts, ...]:
    """Return what was found at every site so far."""
    found = []
    for path in sorted((zones.operations / "verification").glob("S*.csv")):
        for row in csv.DictReader(StringIO(path.read_text(encoding="utf-8"))):
            numbers = {name: int(row[name]) for name in ("rounds", *_COUNTS)}
            site, form, name = row["site_code"], row["form"], row["field"]
            found.append(FieldCounts(site, form, name, row["critical"] == "yes", **numbers))
    return tuple(found)


def write_counts(zones: Zones, site: str, counts: Iterable[FieldCounts]) -> None:
    """Write what was found at one site so far."""
    text = StringIO()
    table = csv.DictWriter(text, [one.name for one in fields(FieldCounts)], lineterminator="\n")
    table.writeheader()
    for one in counts:
        table.writerow({**asdict(one), "critical": "yes" if one.critical else "no"})
    write_bytes(zones.operations / "verification" / f"{site}.csv", text.getvalue().encode())


def interval(differed: int, compared: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share.

    Wilson, E. B. (1927), J Am Stat Assoc 22:209-212; it holds its level for few values and
    for none that differ (Newcombe 1998, Stat Med 17:857-872).

    Parameters
    ----------
    differed, compared : int
        At least one value must have been compared.
    """
    from scipy.stats import binomtest  # takes half a second to load

    found = binomtest(differed, compared).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def critical_error_percent(counts: Sequence[FieldCounts]) -> float | None:
    """Return the share of critical values that differed, in per cent; None if none was compared."""
    critical = [one for one in counts if one.critical]
    compared = sum(one.compared for one in critical)
    return _PERCENT * sum(one.differed for one in critical) / compared if compared else None
