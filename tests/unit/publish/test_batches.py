"""Committed batches are read and merged; unfinished ones are as if they were not there."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import LivercohortError
from schemas.records import VolumeRecord
from schemas.run.zones import Zones
from schemas.tables.record_tables import table_from_records
from tasks.publish.store_batches import read_committed
from tasks.publish.store_image_rows import nifti_sources
from tests.unit.publish.cohort import make_row, make_table

DIGEST = "0123456789abcdef"
VOLUME = VolumeRecord(
    subject_id="S91-AAAA2222",
    study_uid="1.2",
    series_uid="1.2.3",
    sub_stack_digest=DIGEST,
    verdict="OK",
    codes=(),
    instances_at_fault=(),
    split_by=(),
    n_instances=2,
    file_name=f"{DIGEST}.nii.gz",
    round_trip_ok=True,
)


def instance(number: int, model: str) -> InstanceFeatures:
    return InstanceFeatures(
        subject_id="S91-AAAA2222",
        study_uid="1.2",
        series_uid="1.2.3",
        sop_uid=f"1.2.3.{number}",
        sop_class_uid=None,
        model=model,
    )


def write_batch(
    zones: Zones,
    name: str,
    numbers: tuple[int, ...],
    *,
    as_of: str | None,
    state: str = "committed",
    form: dict[str, list[object]] | None = None,
) -> Path:
    folder = zones.warehouse / "batches" / "S91" / name
    folder.mkdir(parents=True)
    images = [instance(number, model=name) for number in numbers]
    tables = {
        "instance": table_from_records(images, InstanceFeatures, key=("sop_uid",)),
        "volume": table_from_records([VOLUME], VolumeRecord, key=("series_uid",)),
        "pathology": pa.table(form or {"subject_id": ["S91-AAAA2222"]}),
    }
    for stem, table in tables.items():
        pq.write_table(table, folder / f"{stem}.parquet", store_schema=False)
    record = {
        "batch_id": name,
        "site_code": "S91",
        "state": state,
        "n_files": len(numbers),
        "n_bytes": 10,
        "counts": {"accepted": len(numbers)},
        "manifest_sha256": "a" * 64,
        "edc_export_as_of": as_of,
    }
    (folder / "batch.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    made = Zones(home=tmp_path)
    made.create()
    return made


def test_no_batches_are_no_error(zones: Zones) -> None:
    assert read_committed(zones)[0].batches == ()


def test_of_a_duplicate_the_earliest_batch_counts(zones: Zones) -> None:
    write_batch(zones, "a-later", (2, 3), as_of="2026-11-21")
    write_batch(zones, "z-earlier", (1, 2), as_of="2026-11-20")
    merged, images = read_committed(zones)
    (part,) = (part for group in images.groups for part in group.parts())
    assert merged.batch_order == ("z-earlier", "a-later")
    assert [(one.sop_uid, one.model) for one in part.instances] == [
        ("1.2.3.1", "z-earlier"),
        ("1.2.3.2", "z-earlier"),
        ("1.2.3.3", "a-later"),
    ]
    assert part.volumes == (VOLUME,)
    assert merged.year == 2026


def test_a_held_batch_and_one_being_written_are_left_aside(zones: Zones) -> None:
    write_batch(zones, "held", (1,), as_of=None, state="held")
    write_batch(zones, ".unfinished.0123abcd.part", (2,), as_of=None)
    assert read_committed(zones)[0].batches == ()


def test_forms_are_joined_and_know_their_batch_and_site(zones: Zones) -> None:
    write_batch(zones, "one", (1,), as_of=None, form={"subject_id": ["S91-AAAA2222"]})
    write_batch(zones, "two", (2,), as_of=None, form={"subject_id": ["S91-BBBB3333"], "new": [1]})
    table = read_committed(zones)[0].tables["pathology"]
    assert table.select(["batch_id", "site_code", "subject_id", "new"]).to_pylist() == [
        {"batch_id": "one", "site_code": "S91", "subject_id": "S91-AAAA2222", "new": None},
        {"batch_id": "two", "site_code": "S91", "subject_id": "S91-BBBB3333", "new": 1},
    ]


def test_the_ledger_hash_names_the_inputs(zones: Zones) -> None:
    write_batch(zones, "one", (1,), as_of=None)
    before = read_committed(zones)[0].input_ledger_sha256
    assert read_committed(zones)[0].input_ledger_sha256 == before
    write_batch(zones, "two", (2,), as_of=None)
    assert read_committed(zones)[0].input_ledger_sha256 != before


def test_the_file_of_a_released_volume_lies_in_the_warehouse(zones: Zones) -> None:
    stated = {DIGEST: ("S91", "1.2.3", f"{DIGEST}.nii.gz")}
    released = make_table("nifti_volume", [make_row("nifti_volume", volume_id=DIGEST)])
    expected = zones.warehouse / "nifti" / "S91" / "1.2.3" / f"{DIGEST}.nii.gz"
    assert nifti_sources(zones, stated, released) == {DIGEST: expected}
    assert nifti_sources(zones, stated, released.slice(0, 0)) == {}


@pytest.mark.parametrize("name", ["batch.json", "instance.parquet"])
def test_a_damaged_batch_is_named(zones: Zones, name: str) -> None:
    folder = write_batch(zones, "one", (1,), as_of=None)
    (folder / name).write_bytes(b"{")
    with pytest.raises(LivercohortError, match="batch one of site S91"):
        read_committed(zones)
