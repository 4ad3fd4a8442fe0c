"""How commands speak: results as tables, JSON, CSV or Parquet; errors with what to do next."""

from __future__ import annotations

import csv
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import BadInputError
from schemas.run.atomic_files import write_bytes
from schemas.run.progress import LOGGER_NAME
from schemas.run.shown_runs import PLAIN_LOGGER
from schemas.tables.spreadsheet_cells import plain_cell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

Row = Mapping[str, object]
#: A terminal would obey them; a site's text may hold some.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")
_SUFFIXES = (".csv", ".parquet")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Where everything lies (else LIVERCOHORT_HOME, else ./var)."),
]


_OPTIONS = {"as_json": "--json", "as_csv": "--csv", "out": "--out"}
#: Two forms of one result that exclude each other; `--json --out` prints what was written.
_EXCLUDED = {"as_json": ("as_csv",), "as_csv": ("as_json", "out"), "out": ("as_csv",)}


def _require_one_form(context: typer.Context, name: str) -> None:
    for other in _EXCLUDED[name]:
        if context.params.get(other):
            raise BadInputError(
                f"{_OPTIONS[name]} and {_OPTIONS[other]} exclude each other",
                expected="one of them",
            )


def _form(context: typer.Context, parameter: typer.CallbackParam, value: bool) -> bool:
    if value:
        _require_one_form(context, parameter.name or "")
    return value


def _new_file(context: typer.Context, out: Path | None) -> Path | None:
    """Refuse a file that cannot be written, or is there already, before any work starts."""
    if out is None:
        return None
    _require_one_form(context, "out")
    if out.suffix not in _SUFFIXES or not out.parent.is_dir():
        raise BadInputError(
            "the rows cannot be written there",
            expected="FILE.csv or FILE.parquet in a folder that exists",
            where=str(out),
        )
    if os.path.lexists(out):
        raise BadInputError(
            "there is such a file already",
            expected="the name of a new one",
            where=str(out),
            hint="Nothing is overwritten: name another, or move it away.",
        )
    return out


JsonOption = Annotated[
    bool, typer.Option("--json", callback=_form, help="Print the result as JSON.")
]
CsvOption = Annotated[
    bool, typer.Option("--csv", callback=_form, help="Write the rows as CSV to stdout.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", callback=_new_file, help="Write the rows to a new .csv or .parquet."),
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
    columns: Sequence[str],
    shown: Sequence[str] | None = None,
) -> None:
    """Print or write rows in the form the options ask for.

    `columns` name the columns also where there are no rows. `shown` names those that fit a
    terminal; JSON, CSV and files always get all.
    """
    columns = list(rows[0]) if rows else columns
    if out is not None:
        _write_rows(rows, columns, out)
    if out is not None and as_json:
        say_json({"rows": len(rows), "file": str(out)})
    elif out is not None:
        say(f"{len(rows)} rows written to {out}")
    elif as_json:
        say_json([dict(row) for row in rows])
    elif as_csv:
        sys.stdout.write(_csv_text(rows, columns))
    else:
        _print_table(rows, shown or columns, title)


def _write_rows(rows: Sequence[Row], columns: Sequence[str], out: Path) -> None:
    if out.suffix == ".csv":
        write_bytes(out, _csv_text(rows, columns).encode("utf-8"))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    empty = pa.schema([(name, pa.string()) for name in columns]).empty_table()
    table = pa.Table.from_pylist([dict(row) for row in rows]) if rows else empty
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(out, sink.getvalue().to_pybytes())


def show_progress(log_file: Path | None) -> None:
    """Send progress records to the terminal, and everything we log to the log file."""
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    plain = logging.getLogger(PLAIN_LOGGER)
    for handler in list(logger.handlers):
        for each in (logger, plain):
            each.removeHandler(handler)
        handler.close()
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(_BarHandler() if sys.stderr.isatty() else console)
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        keep = logging.FileHandler(log_file, encoding="utf-8")
        keep.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(keep)
        plain.addHandler(keep)


class _BarHandler(logging.Handler):
    """One progress bar per stage on a terminal; other records stay plain lines.

    The bars turn and count seconds by themselves, so that a long step is not a dead terminal.
    """

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (
            *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn()),
            *(MofNCompleteColumn(), TimeElapsedColumn()),
        )
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
        shown = f"{facts['subject']} {facts.get('step') or facts['stage']}"
        self._progress.update(
            self._bars[name], completed=facts["done"], total=facts["total"], description=shown
        )
        if facts["done"] >= facts["total"]:
            self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()
        super().close()


def _csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    stream = StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _spreadsheet_cell(value) for key, value in row.items()})
    return stream.getvalue()


def _print_table(rows: Sequence[Row], columns: Sequence[str], title: str) -> None:
    """Print a table in which every word is whole, so that an id can be copied.

    Into a pipe it is as wide as its rows. On a terminal lines break between words; where not
    even the longest words fit side by side, each row becomes a block of lines.
    """
    from rich.console import Console

    cells = [[_cell(row[name]).translate(_CONTROLS) for name in columns] for row in rows]
    words, lines = _widths(columns, cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(lines, len(title)))
    if words <= console.width:
        _print_lines(console, columns, cells, title)
    else:
        _print_blocks(columns, cells, title)
    say(f"{len(rows)} rows")


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Return the width of a table that breaks between words, and of one that never breaks."""
    from rich.cells import cell_len

    by_column = list(zip(columns, *cells, strict=True))
    words = [max(cell_len(w) for cell in c for w in cell.split() or [""]) for c in by_column]
    lines = [max(map(cell_len, column)) for column in by_column]
    borders = 3 * len(columns) + 1
    return sum(words) + borders, sum(lines) + borders


def _print_lines(
    console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]], title: str
) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    # As text: brackets in a value are no markup.
    table = Table(title=Text(title), title_justify="left", show_lines=False)
    for number, name in enumerate(columns):
        texts = [name, *(row[number] for row in cells)]
        longest = max(cell_len(word) for text in texts for word in text.split() or [""])
        table.add_column(Text(name), overflow="fold", min_width=longest)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_blocks(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str) -> None:
    say(title)
    width = max(map(len, columns))
    for number, row in enumerate(cells, start=1):
        say(f"--- {number}")
        for name, text in zip(columns, row, strict=True):
            say(f"{name:{width}}  {text}")


def _spreadsheet_cell(value: object) -> str:
    """Return a value for a file that people open in a spreadsheet: no text of it runs there."""
    return plain_cell(_cell(value)) if isinstance(value, str | list | tuple) else _cell(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "; ".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
