"""What can be done about something that was set aside, by reason: one closed table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.pixel_decisions import Outcome
from schemas.rule_tables import Cells, TableShape, read_table, table_name
from schemas.states import ReasonCode

#: Look at a picture, at a face, at whose it is; try again; the site delivers anew; never.
GROUPS = ("look", "face", "person", "retry", "site", "never")
RELEASE, RETRY = "release", "retry"
_COLUMNS = (
    *("reason_code", "detail", "group", "actions", "accept_means"),
    *("text_en", "text_zh", "reason", "source"),
)
_SHAPE = TableShape(
    _COLUMNS,
    key=("reason_code", "detail"),
    stated=("reason_code", "group", "actions", "text_en", "text_zh", "reason", "source"),
)


@dataclass(frozen=True)
class Disposition:
    """What a person may do about files set aside for one reason.

    `detail` narrows a reason by what was seen, empty for all else of the reason. `accept_means`
    says what accepting does: `release` lets the pixels in as they are, `retry` only takes the
    file in again, as if it came now.
    """

    reason_code: ReasonCode
    detail: str
    group: str
    actions: tuple[Outcome, ...]
    accept_means: str
    text_en: str
    text_zh: str

    @property
    def is_about_pixels(self) -> bool:
        """Whether a person has to look at the picture."""
        return self.accept_means == RELEASE


Dispositions = Mapping[tuple[ReasonCode, str], Disposition]


def read_dispositions(path: Path) -> Dispositions:
    """Read the table.

    Raises
    ------
    ContractError
        If a row cannot be used, or a reason has no row of its own.
    """
    rows = read_table(path, _SHAPE, _disposition)
    found = {(row.reason_code, row.detail): row for row in rows}
    missing = [str(reason) for reason in ReasonCode if (reason, "") not in found]
    if missing:
        raise ContractError(f"no row for {missing[0]}", where=table_name(path))
    return found


@lru_cache(maxsize=1)
def load_dispositions() -> Dispositions:
    """Return the table that ships with the product."""
    return read_dispositions(data_contracts_dir() / "inspection" / "dispositions.csv")


def disposition_of(reason: ReasonCode, detail: str = "") -> Disposition:
    """Return what can be done about a file set aside for this reason and detail."""
    table = load_dispositions()
    return table.get((reason, detail)) or table[reason, ""]


def _disposition(row: Cells) -> Disposition:
    actions = tuple(Outcome(word) for word in row["actions"].split())
    accepts = Outcome.ACCEPT in actions
    if row["group"] not in GROUPS:
        raise ContractError(f"group {row['group']}", expected=", ".join(GROUPS))
    if accepts != (row["accept_means"] in (RELEASE, RETRY)):
        raise ContractError(
            "accept and accept_means do not fit", expected=f"{RELEASE} or {RETRY} beside accept"
        )
    if Outcome.REJECT not in actions or (Outcome.MASK in actions and not accepts):
        raise ContractError("every reason can be rejected, and what can be masked be accepted")
    return Disposition(
        reason_code=ReasonCode(row["reason_code"]),
        detail=row["detail"],
        group=row["group"],
        actions=actions,
        accept_means=row["accept_means"],
        text_en=row["text_en"],
        text_zh=row["text_zh"],
    )
