"""What the committed batches of a site already hold of the series or studies asked for."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from schemas.tables.record_tables import records_from_table


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
    wanted = pc.field(column).isin(sorted(values))
    for path in sorted((zones.warehouse / "batches" / site).glob("*/instance.parquet")):
        if not path.parent.name.startswith("."):
            features += records_from_table(pq.read_table(path, filters=wanted), InstanceFeatures)
    return features


def read_all_instances(zones: Zones) -> list[InstanceFeatures]:
    """Return every committed instance of this home, one of each SOPInstanceUID."""
    found: dict[str | None, InstanceFeatures] = {}
    for path in sorted((zones.warehouse / "batches").glob("*/*/instance.parquet")):
        if not path.parent.name.startswith("."):
            for instance in records_from_table(pq.read_table(path), InstanceFeatures):
                found[instance.sop_uid] = instance
    return list(found.values())
