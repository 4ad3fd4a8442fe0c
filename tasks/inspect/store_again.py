"""Which committed series of a site the rules in force have not seen."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import BatchId, SiteCode
from schemas.inspection import INSPECTION_TABLE
from schemas.pixel_decisions import Outcome, PixelDecisions, question_of
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.tables.record_tables import records_from_table
from schemas.vault.inspections import LaterInspection, read_later
from schemas.vault.keys import KeyRing
from tasks.inspect.plan import OfBatch, series_of

_COMMITTED = "committed"


def series_to_do(
    zones: Zones, ring: KeyRing, site: SiteCode, rules_id: str, decisions: PixelDecisions
) -> list[OfBatch]:
    """Return every series of a committed batch without an inspection by these rules.

    What they held and a person has accepted since is looked at once more, to let it go.
    """
    later = {
        (row.batch_id, row.series_uid)
        for row in read_later(zones, ring, site)
        if row.rules_id == rules_id and not _is_accepted(row, decisions)
    }
    found: list[OfBatch] = []
    for path in sorted((zones.warehouse / "batches" / site).glob("[!.]*/batch.json")):
        if json.loads(path.read_bytes())["state"] != _COMMITTED:
            continue
        batch = BatchId(path.parent.name)
        done = _seen(path.with_name(f"{INSPECTION_TABLE}.parquet"), rules_id)
        done |= {series for of, series in later if of == batch}
        instances = path.with_name("instance.parquet")
        if not instances.is_file() or _uids(instances) <= done:
            continue
        members = records_from_table(pq.read_table(instances), InstanceFeatures)
        found += [OfBatch(batch, s) for s in series_of(members) if s.series_uid not in done]
    return found


def _is_accepted(row: LaterInspection, decisions: PixelDecisions) -> bool:
    if not row.held or row.reason is None:
        return False
    decided = decisions.of_all(row.digests, question_of(ReasonCode(row.reason)))
    return decided is not None and decided.outcome is Outcome.ACCEPT


def _seen(path: Path, rules_id: str) -> set[str]:
    if not path.is_file():
        return set()
    table = pq.read_table(path, columns=["series_uid", "rules_id"]).to_pylist()
    return {row["series_uid"] for row in table if row["rules_id"] == rules_id}


def _uids(path: Path) -> set[str]:
    return set(pq.read_table(path, columns=["series_uid"])["series_uid"].to_pylist())
