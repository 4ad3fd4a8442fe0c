"""The index of a warehouse spares the opening of tables, and never decides what is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from schemas.tables import warehouse_index
from schemas.tables.warehouse import rows_with
from schemas.tables.warehouse_index import batches_with, update_index

SITE = SiteCode("S91")


def commit(zones: Zones, batch: str, study: str, *sop_uids: str, aside: str = "") -> Path:
    folder = zones.warehouse / "batches" / SITE / batch
    folder.mkdir(parents=True, exist_ok=True)
    n = len(sop_uids)
    instances = {"sop_uid": sop_uids, "study_uid": [study] * n, "series_uid": [f"{study}.1"] * n}
    files = {"sop_uid": [*sop_uids, aside or None], "state": ["accepted"] * n + ["quarantined"]}
    for name, columns in (("instance", instances), ("file", files)):
        beside = folder / f".{name}"
        pq.write_table(pa.table(columns), beside)
        beside.rename(folder / f"{name}.parquet")
    return folder


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A site with two batches that the index knows."""
    made = Zones(tmp_path)
    commit(made, "aa", "1.1", "2.25.1", "2.25.2", aside="2.25.9")
    commit(made, "bb", "1.2", "2.25.3")
    update_index(made, SITE)
    return made


def names(zones: Zones, *uids: str) -> list[str]:
    return [folder.name for folder in batches_with(zones, SITE, uids)]


def test_only_the_batches_that_hold_a_uid_are_opened(zones: Zones) -> None:
    assert names(zones, "2.25.3") == names(zones, "1.2") == names(zones, "1.2.1") == ["bb"]
    assert names(zones, "2.25.9") == ["aa"]  # set aside then, it may come again
    assert names(zones, "1.1", "2.25.3") == ["aa", "bb"]
    assert names(zones, "2.25.4", "1.3") == names(zones) == []


def test_a_batch_that_the_index_does_not_know_is_opened(zones: Zones) -> None:
    commit(zones, "cc", "1.3", "2.25.4")
    assert names(zones, "2.25.4") == names(zones, "2.25.5") == ["cc"]
    update_index(zones, SITE)
    assert names(zones, "2.25.4") == ["cc"]
    assert names(zones, "2.25.1") == ["aa"]
    assert names(zones, "2.25.5") == []


def test_a_batch_whose_tables_were_rewritten_is_opened_until_it_is_read_anew(zones: Zones) -> None:
    commit(zones, "aa", "1.7", "2.25.7")  # as an erasure does
    assert names(zones, "2.25.7") == ["aa"]
    update_index(zones, SITE)
    assert names(zones, "2.25.7") == ["aa"]
    assert names(zones, "2.25.1") == []
    assert names(zones, "2.25.3") == ["bb"]


def test_a_batch_that_is_gone_is_forgotten(zones: Zones) -> None:
    folder = zones.warehouse / "batches" / SITE / "aa"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert names(zones, "2.25.1") == []
    update_index(zones, SITE)
    assert names(zones, "2.25.3", "2.25.1") == ["bb"]


def test_an_index_that_is_lost_or_damaged_hides_nothing(zones: Zones) -> None:
    place = zones.restricted / "index" / f"{SITE}.parquet"
    whole = place.read_bytes()
    for at in range(0, len(whole), 7):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        assert "bb" in names(zones, "2.25.3"), at
    for spoilt in (b"", whole[: len(whole) // 2], b"PAR1" * 40):
        place.write_bytes(spoilt)
        assert names(zones, "2.25.3") == ["aa", "bb"]
        update_index(zones, SITE)
        assert names(zones, "2.25.3") == ["bb"]
    place.unlink()
    assert names(zones, "2.25.3") == ["aa", "bb"]


def test_an_index_that_somebody_planted_outside_the_restricted_zone_is_not_read(
    zones: Zones,
) -> None:
    planted = Zones(zones.home / "elsewhere")
    for batch in ("aa", "bb"):
        (planted.warehouse / "batches" / SITE / batch).mkdir(parents=True)
    update_index(planted, SITE)
    for zone in (zones.operations, zones.warehouse):
        (zone / "index").mkdir(parents=True)
        own = planted.restricted / "index" / f"{SITE}.parquet"
        (zone / "index" / own.name).write_bytes(own.read_bytes())
    assert names(zones, "2.25.3") == ["bb"]


def test_two_uids_of_one_hash_cost_an_opening_and_no_row(
    zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_index, "_hashes", lambda uids: np.zeros(1, np.int64))
    (zones.restricted / "index" / f"{SITE}.parquet").unlink()
    update_index(zones, SITE)
    assert names(zones, "2.25.4") == ["aa", "bb"]
    path = zones.warehouse / "batches" / SITE / "aa" / "instance.parquet"
    assert rows_with(path, "sop_uid", ["2.25.4"]).num_rows == 0
    assert rows_with(path, "sop_uid", ["2.25.2"], columns=["study_uid"]).to_pylist() == [
        {"study_uid": "1.1"}
    ]
