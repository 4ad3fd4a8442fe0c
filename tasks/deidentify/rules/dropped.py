"""What is dropped although PS3.15 table E.1-1 does not name it, and why (`dropped.csv`).

Nothing is decided by this table: what has no row in `profile.csv` is removed anyway. It holds the
reasons, so that an attribute outside the standard's table is either kept by contract or dropped
for a cause that somebody wrote down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydicom.datadict import keyword_for_tag

from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table

_ROWS = TableShape(
    ("tag", "keyword", "reason", "source"), key=("tag",), stated=("reason", "source")
)
_TAG = re.compile(r"([0-9A-F]{4}|60xx),[0-9A-F]{4}")


@dataclass(frozen=True)
class Dropped:
    """One attribute that is dropped for a reason; `60xx` stands for every overlay group."""

    tag: str
    keyword: str
    reason: str
    source: str

    def is_of(self, tag: int) -> bool:
        """Return whether a tag is this attribute."""
        text = f"{tag >> 16:04X},{tag & 0xFFFF:04X}"
        return text == self.tag or (text[:2] == self.tag[:2] == "60" and text[4:] == self.tag[4:])


def load_dropped() -> tuple[Dropped, ...]:
    """Return the reasons in force."""
    return read_dropped(data_contracts_dir() / "deidentification" / "dropped.csv")


def read_dropped(path: Path) -> tuple[Dropped, ...]:
    """Read the reasons.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    return tuple(read_table(path, _ROWS, _dropped))


def _dropped(row: Cells) -> Dropped:
    if _TAG.fullmatch(row["tag"]) is None:
        raise ValueError("a tag is written `GGGG,EEEE` in capital hex digits, overlays `60xx,EEEE`")
    tag = int(row["tag"].replace(",", "").replace("x", "0"), 16)
    if keyword_for_tag(tag) != row["keyword"]:
        raise ValueError("tag and keyword name different attributes")
    return Dropped(row["tag"], row["keyword"], row["reason"], row["source"])
