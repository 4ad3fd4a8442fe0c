"""A table too long for memory: a Parquet file a site, read one at a time and only where needed.

A release has a row for each image, millions of them; nothing holds them all at once. What is
known of a part (how many rows, what they say) is known without reading it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

_SUBJECT = "subject_id"


@dataclass(frozen=True)
class TablePart:
    """Rows of one site.

    Parameters
    ----------
    path : Path
        Parquet file, as a release holds it, sorted by key.
    num_rows : int
        Rows of this part.
    content : str
        `table_hash` of the rows in the file.
    subjects : tuple of str, optional
        Only rows of these pseudonyms are of this part; None: all.
    """

    path: Path
    num_rows: int
    content: str
    subjects: tuple[str, ...] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What the rows are: that of the file, or a name for those of some subjects of it."""
        if self.subjects is None:
            return self.content
        told = "\n".join((self.content, *self.subjects))
        return hashlib.sha256(told.encode()).hexdigest()

    def read(self) -> pa.Table:
        """Return the rows."""
        table = pq.read_table(self.path)
        if self.subjects is None:
            return table
        return table.filter(_among(table[_SUBJECT], self.subjects))

    def only(self, released: pa.Array) -> TablePart:
        """Return the part with the rows of some subjects; itself where that is all of them."""
        names = pq.read_table(self.path, columns=[_SUBJECT])[_SUBJECT]
        there = pc.unique(names)
        kept = there.filter(pc.is_in(there, value_set=released))
        if len(kept) == len(there):
            return self
        subjects = tuple(sorted(kept.to_pylist()))
        number = pc.sum(_among(names, subjects)).as_py() or 0
        return replace(self, subjects=subjects, num_rows=number)


@dataclass(frozen=True)
class PartedTable:
    """A table in parts, by site; never all of it in memory.

    Parameters
    ----------
    schema : pyarrow.Schema
        As its contract states.
    parts : mapping of str to TablePart
        Site → rows; none of them is empty.
    """

    schema: pa.Schema
    parts: Mapping[str, TablePart]

    @property
    def num_rows(self) -> int:
        """Rows of all parts."""
        return sum(part.num_rows for part in self.parts.values())

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows of each part."""
        return (part.read() for part in self.parts.values())

    def only(self, released: pa.Array) -> PartedTable:
        """Return the table with the rows of some subjects."""
        parts = {site: part.only(released) for site, part in self.parts.items()}
        return PartedTable(self.schema, {s: part for s, part in parts.items() if part.num_rows})

    def dataset(self) -> Dataset:
        """Return whole files as one dataset, to be streamed."""
        # It brings pandas along, which a night has no use for.
        from pyarrow.dataset import dataset

        if any(part.subjects is not None for part in self.parts.values()):
            raise ValueError("files hold rows of others")
        files = [str(part.path) for part in self.parts.values()]
        return dataset(files, schema=self.schema) if files else dataset(self.whole())

    def whole(self) -> pa.Table:
        """Return all rows in memory: for a short table, such as one that Excel can hold."""
        parts = [table.cast(self.schema) for table in self.tables()]
        return pa.concat_tables([self.schema.empty_table(), *parts])


#: The rows of one file of a release: in memory, or on the disk.
AnyPart: TypeAlias = "pa.Table | TablePart"


def in_memory(part: AnyPart) -> pa.Table:
    """Return the rows, read where they are on the disk."""
    return part.read() if isinstance(part, TablePart) else part


def _among(names: pa.ChunkedArray, subjects: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.is_in(names, value_set=pa.array(subjects, pa.string()))
