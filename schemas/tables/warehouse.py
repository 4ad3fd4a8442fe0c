"""What the committed batches of a site already hold of the series or studies asked for."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
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


def read_delivered_facts(
    zones: Zones, site: SiteCode, sop_uids: Collection[str]
) -> dict[str, DeliveredFacts]:
    """Return what the delivered headers of committed instances said, by SOPInstanceUID.

    Batches from before these facts were harvested have none.
    """
    found: dict[str, DeliveredFacts] = {}
    if not sop_uids:
        return found
    wanted = pc.field("sop_uid").isin(sorted(sop_uids))
    for path in sorted(
        (zones.warehouse / "batches" / site).glob(f"*/{DELIVERED_FACTS_TABLE}.parquet")
    ):
        if not path.parent.name.startswith("."):
            table = pq.read_table(path, filters=wanted)
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
