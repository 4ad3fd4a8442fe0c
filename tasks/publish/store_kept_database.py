"""The images of the release before in a database of their own, where the next one may begin.

A row of an image with its key costs most of `cohort.duckdb`, and nearly all are as they were. What
is kept never held anything but rows of that table, and it is begun with only where every one of
them is a row of this release: then nothing that was corrected or withdrawn lies in its blocks
(decision 0013). A cache, never the truth: in the restricted zone, under its SHA-256 and the hashes
of its parts, both sealed; an erasure removes it with all that is kept of images.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.run.atomic_files import make_folder, sha256_of_file
from schemas.run.zones import Zones
from schemas.tables.contracts import TableContract
from schemas.vault.kept import KEPT_SUFFIX, read_kept, write_kept
from schemas.vault.keys import KeyRing
from tasks.publish.diff.content import table_hash
from tasks.publish.store_database import append_rows, only_column, write_table

#: So many times as many bytes a row as in a file made at once, and it is made anew.
GROWTH = 1.1
_AT_ONCE = 1 << 30
_WHAT = "images/database"
_SERIES = "series_uid"


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What is known of the file that is kept.

    Parameters
    ----------
    parts : mapping of str to str
        Path inside the release → `table_hash` of its rows, all of which are in the file.
    sha256 : str
        Of the file.
    bytes_a_row : float
        Of the file that was made at once, before anything was added.
    """

    parts: Mapping[str, str]
    sha256: str
    bytes_a_row: float


class KeptDatabase:
    """The rows of images of the newest release, as DuckDB has them.

    Parameters
    ----------
    zones : Zones
        Whose restricted zone keeps them.
    ring : KeyRing
        Seals what is known of them.
    """

    def __init__(self, zones: Zones, ring: KeyRing) -> None:
        folder = zones.restricted / "images"
        self._ring, self._path = ring, folder / "instance.duckdb"
        self._known = folder / f"database{KEPT_SUFFIX}"
        self._beside = folder / ".instance.duckdb.part"
        self._made: _Kept | None = None

    def begin(
        self,
        path: Path,
        contract: TableContract,
        files: Mapping[str, Path],
        hashes: Mapping[str, str],
    ) -> bool:
        """Write a database of one table alone; a copy of it waits to be kept.

        Parameters
        ----------
        path : Path
            The database; must not be there.
        contract : TableContract
            Of the table.
        files : mapping of str to Path
            Path inside the release → Parquet file of the rows, sorted by key; none is empty.
        hashes : mapping of str to str
            Path inside the release → `table_hash` of these rows.

        Returns
        -------
        bool
            Whether it was begun with what was kept.
        """
        self._made = None
        found = each = self._continued(path, contract, files, hashes)
        if each is None:
            for left in (path, Path(f"{path}.wal")):  # with the log of what could not be added
                left.unlink(missing_ok=True)
            write_table(path, contract, list(files.values()))
            each = path.stat().st_size / _n_rows(files)
        try:
            make_folder(self._beside.parent, closed=True)
            _copy(path, self._beside)
            sha256 = str(sha256_of_file(self._beside))
        except OSError:  # no room there: the next one is made anew
            self.discard()
        else:
            self._made = _Kept(parts=dict(hashes), sha256=sha256, bytes_a_row=each)
        return found is not None

    def keep(self) -> None:
        """Keep what the release that was published began with, for the next one."""
        made, self._made = self._made, None
        # A kill or a full disk in between leaves a file that is not the one that is known: made
        # anew. The release is there already, and still has to be remembered.
        with suppress(OSError):
            if made is not None:
                self._beside.replace(self._path)
                write_kept(self._known, self._ring, _WHAT, {"kept": made})

    def discard(self) -> None:
        """Leave no copy behind that waits to be kept, such as that of a release not published."""
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)

    def _continued(
        self,
        path: Path,
        contract: TableContract,
        files: Mapping[str, Path],
        hashes: Mapping[str, str],
    ) -> float | None:
        """Write what is kept and the rows that are new; None where that is not sound."""
        kept = cast("_Kept | None", read_kept(self._known, self._ring, _WHAT).get("kept"))
        if kept is None or not kept.parts.keys() <= hashes.keys():
            return None
        if self._path.is_symlink() or not self._path.is_file():
            return None
        try:
            _copy(self._path, path)
            if sha256_of_file(path) != kept.sha256:
                return None
            series = only_column(path, contract.name, _SERIES)
            changed = [name for name in files if kept.parts.get(name) != hashes[name]]
            if not all(_is_more(files[one], series, kept.parts.get(one)) for one in changed):
                return None
            schema = contract.arrow_schema()
            added = append_rows(path, contract.name, schema, _added(files, changed, series))
        except (OSError, duckdb.Error):  # what is wrong is told where the table is made at once
            return None
        is_whole = added == _n_rows(files)
        is_small = path.stat().st_size <= GROWTH * kept.bytes_a_row * added
        return kept.bytes_a_row if is_whole and is_small else None


def _is_more(path: Path, series: pa.Array, content: str | None) -> bool:
    """Return whether the rows of series that are kept are all as they were, none more or less."""
    rows = pq.read_table(path)
    same = rows.filter(pc.is_in(rows[_SERIES], value_set=series))
    return same.num_rows == 0 if content is None else str(table_hash(same)) == content


def _added(files: Mapping[str, Path], changed: list[str], series: pa.Array) -> Iterator[pa.Table]:
    """Yield the rows of series that are not kept, of one file after another."""
    for name in changed:
        rows = pq.read_table(files[name])
        yield rows.filter(pc.invert(pc.is_in(rows[_SERIES], value_set=series)))


def _n_rows(files: Mapping[str, Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in files.values())


def _copy(source: Path, target: Path) -> None:
    """Copy a file, for its owner alone; where the file system can, its blocks are shared."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with source.open("rb") as read, os.fdopen(os.open(target, flags, 0o600), "wb") as written:
        try:
            while os.copy_file_range(read.fileno(), written.fileno(), _AT_ONCE):
                pass
        except (OSError, AttributeError):  # from one file system to another, or not by Linux
            read.seek(0)
            written.seek(0)
            shutil.copyfileobj(read, written)
