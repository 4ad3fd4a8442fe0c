"""What the committed batches of a site already hold of the series or studies asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from schemas.tables.record_tables import records_from_table
from schemas.tables.warehouse_index import batches_with


def rows_with(
    path: Path, column: str, values: Collection[str], *, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return the rows of a Parquet file whose `column` is one of `values`.

    UIDs are keyed, so every file holds some from nearly everywhere and its statistics rule none
    out. The one column is read first; the others, of which there may be a hundred, only of a file
    in which something is found.

    Parameters
    ----------
    path : Path
    column : str
        A column of text.
    values : collection of str
    columns : sequence of str, optional
        What is returned; default: all.
    """
    with pq.ParquetFile(path) as file:
        looked_at = file.read(columns=[column])[column]
        fits = pc.is_in(looked_at, value_set=pa.array(sorted(values), pa.string()))
        if pc.any(fits).as_py():
            return file.read(columns=columns).filter(fits)
        schema = file.schema_arrow
        return (schema if columns is None else pa.schema(map(schema.field, columns))).empty_table()


def read_instances(
    zones: Zones, site: SiteCode, *, column: str, values: Collection[str]
) -> list[InstanceFeatures]:
    """Return the committed instances whose `column` is one of `values`.

    Parameters
    ----------
    zones, site
        Whose warehouse.
    column : str
        `series_uid` or `study_uid`.
    values : collection of str
        UIDs, de-identified.
    """
    features: list[InstanceFeatures] = []
    if not values:
        return features
    for folder in batches_with(zones, site, values):
        path = folder / "instance.parquet"
        if path.is_file():
            features += records_from_table(rows_with(path, column, values), InstanceFeatures)
    return features


def read_delivered_facts(
    zones: Zones, site: SiteCode, sop_uids: Collection[str]
) -> dict[str, DeliveredFacts]:
    """Return what the delivered headers of committed instances said, by SOPInstanceUID.

    Batches from before these facts were harvested have none.
    """
    found: dict[str, DeliveredFacts] = {}
    if not sop_uids:
        return found
    for folder in batches_with(zones, site, sop_uids):
        path = folder / f"{DELIVERED_FACTS_TABLE}.parquet"
        if path.is_file():
            table = rows_with(path, "sop_uid", sop_uids)
            found |= {facts.sop_uid: facts for facts in records_from_table(table, DeliveredFacts)}
    return found


def read_all_instances(zones: Zones) -> list[InstanceFeatures]:
    """Return every committed instance of this home, one of each SOPInstanceUID."""
    found: dict[str | None, InstanceFeatures] = {}
    for path in sorted((zones.warehouse / "batches").glob("*/*/instance.parquet")):
        if not path.parent.name.startswith("."):
            for instance in records_from_table(pq.read_table(path), InstanceFeatures):
                found[instance.sop_uid] = instance
    return list(found.values())
