"""The audit says what was done to every file, and shows when somebody changed it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.vault.keys import KeyRing, Purpose
from tasks.deidentify.audit import FIRST_LINK, first_broken_row, head_of
from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_series, write_files
from tests.unit.deidentify.helpers import RING, SITE
from tests.unit.deidentify.multi_frame import make_enhanced


def link_of(text: str) -> str:
    return RING.mac(Purpose.AUDIT, text).hex()


def audit_of(folder: Path) -> pa.Table:
    src, dst = folder / "src", folder / "dst"
    write_files(src, [*make_series(n_slices=3), make_enhanced()])
    (src / "readme.txt").write_text("Zhang^Weiming")
    deidentify_folder(src, dst, SITE, RING, subject_from="patient_id")
    return pq.read_table(dst / "audit.parquet")


def test_each_row_is_sealed_by_the_one_before(tmp_path: Path) -> None:
    table = audit_of(tmp_path)
    rows = table.to_pylist()
    assert first_broken_row(table, link_of) is None
    assert rows[0]["prev_sha256"] == FIRST_LINK
    assert [r["prev_sha256"] for r in rows[1:]] == [r["row_sha256"] for r in rows[:-1]]


@pytest.mark.parametrize("column", ["state", "output_sha256", "actions", "key_id", "prev_sha256"])
def test_a_changed_row_breaks_the_chain_where_it_stands(tmp_path: Path, column: str) -> None:
    rows = audit_of(tmp_path).to_pylist()
    rows[2][column] = [] if column == "actions" else "changed"
    assert first_broken_row(pa.Table.from_pylist(rows), link_of) == 3


def test_a_dropped_or_moved_row_breaks_the_chain(tmp_path: Path) -> None:
    rows = audit_of(tmp_path).to_pylist()
    assert first_broken_row(pa.Table.from_pylist(rows[:1] + rows[2:]), link_of) == 3
    assert first_broken_row(pa.Table.from_pylist([rows[1], rows[0], *rows[2:]]), link_of) == 2


def test_rows_tell_actions_by_tag_at_every_depth_and_no_value(tmp_path: Path) -> None:
    rows = audit_of(tmp_path).to_pylist()
    assert "00100010:pseudonym" in rows[0]["actions"]
    assert "52009230/00209111/00189074:date*3" in rows[3]["actions"]
    assert "52009230/00209111/00209158:remove*3" in rows[3]["actions"]
    assert [s for s in rows[3]["private_kept"] if "2005100E:private" in s]
    assert rows[3]["options"] == ["basic", "dates", "descriptors", "device", "patient", "private"]
    assert [r["scan"] for r in rows] == ["clean"] * 4 + [None]
    assert "Zhang" not in str(rows)
    assert {r["key_id"] for r in rows} == {RING.key_id}


def test_nobody_without_the_key_can_make_the_chain_anew(tmp_path: Path) -> None:
    table = audit_of(tmp_path)
    assert first_broken_row(table, lambda text: KeyRing(bytes(32)).mac(Purpose.AUDIT, text).hex())


def test_rows_cut_off_at_the_end_show_in_the_head(tmp_path: Path) -> None:
    table = audit_of(tmp_path)
    shorter = table.slice(0, table.num_rows - 1)
    assert first_broken_row(shorter, link_of) is None
    assert head_of(shorter) != head_of(table)
    assert head_of(table).startswith(f"{table.num_rows}:")


def test_the_audit_of_a_large_delivery_is_one_chain_over_parts_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = audit_of(tmp_path / "whole")
    monkeypatch.setattr("tasks.deidentify.audit.ROWS_AT_A_TIME", 2)
    monkeypatch.setattr("tasks.deidentify.audit._TEXTS_AT_A_TIME", 1)
    parts = audit_of(tmp_path / "parts")
    written = pq.ParquetFile(tmp_path / "parts" / "dst" / "audit.parquet")
    assert written.num_row_groups == 3
    assert parts.to_pylist() == whole.to_pylist()
    assert first_broken_row(parts, link_of) is None
