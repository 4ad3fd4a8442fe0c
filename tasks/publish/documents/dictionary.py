"""The data dictionary: every column of every table, as rows, CSV and HTML. Pure."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from html import escape
from io import StringIO

from schemas.tables.contracts import TableContract

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


def dictionary_rows(contracts: Mapping[str, TableContract]) -> list[tuple[str | int, ...]]:
    """Return one row per column, in the order of `DICTIONARY_COLUMNS`."""
    return [
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


def data_dictionary(contracts: Mapping[str, TableContract]) -> bytes:
    """Return the data dictionary as CSV (UTF-8 with BOM, so that Excel reads the Chinese)."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(DICTIONARY_COLUMNS)
    rows.writerows(dictionary_rows(contracts))
    return text.getvalue().encode("utf-8-sig")


def dictionary_html(contracts: Mapping[str, TableContract]) -> bytes:
    """Return the data dictionary as one page that asks nothing of the network."""
    parts = [_HEAD]
    for table in contracts.values():
        parts.append(f'<h2 id="{table.name}">{table.name}</h2>\n<p>{escape(table.comment)}</p>\n')
        shown = DICTIONARY_COLUMNS[2:11]
        heads = "".join(f'<th scope="col">{name}</th>' for name in shown)
        parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>\n")
        for row in dictionary_rows({table.name: table}):
            cells = "".join(f"<td>{escape(str(value))}</td>" for value in row[2:11])
            parts.append(f"<tr>{cells}</tr>\n")
        parts.append("</tbody></table>\n")
    return ("".join(parts) + "</body></html>\n").encode()
