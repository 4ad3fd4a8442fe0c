"""A batch that was committed is missed when it is gone, and told when it is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.zones import Zones
from tasks.receive.store_ledger import check_batches, note_batch, note_unlisted

SITE, BATCH = SiteCode("S91"), BatchId("ab12")


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    zones = Zones(tmp_path)
    folder = zones.batch(SITE, BATCH)
    folder.mkdir(parents=True)
    (folder / "file.parquet").write_bytes(b"rows")
    tables = {"file": {"rows": 1, "sha256": sha256_of_bytes(b"rows")}}
    (folder / "batch.json").write_text(json.dumps({"n_files": 7, "tables": tables}))
    note_batch(zones, SITE, BATCH)
    return zones


def faults(zones: Zones) -> list[tuple[str, str, int]]:
    return [(one.batch_id, one.fault, one.n_files) for one in check_batches(zones)]


def test_a_batch_as_it_was_committed_is_no_fault(zones: Zones) -> None:
    assert faults(zones) == []


def test_a_folder_that_is_gone_is_missing_with_its_files(zones: Zones) -> None:
    shutil.rmtree(zones.batch(SITE, BATCH))
    assert faults(zones) == [(BATCH, "missing", 7)]
    assert check_batches(zones, SiteCode("S92")) == []


@pytest.mark.parametrize("name", ["file.parquet", "batch.json"])
def test_a_record_or_table_with_other_bytes_is_changed(zones: Zones, name: str) -> None:
    path = zones.batch(SITE, BATCH) / name
    path.write_bytes(path.read_bytes() + b" ")
    assert faults(zones) == [(BATCH, "changed", 7)]


def test_a_table_that_is_gone_is_a_change(zones: Zones) -> None:
    (zones.batch(SITE, BATCH) / "file.parquet").unlink()
    assert faults(zones) == [(BATCH, "changed", 7)]


def test_an_erasure_is_no_change_whether_it_was_killed_before_or_after_its_record(
    zones: Zones,
) -> None:
    record = zones.batch(SITE, BATCH) / "batch.json"
    after = json.dumps({"n_files": 7, "tables": {}}).encode()
    note_batch(zones, SITE, BATCH, becomes=after)
    assert faults(zones) == []
    record.write_bytes(after)
    assert faults(zones) == []


def test_batches_of_an_older_version_are_noted_once_and_not_again(zones: Zones) -> None:
    other = zones.batch(SITE, BatchId("cd34"))
    other.mkdir()
    (other / "batch.json").write_text("{}")
    note_unlisted(zones, SITE)
    (other / "batch.json").write_text('{"n_files": 1}')
    note_unlisted(zones, SITE)
    assert faults(zones) == [("cd34", "changed", 0)]
