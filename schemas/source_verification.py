"""Source data verification: which fields are compared with source documents, of how many.

The two tables lie under `data_contracts/verification/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table

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
