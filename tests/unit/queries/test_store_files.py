"""A site is told the files behind a query by the names it gave them, in the restricted zone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.identifiers import BatchId, SiteCode
from schemas.records import DELIVERED_STUDY
from schemas.run.zones import Zones
from tasks.queries.states import Query
from tasks.queries.store_files import files_of_queries, write_files
from tests.unit.queries.builders import about, after, night

SITE = SiteCode("S91")
STUDY = "2.25.7"


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """Two batches: one with two broken images and a text, one that brings one image again."""
    zones = Zones(tmp_path)
    batches: dict[str, list[tuple[object, ...]]] = {
        "b1": [
            (1, "quarantined", "TRUNCATED", "2.25.1", STUDY),
            (2, "quarantined", "TRUNCATED", "2.25.2", STUDY),
            (3, "quarantined", "NOT_DICOM", None, None),
        ],
        "b2": [(1, "accepted", None, "2.25.2", STUDY)],
    }
    columns = ["file_no", "state", "reason", "sop_uid", "study_uid"]
    for batch, rows in batches.items():
        folder = zones.batch(SITE, BatchId(batch))
        folder.mkdir(parents=True)
        table = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows])
        pq.write_table(table, folder / "file.parquet")
    listing = zones.quarantine(SITE, BatchId("b1")) / "reasons.csv"
    listing.parent.mkdir(parents=True)
    listing.write_text(
        "file_no,relative_path,sha256,reason,meaning\n"
        "1,王某/a.dcm,x,TRUNCATED,x\n2,王某/b.dcm,x,TRUNCATED,x\n3,notes.dcm,x,NOT_DICOM,x\n",
        encoding="utf-8",
    )
    return zones


def queries() -> list[Query]:
    exam = {"object_type": DELIVERED_STUDY, "object_id": f"S91-ABCD2345/{STUDY}"}
    batch = {"object_type": "ingest_batch", "object_id": "b1"}
    raised = night(
        1,
        about("f1", rule_id="FIL_TRUNCATED", **exam),
        about("f2", rule_id="FIL_NOT_DICOM", **batch),
        about("f3"),
    )
    return list(after(raised).values())


def test_each_file_is_named_with_its_query_and_what_came_again_is_left_out(zones: Zones) -> None:
    assert files_of_queries(zones, SITE, queries()) == [
        ("Q-f1", "b1", "王某/a.dcm", "TRUNCATED"),
        ("Q-f2", "b1", "notes.dcm", "NOT_DICOM"),
    ]


def test_only_the_owner_reads_the_list(zones: Zones, tmp_path: Path) -> None:
    path = tmp_path / "files.csv"
    write_files(path, files_of_queries(zones, SITE, queries()))
    assert path.stat().st_mode & 0o777 == 0o600
    assert "王某/a.dcm" in path.read_text(encoding="utf-8-sig")


def test_without_a_query_about_files_nothing_is_listed(zones: Zones) -> None:
    assert files_of_queries(zones, SITE, queries()[2:]) == []
