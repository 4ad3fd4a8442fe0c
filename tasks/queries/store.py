"""The register of queries on disk: append-only files of events; files to and from sites.

Each act writes one new file of events; none is ever changed. Nights of several sites end at
once, so an act holds a lock of the system, which a killed process cannot leave behind.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cache
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pyarrow as pa

from schemas.dicom.charsets import decode_table_text
from schemas.errors import BadInputError, ContractError
from schemas.package_data import data_contracts_dir
from schemas.run.atomic_files import canonical_json, make_folder, sha256_of_bytes, write_bytes
from schemas.run.locks import held_lock
from schemas.run.zones import Zones
from schemas.tables.contracts import TableContract, conform, read_table_contracts
from schemas.tables.spreadsheet_cells import plain_cell
from tasks.queries.exchange import headings
from tasks.queries.states import About, Answer, ClosedReason, Query, QueryEvent, Status, fold
from tasks.queries.tables import event_rows, query_rows

#: An answer file is a list of queries, never more.
ANSWER_FILE_BYTES_MAX = 20_000_000
ANSWER_ROWS_MAX = 100_000
_DATES = ("on", "due_on")
_ENUMS = {"status": Status, "closed_reason": ClosedReason, "answer": Answer}
_MARK = b"\xef\xbb\xbf"


@cache
def read_query_contracts() -> Mapping[str, TableContract]:
    """Return the contracts of `query` and `query_event`."""
    return read_table_contracts(data_contracts_dir() / "operations")


def count_batches(zones: Zones) -> dict[str, int]:
    """Return how many batches of each site are in the warehouse, held ones too."""
    paths = (zones.warehouse / "batches").glob("*/*/batch.json")
    return dict(Counter(p.parent.parent.name for p in paths if not p.parent.name.startswith(".")))


def read_queries(zones: Zones) -> dict[str, Query]:
    """Return every query, by id.

    Raises
    ------
    ContractError
        If a file of events is missing or damaged, or an event is not legal.
    """
    return fold(event for path in _event_files(zones) for event in _read_events(path))


@contextmanager
def changing_queries(zones: Zones) -> Iterator[Register]:
    """Hold the register while an act reads it, decides, and adds its events.

    Raises
    ------
    ContractError
        If the register cannot be read.
    """
    folder = _folder(zones)
    folder.mkdir(parents=True, exist_ok=True)
    with held_lock(folder / ".lock"):
        files = _event_files(zones)
        events = tuple(event for path in files for event in _read_events(path))
        yield Register(folder, f"{len(files) + 1:06d}", events)


@dataclass(frozen=True)
class Register:
    """The register as one act finds it; `act` is the number of the act."""

    folder: Path
    act: str
    events: tuple[QueryEvent, ...]

    @property
    def queries(self) -> dict[str, Query]:
        """Every query, by id."""
        return fold(self.events)

    def add(self, events: Sequence[QueryEvent]) -> None:
        """Add the events of this act, all or none.

        Raises
        ------
        ContractError
            If they do not follow those that stand; nothing is written then.
        """
        if events:
            fold([*self.events, *events])
            data = canonical_json([_to_json(event) for event in events])
            write_bytes(self.folder / f"{self.act}.json", data)


def write_outgoing(folder: Path, name: str, rows: Sequence[Mapping[str, str]]) -> list[Path]:
    """Write the queries to a site; see `write_outgoing_table`."""
    table = [headings(), *([str(value) for value in row.values()] for row in rows)]
    return write_outgoing_table(folder, name, table)


def write_outgoing_table(folder: Path, name: str, table: Sequence[Sequence[str]]) -> list[Path]:
    """Write a file for a site as CSV (UTF-8 with mark) and as a workbook (restricted)."""
    make_folder(folder)
    table = [[plain_cell(cell) for cell in row] for row in table]
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(table)
    files = {
        folder / f"{name}.csv": _MARK + text.getvalue().encode(),
        folder / f"{name}.xlsx": _workbook(table, name.partition("_")[0]),
    }
    for path, data in files.items():
        write_bytes(path, data, mode=0o600)
    return list(files)


def read_answer_table(data: bytes) -> list[list[str]]:
    """Return the cells of an answer file, CSV (UTF-8 or GB18030) or workbook, as text.

    Raises
    ------
    BadInputError
        If it is neither, or longer than a list of queries can be.
    """
    if len(data) > ANSWER_FILE_BYTES_MAX:
        raise _unreadable("the answer file is too large")
    table = _read_workbook(data) if data.startswith(b"PK") else _read_csv(data)
    if len(table) > ANSWER_ROWS_MAX:
        raise _unreadable("the answer file has too many rows")
    return table


def require_new_answer_file(zones: Zones, site: str, data: bytes) -> str:
    """Return the SHA-256 of an answer file, after checking that it did not come before.

    Raises
    ------
    BadInputError
        If the same file was imported before.
    """
    digest = sha256_of_bytes(data)
    if (zones.answers(site) / digest).exists():
        raise BadInputError(
            "this answer file was imported before",
            where=f"site {site}",
            hint="Nothing was changed. `livercohort queries list` shows where each query stands.",
        )
    return digest


def keep_answer_file(zones: Zones, site: str, data: bytes, digest: str) -> None:
    """Keep an answer file as it came (restricted: comments may name people)."""
    folder = zones.answers(site)
    write_bytes(folder / digest, data, mode=0o600)


def query_table(queries: Iterable[Query]) -> pa.Table:
    """Return table `query` of its contract."""
    return conform(read_query_contracts()["query"], query_rows(queries))


def event_table(queries: Iterable[Query]) -> pa.Table:
    """Return table `query_event` of its contract."""
    return conform(read_query_contracts()["query_event"], event_rows(queries))


def _folder(zones: Zones) -> Path:
    return zones.operations / "queries"


def _event_files(zones: Zones) -> list[Path]:
    files = sorted(_folder(zones).glob("[0-9]*.json"))
    if [path.stem for path in files] != [f"{n:06d}" for n in range(1, len(files) + 1)]:
        raise ContractError(
            "a file of query events is missing",
            where="operations/queries",
            hint="Restore the folder from a backup; its files are numbered without a gap.",
        )
    return files


def _read_events(path: Path) -> Iterable[QueryEvent]:
    try:
        return [_from_json(item) for item in json.loads(path.read_bytes())]
    except (ValueError, KeyError, TypeError):
        raise ContractError(
            "a file of query events cannot be read",
            where=f"operations/queries/{path.name}",
            hint="Restore it from a backup.",
        ) from None


def _to_json(event: QueryEvent) -> dict[str, Any]:
    plain = {name: value for name, value in asdict(event).items() if value is not None}
    days = {name: plain[name].isoformat() for name in _DATES if name in plain}
    if "about" in plain:
        day = plain["about"]["examination_date_shifted"]
        plain["about"]["examination_date_shifted"] = day.isoformat() if day else None
    return {**plain, **days}


def _from_json(item: dict[str, Any]) -> QueryEvent:
    values = dict(item)
    for name in _DATES:
        if name in values:
            values[name] = dt.date.fromisoformat(values[name])
    for name, kind in _ENUMS.items():
        if name in values:
            values[name] = kind(values[name])
    if "about" in values:
        about = {f.name: values["about"][f.name] for f in fields(About)}
        day = about["examination_date_shifted"]
        about["examination_date_shifted"] = dt.date.fromisoformat(day) if day else None
        values["about"] = About(**about)
    return QueryEvent(**values)


def _workbook(table: Sequence[Sequence[str]], title: str) -> bytes:
    # Here and below: a night writes and reads no workbook of queries.
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = title
    for row in table:
        sheet.append(list(row))
    for column in sheet.columns:
        for cell in column:
            cell.number_format = "@"  # text: a spreadsheet must not turn a number or a date round
    sheet.freeze_panes = "A2"
    buffer = BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _read_workbook(data: bytes) -> list[list[str]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        rows = sheet.iter_rows(values_only=True, max_row=ANSWER_ROWS_MAX + 1, max_col=100)
        return [["" if value is None else str(value) for value in row] for row in rows]
    except (BadZipFile, InvalidFileException, KeyError, IndexError, ValueError, OSError):
        raise _unreadable("the answer file is not a workbook that can be read") from None


def _read_csv(data: bytes) -> list[list[str]]:
    decoded = decode_table_text(data)
    if decoded is None:
        raise _unreadable("the answer file is neither UTF-8 nor GB18030")
    text = decoded[0]
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        raise _unreadable("the answer file is not a CSV table") from None


def _unreadable(found: str) -> BadInputError:
    return BadInputError(
        found,
        expected="the CSV or workbook the site was sent, with its answers",
        hint="Nothing was imported.",
    )
