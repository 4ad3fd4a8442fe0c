"""What a release will be, decided before its first byte is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from schemas.identifiers import Sha256
from schemas.tables.contracts import TableContract
from tasks.publish.diff.differences import Differences
from tasks.publish.facts import ReleaseFacts


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided before the first byte is written.

    Parameters
    ----------
    version : str
        Version of the release.
    tables : mapping of str to pyarrow.Table
        Every table, `release` included.
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
    parts: Mapping[str, pa.Table]
    part_hashes: Mapping[str, Sha256]
    unchanged: frozenset[str]
    contracts: Mapping[str, TableContract]
    facts: ReleaseFacts
    differences: Differences
    content_hash: Sha256
    previous: Path | None
