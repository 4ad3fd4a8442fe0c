"""What a release will be, decided before its first byte is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from schemas.identifiers import Sha256
from schemas.tables.contracts import TableContract
from schemas.tables.parted_tables import AnyPart, PartedTable
from tasks.publish.diff.differences import RELEASE_TABLE, Differences
from tasks.publish.facts import ReleaseFacts


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided before the first byte is written.

    Parameters
    ----------
    version : str
        Version of the release.
    tables : mapping of str to pyarrow.Table
        Every table, `release` included, but those too long for memory.
    parted : mapping of str to PartedTable
        Those.
    parts, part_hashes : mapping
        Path inside the release → rows that lie there, and their `table_hash`.
    unchanged : frozenset of str
        Paths whose rows are those of the release before.
    contracts, facts, differences, content_hash
        What the rows mean, what the release was told, and what changed.
    previous : Path, optional
        The release before.
    """

    version: str
    tables: Mapping[str, pa.Table]
    parted: Mapping[str, PartedTable]
    parts: Mapping[str, AnyPart]
    part_hashes: Mapping[str, Sha256]
    unchanged: frozenset[str]
    contracts: Mapping[str, TableContract]
    facts: ReleaseFacts
    differences: Differences
    content_hash: Sha256
    previous: Path | None

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each table has, by name; that of the release itself comes last."""
        everything = {**self.tables, **self.parted}
        names = sorted(everything.keys() - {RELEASE_TABLE})
        last = [RELEASE_TABLE] if RELEASE_TABLE in everything else []
        return {name: everything[name].num_rows for name in (*names, *last)}
