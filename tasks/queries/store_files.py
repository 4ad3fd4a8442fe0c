"""Which delivered files a query is about, by the names the site gave them (restricted)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq

from schemas.identifiers import BatchId, SiteCode
from schemas.records import DELIVERED_STUDY
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.states import FileState
from schemas.tables.spreadsheet_cells import plain_row
from tasks.queries.states import Query

RULE_PREFIX = "FIL_"
HEADINGS = ("query_id（质疑编号）", "batch_id（批次）", "file（交付文件）", "reason（隔离原因）")
_COLUMNS = ("file_no", "state", "reason", "sop_uid", "study_uid")
_UTF8_MARK = b"\xef\xbb\xbf"
_Row = tuple[str, str, str, str]


def files_of_queries(zones: Zones, site: SiteCode, queries: Iterable[Query]) -> list[_Row]:
    """Return the files behind the queries about files set aside, as the site delivered them.

    Returns
    -------
    list of (query id, batch, delivered path, reason)
        Sorted. An image that came again and was taken in is left out.
    """
    wanted = {_place(query): query.query_id for query in queries if _is_about_files(query)}
    if not wanted:
        return []
    batches = {
        path.parent.name: pq.read_table(path, columns=list(_COLUMNS)).to_pylist()
        for path in sorted((zones.warehouse / "batches" / site).glob("[!.]*/file.parquet"))
    }
    accepted = {
        row["sop_uid"]
        for rows in batches.values()
        for row in rows
        if row["state"] == FileState.ACCEPTED
    }
    found: list[_Row] = []
    for batch, rows in batches.items():
        names = _names(zones.quarantine(site, BatchId(batch)) / "reasons.csv")
        for row in rows:
            place = (row["reason"], row["study_uid"] or batch)
            if place in wanted and row["sop_uid"] not in accepted:
                name = names.get(row["file_no"], "")
                found.append((wanted[place], batch, name, row["reason"]))
    return sorted(found)


def write_files(path: Path, rows: Sequence[_Row]) -> None:
    """Write the list beside the queries (restricted: names of files may name people)."""
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([HEADINGS, *map(plain_row, rows)])
    write_bytes(path, _UTF8_MARK + text.getvalue().encode("utf-8", "replace"), mode=0o600)


def _is_about_files(query: Query) -> bool:
    return query.about.rule_id.startswith(RULE_PREFIX)


def _place(query: Query) -> tuple[str, str]:
    about = query.about
    study = about.object_type == DELIVERED_STUDY
    named = about.object_id.rpartition("/")[2] if study else about.object_id
    return about.rule_id.removeprefix(RULE_PREFIX), named


def _names(listing: Path) -> dict[int, str]:
    if not listing.is_file():
        return {}
    text = listing.read_bytes().decode("utf-8", "surrogateescape")
    return {int(row["file_no"]): row["relative_path"] for row in csv.DictReader(StringIO(text))}
