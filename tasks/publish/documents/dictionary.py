"""The data dictionary: every column of every table and view, as rows, CSV and HTML. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import StringIO
from itertools import groupby

from schemas.tables.contracts import TableContract
from tasks.publish.view import ViewColumn

DICTIONARY_COLUMNS = (
    "table",
    "position",
    "column",
    "type",
    "unit",
    "nullable",
    "primary_key",
    "references",
    "allowed_values",
    "description_en",
    "description_zh",
    "contract_version",
)
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Data dictionary</title>
<style>body{font:15px/1.45 sans-serif;margin:2rem;color:#222}table{border-collapse:collapse;
margin-bottom:2rem}th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;
vertical-align:top}th{background:#eee}h2{margin-bottom:.25rem}</style></head>
<body><h1>Data dictionary · 数据字典</h1>
"""


_UNIT = re.compile(r" *\[([^\]]+)\]")
_BETWEEN_LANGUAGES = " · "


def dictionary_rows(
    contracts: Mapping[str, TableContract], views: Iterable[ViewColumn] = ()
) -> list[tuple[str | int, ...]]:
    """Return one row per column, in the order of `DICTIONARY_COLUMNS`; views come last."""
    rows: list[tuple[str | int, ...]] = [
        (
            table.name,
            position,
            column.name,
            column.duckdb_type,
            column.unit or "",
            "yes" if column.nullable else "no",
            "yes" if column.name in table.primary_key else "no",
            ".".join(column.references) if column.references else "",
            " ".join(column.allowed_values or ()),
            column.description_en,
            column.description_zh,
            table.version,
        )
        for table in contracts.values()
        for position, column in enumerate(table.columns, start=1)
    ]
    return rows + [_view_row(column) for column in views]


def _view_row(column: ViewColumn) -> tuple[str | int, ...]:
    english, _, chinese = column.comment.partition(_BETWEEN_LANGUAGES)
    unit = _UNIT.search(english)
    return (
        column.view,
        column.position,
        column.name,
        column.duckdb_type,
        unit[1] if unit else "",
        "",
        "no",
        "",
        "",
        _UNIT.sub("", english),
        chinese,
        "view",
    )


def data_dictionary(
    contracts: Mapping[str, TableContract], views: Iterable[ViewColumn] = ()
) -> bytes:
    """Return the data dictionary as CSV (UTF-8 with BOM, so that Excel reads the Chinese)."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(DICTIONARY_COLUMNS)
    rows.writerows(dictionary_rows(contracts, views))
    return text.getvalue().encode("utf-8-sig")


def dictionary_html(
    contracts: Mapping[str, TableContract], views: Sequence[ViewColumn] = ()
) -> bytes:
    """Return the data dictionary as one page that asks nothing of the network."""
    parts = [_HEAD]
    for table in contracts.values():
        parts += _section(table.name, table.comment, dictionary_rows({table.name: table}))
    for name, columns in groupby(views, key=lambda column: column.view):
        own = list(columns)
        parts += _section(name, own[0].view_comment, [_view_row(column) for column in own])
    return ("".join(parts) + "</body></html>\n").encode()


def _section(name: str, comment: str, rows: Iterable[tuple[str | int, ...]]) -> list[str]:
    heads = "".join(f'<th scope="col">{head}</th>' for head in DICTIONARY_COLUMNS[2:11])
    parts = [
        f'<h2 id="{name}">{name}</h2>\n<p>{escape(comment)}</p>\n',
        f"<table><thead><tr>{heads}</tr></thead><tbody>\n",
    ]
    for row in rows:
        cells = "".join(f"<td>{escape(str(value))}</td>" for value in row[2:11])
        parts.append(f"<tr>{cells}</tr>\n")
    return [*parts, "</tbody></table>\n"]
