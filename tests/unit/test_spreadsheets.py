"""Every file that people open in a spreadsheet: no text of a site or a header runs in it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path

import pyarrow as pa
import pytest
from openpyxl import load_workbook

from flows.commands.console import give_rows
from schemas.adjudication import AdjudicationCase
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from tasks.eligibility.store_cases import write_cases
from tasks.publish.documents.store_excel import workbook, write_csv
from tasks.queries.store import write_outgoing
from tasks.queries.store_files import write_files

FORMULAS = ("=HYPERLINK(1)", "+cmd|x", "-2+3+cmd", "@SUM(A1)", "\t=1")
PLAIN = ("-0.5", "12", "肝癌", "a=b", "2.25.1")


def outgoing(folder: Path, text: str) -> list[Path]:
    return write_outgoing(folder, "queries", [{"query_id": "Q-1", "text": text}])


def files_of_a_query(folder: Path, text: str) -> list[Path]:
    write_files(folder / "files.csv", [("Q-1", "b1", text, "TRUNCATED")])
    return [folder / "files.csv"]


def cases(folder: Path, text: str) -> list[Path]:
    zones = Zones(folder)
    case = AdjudicationCase(
        site="S91",
        subject_id="S91-AAAA2222",
        subject_no=text,
        lesion_no=1,
        segment="S4",
        diameter_mm=None,
        evidence_digest="abc",
        for_chair=False,
        records=(),
    )
    write_cases(zones, [case], {SiteCode("S91")})
    return list(folder.rglob("*.csv"))


def rows_of_a_command(folder: Path, text: str) -> list[Path]:
    out = folder / "rows.csv"
    rows = [{"a": text, "b": [text], "n": -0.5}]
    give_rows(rows, as_json=False, as_csv=False, out=out, title="", columns=("a", "b", "n"))
    return [out]


def table_of_a_release(folder: Path, text: str) -> list[Path]:
    write_csv(pa.table({"a": [text], "b": [[text]]}), folder / "a.csv")
    return [folder / "a.csv"]


def workbook_of_a_release(folder: Path, text: str) -> list[Path]:
    (folder / "a.xlsx").write_bytes(workbook("a", ["a"], [[text]]))
    return [folder / "a.xlsx"]


WRITERS = (
    outgoing,
    files_of_a_query,
    cases,
    rows_of_a_command,
    table_of_a_release,
    workbook_of_a_release,
)
Writer = Callable[[Path, str], list[Path]]


def cells(path: Path) -> list[str]:
    if path.suffix == ".xlsx":
        sheet = load_workbook(BytesIO(path.read_bytes())).worksheets[0]
        found = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert not [cell.coordinate for cell in found if cell.data_type == "f"]
        return [str(cell.value) for cell in found]
    text = path.read_bytes().decode("utf-8-sig")
    return [cell for row in csv.reader(StringIO(text, newline="")) for cell in row]


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("write", WRITERS)
def test_a_text_that_a_spreadsheet_would_run_is_shown(
    write: Writer, text: str, tmp_path: Path
) -> None:
    paths = write(tmp_path, text)
    assert paths
    for path in paths:
        found = cells(path)
        assert f"'{text}" in found
        assert text not in found


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.parametrize("write", WRITERS)
def test_what_runs_nowhere_stays_as_it_is(write: Writer, text: str, tmp_path: Path) -> None:
    for path in write(tmp_path, text):
        assert text in cells(path)
