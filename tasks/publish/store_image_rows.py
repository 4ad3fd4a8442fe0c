"""Rows of the published image tables, made of one group of images after another.

Of studies, series and volumes the rows are kept in memory, of images in a Parquet file a site in
the closed scratch. What was made of a group that is the same is taken from what the release before
kept (decision 0013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pyarrow as pa

from schemas.handover.image_groups import ImageGroup, LabelImages
from schemas.identifiers import SeriesUid, SiteCode
from schemas.label_parts import joined_labels
from schemas.records import CohortLabels
from schemas.run.zones import Zones
from schemas.tables.contracts import TableContract, conform
from schemas.tables.parted_tables import PartedTable, TablePart
from schemas.value_digest import value_digest
from tasks.publish.batches import CommittedBatches
from tasks.publish.diff.content import split_by_site, table_hash
from tasks.publish.instances import instance_table
from tasks.publish.naming import NIFTI_SUFFIX
from tasks.publish.rows import image_rows, is_published, labelled_stacks
from tasks.publish.store_images import StoredGroup
from tasks.publish.store_kept_images import KeptImages
from tasks.publish.store_tables import write_parquet

INSTANCE = "instance"
#: Tables with a row for each study, series and volume.
SHORT = ("imaging_study", "series", "nifti_volume")


@dataclass(frozen=True, kw_only=True)
class GroupRows:
    """What one group of images comes to.

    Parameters
    ----------
    labels : CohortLabels
        Of its series and studies.
    tables : mapping of str to pyarrow.Table
        Its rows of the tables with one for each study, series and volume.
    volumes : mapping of str to (str, str, str)
        volume_id → site, series and file name in the warehouse, of what may be published.
    images : mapping of str to (bytes, int, str)
        Site → the Parquet file of its images, how many rows it has, and their `table_hash`.
    """

    labels: CohortLabels
    tables: Mapping[str, pa.Table]
    volumes: Mapping[str, tuple[str, str, str]] = field(repr=False)
    images: Mapping[str, tuple[bytes, int, str]] = field(repr=False)


class ImageRows:
    """Makes the rows of all groups, as they are labelled.

    Parameters
    ----------
    contracts : mapping of str to TableContract
        What the tables must be.
    folder : Path
        In the closed scratch: the files of images go there.
    kept : KeptImages
        What the release before made.
    """

    def __init__(
        self, contracts: Mapping[str, TableContract], folder: Path, kept: KeptImages
    ) -> None:
        self._contracts, self._folder, self._kept = contracts, folder, kept
        self._tables: dict[str, list[pa.Table]] = {name: [] for name in SHORT}
        self._volumes: dict[str, tuple[str, str, str]] = {}
        self._parts: dict[str, TablePart] = {}

    def make(self, group: ImageGroup, stated: str, label: LabelImages) -> CohortLabels:
        """Label a group and make its rows; see `schemas.handover.image_groups`."""
        own = cast("StoredGroup", group)
        key = None if own.digest is None or not stated else value_digest(own.digest, stated)
        found = self._kept.known("rows", own.name, key, lambda: self._made(own, label))
        return self._add(cast("GroupRows", found))

    def tables(self) -> dict[str, pa.Table]:
        """Return the rows of all groups, each table sorted by its key."""
        return {
            name: _sorted([self._contracts[name].arrow_schema().empty_table(), *parts], contract)
            for name, parts in self._tables.items()
            for contract in [self._contracts[name]]
        }

    def images(self) -> PartedTable:
        """Return the table with a row for each image."""
        parts = {site: self._parts[site] for site in sorted(self._parts)}
        return PartedTable(self._contracts[INSTANCE].arrow_schema(), parts)

    def volumes(self) -> Mapping[str, tuple[str, str, str]]:
        """Return volume_id → site, series and file name, of what may be published."""
        return self._volumes

    def _made(self, group: StoredGroup, label: LabelImages) -> GroupRows:
        labels, volumes = [], dict[str, tuple[str, str, str]]()
        rows: dict[str, list[pa.Table]] = {name: [] for name in (*SHORT, INSTANCE)}
        for part in group.parts():
            found = label(part.instances)
            labels.append(found)
            volumes |= _files_of(part)
            stacks = labelled_stacks(found, part)
            for name, made in image_rows(found, part, stacks).items():
                rows[name].append(conform(self._contracts[name], made))
            rows[INSTANCE].append(
                instance_table(found, stacks, part.batch_of_instance, self._contracts[INSTANCE])
            )
        return GroupRows(
            labels=joined_labels(labels),
            tables={name: _sorted(rows[name], self._contracts[name]) for name in SHORT if labels},
            volumes=volumes,
            images=self._files(rows.pop(INSTANCE)),
        )

    def _files(self, rows: Sequence[pa.Table]) -> dict[str, tuple[bytes, int, str]]:
        contract, found = self._contracts[INSTANCE], {}
        table = _sorted(rows, contract) if rows else contract.arrow_schema().empty_table()
        for site, part in split_by_site(table, contract).items():
            if part.num_rows:
                path = self._folder / f"{site}.parquet"
                write_parquet(part, path)
                found[site] = (path.read_bytes(), part.num_rows, str(table_hash(part)))
                path.unlink()
        return found

    def _add(self, found: GroupRows) -> CohortLabels:
        for name, table in found.tables.items():
            self._tables[name].append(table)
        self._volumes.update(found.volumes)
        for site, (data, rows, content) in found.images.items():
            if site in self._parts:
                raise ValueError(f"images of {site} are in two groups")
            path = self._folder / f"{site}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            self._parts[site] = TablePart(path, rows, content)
        return found.labels


def nifti_sources(
    zones: Zones, volumes: Mapping[str, tuple[str, str, str]], released: pa.Table
) -> dict[str, Path]:
    """Return volume_id → file in the warehouse for the rows of the `nifti_volume` table."""
    return {
        name: zones.nifti_series(SiteCode(volumes[name][0]), SeriesUid(volumes[name][1]))
        / volumes[name][2]
        for name in released.column("volume_id").to_pylist()
        if name in volumes
    }


def _files_of(part: CommittedBatches) -> dict[str, tuple[str, str, str]]:
    return {
        volume.sub_stack_digest: (
            part.site_of_series[volume.series_uid],
            volume.series_uid,
            volume.file_name or f"{volume.sub_stack_digest}{NIFTI_SUFFIX}",
        )
        for volume in part.volumes
        if is_published(volume)
    }


def _sorted(tables: Sequence[pa.Table], contract: TableContract) -> pa.Table:
    table = pa.concat_tables(tables)
    return table.sort_by([(key, "ascending") for key in contract.primary_key]).combine_chunks()
