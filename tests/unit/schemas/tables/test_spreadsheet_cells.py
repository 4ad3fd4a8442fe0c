"""No text in a CSV for people runs as a formula; numbers stay numbers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from schemas.tables.spreadsheet_cells import plain_cell
from tasks.publish.documents.store_excel import write_csv

FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|x", "-2+3+cmd", "\t=1", "-", "=HYPERLINK(1)"]
OTHERS = ["-0.5", "+3", "-1,5", "-1e-3", "-0.7;0;-1.0", "12", "a=b", "", "2.25.1", "肝癌"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_shown_not_run(text: str, tmp_path: Path) -> None:
    assert plain_cell(text) == f"'{text}"
    write_csv(pa.table({"a": [text, None]}), tmp_path / "a.csv")
    assert f"'{text.strip()}".encode() in (tmp_path / "a.csv").read_bytes().replace(b"\t", b"")


@pytest.mark.parametrize("text", OTHERS)
def test_numbers_and_other_texts_stay_as_they_are(text: str, tmp_path: Path) -> None:
    assert plain_cell(text) == text
    write_csv(pa.table({"a": [text], "n": [-0.5]}), tmp_path / "a.csv")
    assert b"'" not in (tmp_path / "a.csv").read_bytes()
    assert b"-0.5" in (tmp_path / "a.csv").read_bytes()
