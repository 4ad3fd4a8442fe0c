"""Images of the committed batches: what is known of them all, and the records of some at a time.

A cohort has millions of images. Of all of them only columns are looked at, site by site; records
are made of a few thousand that hang together, and dropped. What columns say of a site whose batches
are the same is kept from one release for the next: a cache, never the truth (decision 0013).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import BatchId, SiteCode
from schemas.records import VolumeRecord
from schemas.run.zones import Zones
from schemas.tables.record_tables import records_from_table
from schemas.value_digest import value_digest
from schemas.vault.inspections import LaterInspection
from tasks.publish.batches import (
    BatchTables,
    CommittedBatch,
    CommittedBatches,
    merge_batches,
    unreadable,
)
from tasks.publish.images import (
    Numbers,
    SiteImages,
    codes_of,
    components,
    joined_sites,
    packs,
    taken_rows,
)
from tasks.publish.store_kept_images import KeptImages

_NAMES = ("sop_uid", "series_uid", "study_uid", "subject_id")
#: Rows of tables in memory at a time, and records of them.
_ROWS, _RECORDS = 1 << 15, 1 << 12


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """What a release asks of all images of a group: who, from which batch, what they say of sex."""

    n_images: int
    taken: frozenset[tuple[str, str]] = field(repr=False)
    first_batch: Mapping[str, str] = field(repr=False)
    sexes: frozenset[tuple[str, str]] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StoredGroup:
    """Images of a site, or of sites that share some, in the batches of a warehouse.

    Parameters
    ----------
    zones : Zones
        Whose warehouse.
    sites : tuple of SiteCode
        Whose batches.
    batches : tuple of CommittedBatch
        Theirs, earliest first.
    held : frozenset of str
        SOPInstanceUIDs that are not released, of all sites.
    images : tuple of SiteImages
        What is known of them, by site.
    digest : str, optional
        Over all that was committed of them; None where that cannot be told.
    """

    zones: Zones
    sites: tuple[SiteCode, ...]
    batches: tuple[CommittedBatch, ...]
    held: frozenset[str] = field(repr=False)
    images: tuple[SiteImages, ...] = field(repr=False)
    digest: str | None = None

    @property
    def name(self) -> str:
        """A name of the group: its sites."""
        return "-".join(self.sites)

    @cached_property
    def subjects(self) -> frozenset[str]:
        """Pseudonyms."""
        return frozenset().union(*(one.subjects for one in self.images))

    @cached_property
    def studies(self) -> frozenset[str]:
        """StudyInstanceUIDs."""
        return frozenset().union(*(one.studies for one in self.images))

    @cached_property
    def series(self) -> frozenset[str]:
        """SeriesInstanceUIDs."""
        return frozenset().union(*(one.series for one in self.images))

    def facts(self) -> GroupFacts:
        """Return what all images say together."""
        columns = self._columns((*_NAMES, "patient_sex"))
        found = [
            table.filter(pa.array(mask)).append_column(
                "batch_id", pa.repeat(str(batch.batch_id), int(mask.sum()))
            )
            for batch, table, mask in zip(
                self.batches, columns, taken_rows(_uids(columns), self.held), strict=True
            )
        ]
        whole = pa.concat_tables(found)
        rank = {batch.batch_id: number for number, batch in enumerate(self.batches)}
        first: dict[str, str] = {}
        for subject, batch in sorted(
            _distinct(whole, "subject_id", "batch_id"), key=lambda pair: rank[BatchId(pair[1])]
        ):
            first.setdefault(subject, batch)
        pairs = _distinct(whole, "subject_id", "patient_sex")
        return GroupFacts(
            n_images=whole.num_rows,
            taken=frozenset(_distinct(whole, "series_uid", "batch_id")),
            first_batch=first,
            sexes=frozenset(pair for pair in pairs if all(pair) and "None" not in pair),
        )

    def parts(self) -> Iterator[CommittedBatches]:
        """Yield the images with their volumes, some thousand at a time.

        Whatever hangs together by an image, a series, a study or a person is in one part.
        """
        columns = self._columns(_NAMES)
        taken = taken_rows(_uids(columns), self.held)
        together = components([codes_of([table[name] for table in columns])[0] for name in _NAMES])
        kept = np.flatnonzero(np.concatenate(taken))
        starts = np.cumsum([0, *(table.num_rows for table in columns)])
        del columns
        volumes = {batch.batch_id: self._volumes(batch) for batch in self.batches}
        for pack in packs(together[kept], _ROWS):
            rows = kept[pack]
            tables = [
                _rows_of(self._path(batch, "instance"), rows[(rows >= low) & (rows < high)] - low)
                for batch, low, high in zip(self.batches, starts, starts[1:], strict=False)
            ]
            of = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
            # The rows of a pack are in the order of batches, and so are those of its tables.
            for chosen in packs(together[rows], _RECORDS):
                begin = np.searchsorted(of, np.arange(len(tables)))
                found = [
                    _records(table, chosen[of[chosen] == n] - begin[n])
                    for n, table in enumerate(tables)
                ]
                # A batch may state a volume of a series of which its own images were there before.
                series = sorted({str(one.series_uid) for own in found for one in own})
                items = []
                for batch, own in zip(self.batches, found, strict=True):
                    theirs = volumes[batch.batch_id]
                    stated = tuple(one for uid in series for one in theirs.get(uid, ()))
                    items.append(BatchTables(batch=batch, instances=own, volumes=stated))
                yield merge_batches(items)

    def in_force(self, wanted: Collection[str]) -> frozenset[str]:
        """Return those of some SOPInstanceUIDs that are in force."""
        values = pa.array(sorted(wanted), pa.string())
        found: set[str] = set()
        for table in self._columns(("sop_uid",)):
            own = table["sop_uid"]
            found.update(own.filter(pc.is_in(own, value_set=values)).to_pylist())
        return frozenset(found - self.held)

    def _volumes(self, batch: CommittedBatch) -> dict[str, list[VolumeRecord]]:
        path, found = self._path(batch, "volume"), dict[str, list[VolumeRecord]]()
        if path.is_file():
            with _named(path):
                table = pq.read_table(path)
            for one in records_from_table(table, VolumeRecord):
                found.setdefault(one.series_uid, []).append(one)
        return found

    def _columns(self, names: Sequence[str]) -> list[pa.Table]:
        return [_columns(self._path(batch, "instance"), names) for batch in self.batches]

    def _path(self, batch: CommittedBatch, table: str) -> Path:
        folder = self.zones.warehouse / "batches" / batch.site_code / batch.batch_id
        return folder / f"{table}.parquet"


@dataclass(frozen=True)
class StoredImages:
    """All images in force, by group, and what is known of each group."""

    groups: tuple[StoredGroup, ...]
    facts: tuple[GroupFacts, ...]

    @property
    def n_images(self) -> int:
        """How many are in force."""
        return sum(one.n_images for one in self.facts)

    @property
    def taken(self) -> frozenset[tuple[str, str]]:
        """SeriesInstanceUID and batch of what they were taken from."""
        return frozenset().union(*(one.taken for one in self.facts))

    @property
    def batch_of_subject(self) -> dict[str, str]:
        """The batch that first brought an image of each subject."""
        return {subject: batch for one in self.facts for subject, batch in one.first_batch.items()}

    @property
    def sexes(self) -> dict[str, frozenset[str]]:
        """What the images of each subject say."""
        found: dict[str, set[str]] = {}
        for one in self.facts:
            for subject, sex in one.sexes:
                found.setdefault(subject, set()).add(sex)
        return {subject: frozenset(sexes) for subject, sexes in found.items()}

    def in_force(self, wanted: Collection[str]) -> frozenset[str]:
        """Return those of some SOPInstanceUIDs that are in force; reads where one may be."""
        hashes = _hashes(pa.table({"sop_uid": pa.array(sorted(wanted), pa.string())}))
        found: frozenset[str] = frozenset()
        for group in self.groups:
            if any(np.isin(hashes, one.hashes).any() for one in group.images):
                found |= group.in_force(wanted)
        return found


def read_images(
    zones: Zones,
    batches: Sequence[CommittedBatch],
    held: frozenset[str],
    later: Mapping[SiteCode, Iterable[LaterInspection]],
    kept: KeptImages,
) -> StoredImages:
    """Look at the columns of all images, and say which belong together.

    Parameters
    ----------
    zones : Zones
        Whose warehouse.
    batches : sequence of CommittedBatch
        All of them, earliest first.
    held : frozenset of str
        SOPInstanceUIDs that are not released.
    later : mapping of SiteCode to LaterInspection
        The later inspections of each site.
    kept : KeptImages
        What the release before knew.
    """
    sites = sorted({batch.site_code for batch in batches})
    own = {site: [b for b in batches if b.site_code == site] for site in sites}
    images = {site: _site_images(zones, site, own[site], kept) for site in sites}
    held_hashes = _hashes(pa.table({"sop_uid": pa.array(sorted(held), pa.string())}))
    groups = []
    for names in joined_sites([images[site] for site in sites]):
        known = tuple(images[name] for name in names)
        barred = [
            uid
            for uid, number in zip(sorted(held), held_hashes, strict=True)
            if any(_holds(one.hashes, number) for one in known)
        ]
        theirs = tuple(batch for batch in batches if batch.site_code in names)
        told = [[list(later.get(name, ())) for name in names], barred]
        groups.append(
            StoredGroup(
                zones=zones,
                sites=names,
                batches=theirs,
                held=frozenset(barred),
                images=known,
                digest=_digest(theirs, told),
            )
        )
    facts = tuple(
        cast("GroupFacts", kept.known("facts", one.name, one.digest, one.facts)) for one in groups
    )
    kept.forget_others("index", "facts")
    return StoredImages(tuple(groups), facts)


def _site_images(
    zones: Zones, site: SiteCode, batches: Sequence[CommittedBatch], kept: KeptImages
) -> SiteImages:
    def look() -> SiteImages:
        folder = zones.warehouse / "batches" / site
        tables = [_columns(folder / b.batch_id / "instance.parquet", _NAMES) for b in batches]
        whole = pa.concat_tables(tables)
        return SiteImages(
            site=site,
            hashes=np.unique(_hashes(whole)),
            **{kind: _texts(whole[name]) for kind, name in _KINDS.items()},
        )

    return cast("SiteImages", kept.known("index", site, _digest(batches, []), look))


_KINDS = {"subjects": "subject_id", "studies": "study_uid", "series": "series_uid"}


def _digest(batches: Sequence[CommittedBatch], more: list[object]) -> str | None:
    if any(batch.digest is None for batch in batches):
        return None
    return value_digest([[b.site_code, b.batch_id, str(b.digest)] for b in batches], more)


def _texts(column: pa.ChunkedArray) -> frozenset[str]:
    return frozenset(pc.unique(column).drop_null().to_pylist())


def _hashes(table: pa.Table) -> NDArray[np.uint64]:
    """Return a hash of each SOPInstanceUID; of none where there is none."""
    with duckdb.connect() as connection:
        connection.register("images", table)
        sql = "SELECT hash(sop_uid) AS h FROM images WHERE sop_uid IS NOT NULL"
        return np.asarray(connection.execute(sql).fetchnumpy()["h"], dtype=np.uint64)


def _holds(hashes: NDArray[np.uint64], number: np.uint64) -> bool:
    place = int(np.searchsorted(hashes, number))
    return place < len(hashes) and bool(hashes[place] == number)


def _uids(columns: Sequence[pa.Table]) -> list[pa.ChunkedArray]:
    return [table["sop_uid"] for table in columns]


def _distinct(table: pa.Table, *names: str) -> list[tuple[str, str]]:
    """Return the different rows of two columns; as records have them, nothing is `None`."""
    found = table.select(names).group_by(list(names), use_threads=False).aggregate([])
    rows = zip(*(found[name].to_pylist() for name in names), strict=True)
    return [(str(one), str(other)) for one, other in rows]


def _columns(path: Path, names: Sequence[str]) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in names])
    if not path.is_file():
        return schema.empty_table()
    with _named(path):
        there = [name for name in names if name in pq.read_schema(path).names]
        table = pq.read_table(path, columns=there)
    columns = [table[n] if n in there else pa.nulls(table.num_rows, pa.string()) for n in names]
    return pa.table(columns, schema=schema)


def _records(table: pa.Table, rows: Numbers) -> tuple[InstanceFeatures, ...]:
    return tuple(records_from_table(table.take(rows), InstanceFeatures)) if len(rows) else ()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name batch and file of what cannot be read."""
    try:
        yield
    except (OSError, pa.ArrowException):
        raise unreadable(path.parent.parent.name, path.parent.name, path.name) from None


def _rows_of(path: Path, rows: Numbers) -> pa.Table:
    """Return some rows of a table, in their order; of a long one never all at once."""
    if not len(rows):
        return pa.table({})
    found, start = [], 0
    with _named(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1 << 13):
            own = rows[(rows >= start) & (rows < start + batch.num_rows)] - start
            start += batch.num_rows
            if len(own):
                found.append(batch.take(pa.array(own)))
    return pa.Table.from_batches(found)
