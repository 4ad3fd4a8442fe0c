"""Source data verification: which fields are compared, how many subjects, and what was found.

The two tables lie under `data_contracts/verification/`. What was found is kept in counts only,
in `operations/verification/`, for the report; it is part of no release.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from io import StringIO
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones

UNVERIFIED = "unverified"
_RISKS = ("low", "medium", "high", UNVERIFIED)
_RISK_SHAPE = TableShape(
    (
        *("risk", "share_percent", "subjects_min", "critical_error_percent"),
        *("conflict_percent", "reason", "source"),
    ),
    key=("risk",),
    stated=("share_percent", "subjects_min", "reason", "source"),
)
_FIELD_SHAPE = TableShape(("form", "field", "critical", "reason", "source"), key=("form", "field"))
_PERCENT = 100.0


@dataclass(frozen=True)
class Risk:
    """How much of a site at this risk is compared.

    A site is at the highest risk of which it reaches a threshold: of the share of critical
    values that were wrong when last compared, or of subjects with an open major query, both
    in per cent. `UNVERIFIED` has none: it is the risk of a site never compared.
    """

    name: str
    share_percent: float
    subjects_min: int
    critical_error_percent: float | None
    conflict_percent: float | None


@dataclass(frozen=True)
class VerifiedField:
    """One field of a form that is compared with its source; critical if a verdict hangs on it."""

    form: str
    field: str
    critical: bool


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


def verification_folder() -> Path:
    """Return where the tables in force lie."""
    return data_contracts_dir() / "verification"


@lru_cache(maxsize=1)
def load_risks() -> tuple[Risk, ...]:
    """Return the risks in force, the lowest first."""
    return read_risks(verification_folder() / "risks.csv")


@lru_cache(maxsize=1)
def load_fields() -> tuple[VerifiedField, ...]:
    """Return the fields in force, in their order."""
    return read_fields(verification_folder() / "fields.csv")


def read_risks(path: Path) -> tuple[Risk, ...]:
    """Read the table of risks.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    found = read_table(path, _RISK_SHAPE, _risk)
    lacking = set(_RISKS) - {one.name for one in found}
    if lacking:
        raise ContractError(
            f"the table lacks the risks {', '.join(sorted(lacking))}", where=f"{path.name}:1"
        )
    return tuple(sorted(found, key=lambda one: _RISKS.index(one.name)))


def read_fields(path: Path) -> tuple[VerifiedField, ...]:
    """Read the table of fields.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    return tuple(read_table(path, _FIELD_SHAPE, _field))


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


_COUNTS = ("compared", "differed", "no_source")


def _risk(row: Cells) -> Risk:
    if row["risk"] not in _RISKS:
        raise ContractError("a row of no known risk", expected=", ".join(_RISKS))
    thresholds = [_percent(row[name]) for name in ("critical_error_percent", "conflict_percent")]
    if (row["risk"] == UNVERIFIED) == any(one is not None for one in thresholds):
        raise ContractError(
            "thresholds where none belong, or none where they do",
            expected=f"none for {UNVERIFIED}, and both for every other risk",
        )
    share = _percent(row["share_percent"])
    if not share:
        raise ContractError("a share of nobody", expected="a number above 0, of at most 100")
    if not row["subjects_min"].isdecimal():
        raise ContractError("a number of subjects that is none", expected="a whole number")
    return Risk(row["risk"], share, int(row["subjects_min"]), *thresholds)


def _percent(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= _PERCENT:
        raise ContractError("a value that is no percentage", expected="a number from 0 to 100")
    return value


def _field(row: Cells) -> VerifiedField:
    if row["critical"] not in ("yes", "no"):
        raise ContractError("critical is neither yes nor no", expected="yes, no")
    return VerifiedField(row["form"], row["field"], row["critical"] == "yes")
