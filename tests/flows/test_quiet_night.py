"""A quiet night asks, before anything is loaded, whether the rules in force saw every series."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from flows.commands.night import has_series_to_inspect
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import canonical_json
from schemas.run.settings import Settings
from schemas.tables.record_tables import table_from_records
from schemas.vault.inspections import LaterInspection, add_later
from schemas.vault.keys import create_key_file
from tasks.inspect.rules import load_rules

SITE, BATCH = SiteCode("S91"), BatchId("00112233445566aa")


def test_a_site_waits_until_the_rules_in_force_have_seen_its_series(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ring = create_key_file(settings.master_key_file)
    assert not has_series_to_inspect(settings, SITE)
    place = settings.zones.batch(SITE, BATCH)
    place.mkdir(parents=True)
    member = InstanceFeatures(
        subject_id="S91-A", study_uid="1", series_uid="9", sop_uid="9.1", sop_class_uid="1.2"
    )
    table = table_from_records([member], InstanceFeatures, key=["sop_uid"])
    pq.write_table(table, place / "instance.parquet")
    record = {"batch_id": BATCH, "state": "committed", "key_id": ring.key_id}
    (place / "batch.json").write_bytes(canonical_json(record))
    assert has_series_to_inspect(settings, SITE)
    seen = LaterInspection(BATCH, "9", "S91-A", "clean", load_rules().rules_id, 1, 4)
    add_later(settings.zones, ring, SITE, [seen])
    assert not has_series_to_inspect(settings, SITE)
