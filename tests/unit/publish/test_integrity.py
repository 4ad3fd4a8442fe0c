"""A release looks at what was committed before it reads it, and names what was changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import GateBlockedError
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from schemas.run.zones import Zones
from schemas.vault.anchors import Anchors
from tasks.publish.batches import CommittedCohort
from tasks.publish.store_batches import read_committed
from tasks.publish.store_checked import Checked, forget_gone
from tasks.publish.store_integrity import require_no_batch_gone, require_unchanged
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_batches import write_batch
from tests.unit.publish.test_release import release


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A home with 28 committed batches."""
    made = Zones(tmp_path / "home")
    made.create()
    for number in range(28):
        folder = write_batch(made, f"b{number:02d}", (number,), as_of="2026-11-20")
        record = json.loads((folder / "batch.json").read_bytes())
        notes = {p.stem: {"sha256": sha256_of_file(p)} for p in folder.glob("*.parquet")}
        (folder / "batch.json").write_bytes(canonical_json(record | {"tables": notes}))
    return made


def check(zones: Zones, anchors: Anchors | None = None) -> CommittedCohort:
    committed, _ = read_committed(zones)
    require_unchanged(zones, committed.batches, anchors, Checked(zones))
    return committed


def batch_file(zones: Zones, number: int, name: str) -> Path:
    return zones.warehouse / "batches" / "S91" / f"b{number:02d}" / name


def test_batches_as_they_were_committed_pass(zones: Zones) -> None:
    assert len(check(zones).batches) == 28


def test_the_one_damaged_batch_of_28_is_named_with_its_file(zones: Zones) -> None:
    path = batch_file(zones, 17, "pathology.parquet")
    pq.write_table(pa.table({"subject_id": ["S91-BBBB3333"]}), path)
    committed, _ = read_committed(zones)
    with pytest.raises(GateBlockedError, match=r"S91/b17: pathology\.parquet was changed") as told:
        require_unchanged(zones, committed.batches, None, Checked(zones))
    assert "batch b17 of S91" in str(told.value)
    assert "b16" not in str(told.value)


def test_a_table_that_is_missing_or_one_too_many_is_named(zones: Zones) -> None:
    batch_file(zones, 3, "pathology.parquet").rename(batch_file(zones, 3, "treatment.parquet"))
    with pytest.raises(GateBlockedError, match=r"pathology\.parquet is missing") as told:
        check(zones)
    assert "treatment.parquet was not committed" in str(told.value)


def test_a_record_that_was_changed_with_its_tables_is_told_by_what_the_home_remembers(
    zones: Zones,
) -> None:
    record = batch_file(zones, 5, "batch.json")
    anchors = Anchors(batches={"S91/b05": sha256_of_file(record)})
    check(zones, anchors)
    record.write_bytes(record.read_bytes() + b" ")
    with pytest.raises(GateBlockedError, match=r"S91/b05: batch\.json was changed"):
        check(zones, anchors)


def test_a_record_that_says_it_was_anchored_must_be_remembered(zones: Zones) -> None:
    record = batch_file(zones, 5, "batch.json")
    facts = json.loads(record.read_bytes()) | {"anchored": True}
    record.write_bytes(canonical_json(facts))
    with pytest.raises(GateBlockedError, match="is not remembered by this home"):
        check(zones, None)


def test_a_file_is_hashed_again_only_when_its_entry_changed(zones: Zones) -> None:
    path = zones.warehouse / "image"
    path.write_bytes(b"one")
    checked = Checked(zones)
    assert checked.sha256(path) == sha256_of_bytes(b"one")
    checked.write()
    info = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    # Its time was set back, but not that of its entry.
    assert Checked(zones).sha256(path) == sha256_of_bytes(b"two")


@pytest.mark.parametrize(("days", "is_believed"), [(0, True), (-6, True), (-8, False), (1, False)])
def test_what_was_hashed_is_believed_for_a_week_and_never_from_a_day_to_come(
    zones: Zones, days: int, is_believed: bool
) -> None:
    """A clock that was ahead and is set back must not put off the look at every image."""
    path = zones.warehouse / "image"
    path.write_bytes(b"one")
    checked = Checked(zones)
    digest = checked.sha256(path)
    checked.write()
    remembered = zones.restricted / "checked" / "others.parquet"
    rows = pq.read_table(remembered).to_pylist()
    for row in rows:
        row |= {"sha256": "0" * 64, "full_at": row["full_at"] + days * 86_400}
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(remembered)), remembered)
    assert Checked(zones).sha256(path) == ("0" * 64 if is_believed else digest)


def test_a_second_name_makes_no_file_another_one(zones: Zones) -> None:
    path = zones.warehouse / "image"
    path.write_bytes(b"one")
    checked = Checked(zones)
    digest = checked.sha256(path)
    os.link(path, zones.warehouse / "beside")
    checked.linked(path)
    checked.write()
    again = Checked(zones)
    assert again.sha256(path) == digest
    assert Checked(zones, rehash=True).sha256(path) == digest


def test_of_a_file_that_was_erased_nothing_is_remembered(zones: Zones) -> None:
    images = [zones.warehouse / "dicom" / site / "1.2" / "1.dcm" for site in ("S91", "S92")]
    others = [zones.warehouse / name for name in ("stays", "goes")]
    checked = Checked(zones)
    for path in (*images, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"one")
        checked.sha256(path)
    checked.write()
    folder, of_before = zones.restricted / "checked", zones.restricted / "checked.parquet"
    of_before.write_bytes((folder / "S91.parquet").read_bytes())
    untouched = (folder / "S92.parquet").stat().st_ino
    for gone in (images[0], others[1]):
        gone.unlink()
    forget_gone(zones)
    known = {path.name: pq.read_table(path)["path"].to_pylist() for path in folder.iterdir()}
    assert known == {
        "S91.parquet": [],
        "S92.parquet": ["warehouse/dicom/S92/1.2/1.dcm"],
        "others.parquet": ["warehouse/stays"],
    }
    assert not of_before.exists()
    assert (folder / "S92.parquet").stat().st_ino == untouched
    assert (folder / "S91.parquet").stat().st_mode & 0o777 == 0o600


def test_a_batch_of_the_release_before_that_is_gone_is_named(zones: Zones, tmp_path: Path) -> None:
    previous = release(tmp_path, make_cohort()).path
    with pytest.raises(GateBlockedError, match="batch b-S91 of S91, batch b-S92 of S92"):
        require_no_batch_gone(previous, read_committed(zones)[0])
    require_no_batch_gone(None, read_committed(zones)[0])
