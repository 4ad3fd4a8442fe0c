"""How commands speak: results as tables, JSON, CSV or Parquet; errors with what to do next."""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from schemas.errors import BadInputError
from schemas.progress import LOGGER_NAME

if TYPE_CHECKING:
    from rich.progress import TaskID

Row = Mapping[str, object]

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Where everything lies (else LIVERCOHORT_HOME, else ./var)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Write the rows as CSV to stdout.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Write the rows to FILE.csv or FILE.parquet.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes (else LIVERCOHORT_WORKERS, 2).")
]


def say(text: str = "") -> None:
    """Print one line of the result."""
    sys.stdout.write(text + "\n")


def say_json(value: object) -> None:
    """Print a result as JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def give_rows(
    rows: Sequence[Row],
    *,
    as_json: bool,
    as_csv: bool,
    out: Path | None,
    title: str,
    shown: Sequence[str] | None = None,
) -> None:
    """Print or write rows in the form the options ask for.

    `shown` names the columns that fit a terminal; JSON, CSV and files always get all.
    """
    if out is not None:
        write_rows(rows, out)
        say(f"{len(rows)} rows written to {out}")
    elif as_json:
        say_json([dict(row) for row in rows])
    elif as_csv:
        _write_csv(rows, sys.stdout)
    else:
        narrow = [{name: row[name] for name in shown} for row in rows] if shown else rows
        _print_table(narrow, title)


def write_rows(rows: Sequence[Row], out: Path) -> None:
    """Write rows to a new CSV or Parquet file.

    Raises
    ------
    BadInputError
        If the suffix is neither, or the folder does not exist.
    """
    if out.suffix not in (".csv", ".parquet") or not out.parent.is_dir():
        raise BadInputError(
            "the rows cannot be written there",
            expected="FILE.csv or FILE.parquet in a folder that exists",
            where=str(out),
        )
    if out.suffix == ".csv":
        with out.open("w", encoding="utf-8", newline="") as stream:
            _write_csv(rows, stream)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), out)


def show_progress(log_file: Path | None) -> None:
    """Send progress records to the terminal, and everything we log to the log file."""
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(_BarHandler() if sys.stderr.isatty() else console)
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        keep = logging.FileHandler(log_file, encoding="utf-8")
        keep.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(keep)


class _BarHandler(logging.Handler):
    """One progress bar per stage on a terminal; other records stay plain lines."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._bars: dict[str, TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        facts = record.__dict__
        if "done" not in facts:
            self._progress.console.print(record.getMessage(), highlight=False)
            return
        name = f"{facts['subject']} {facts['stage']}"
        if name not in self._bars:
            self._progress.start()
            self._bars[name] = self._progress.add_task(name, total=facts["total"])
        self._progress.update(self._bars[name], completed=facts["done"], total=facts["total"])
        if facts["done"] >= facts["total"]:
            self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()
        super().close()


def _write_csv(rows: Sequence[Row], stream: TextIO) -> None:
    columns = list(rows[0]) if rows else []
    writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})


def _print_table(rows: Sequence[Row], title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # As text: brackets in a value are no markup.
    table = Table(title=Text(title), title_justify="left", show_lines=False)
    for column in rows[0] if rows else ():
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    Console().print(table)
    say(f"{len(rows)} rows")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "; ".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
