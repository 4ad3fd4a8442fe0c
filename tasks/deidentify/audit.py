"""The audit of a batch: one row per file, each row sealed by the hash of the one before.

A row says what was done, by tag, and with which rules, key and software; never a value of
the source. Changing, dropping or moving a row breaks the chain from there on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa

from schemas.records import FileOutcome
from schemas.states import FileState, ReasonCode
from schemas.tables.arrow_arrays import arrow_array
from tasks.deidentify.gathered import AuditTrails
from tasks.deidentify.packed import Trail
from tasks.deidentify.rules.profile import Action

#: Text of a row → the link that chains it to the next.
LinkOf = Callable[[str], str]
FIRST_LINK = "0" * 64
#: Rows of one row group of the file, and rows that are text at a time: text takes most memory.
ROWS_AT_A_TIME = 4096
_TEXTS_AT_A_TIME = 256
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_COUNTS = [*sorted(str(a) for a in Action if a is not Action.FIXED), "refused", "dropped_words"]
_TEXTS = ("reason", "detail", "source_sha256", "output_sha256", "pixel_sha256", "output", "scan")
#: What is told of a file where it ended, by the names of `settle.OUTCOMES`.
_TOLD = pa.schema(
    [
        pa.field(name, pa.int64() if name in ("file_no", "trail") else pa.string())
        for name in (
            *("file_no", "state", "reason", "detail", "source_sha256", "output_sha256"),
            *("pixel_sha256", "sop_uid", "series_uid", "trail"),
        )
    ]
)
_VERSIONS = ("profile_sha256", "table_edition", "key_id", "software")


@dataclass(frozen=True)
class AuditVersions:
    """With what the objects were de-identified: the same in all rows of a batch."""

    profile_sha256: str
    table_edition: str
    key_id: str
    software: str


def audit_columns(outcomes: Iterable[FileOutcome], trails: AuditTrails) -> pa.Table:
    """Return what the audit says of outcomes, in `file_no` order; columns as `settle.OUTCOMES`."""
    rows = sorted(outcomes, key=lambda o: o.file_no)
    numbers = trails.of_files["file_no"].to_pylist()
    trail_of = dict(zip(numbers, trails.of_files["trail"].to_pylist(), strict=True))
    # One that is in no trail is told by the place behind the last.
    values: dict[str, list[Any]] = {
        "series_uid": [o.features and o.features.series_uid for o in rows],
        "trail": [trail_of.get(o.file_no, len(trails.kinds)) for o in rows],
    }
    arrays = [
        arrow_array(
            values.get(name) or [_text(getattr(o, name)) for o in rows], _TOLD.field(name).type
        )
        for name in _TOLD.names
    ]
    return pa.table(arrays, schema=_TOLD)


def audit_tables(
    files: pa.Table, kinds: Sequence[Trail], versions: AuditVersions, link_of: LinkOf
) -> Iterator[pa.Table]:
    """Yield the audit, a table for every few thousand files: one row per file, chained.

    Rows come in the order of `files`, and there is at least one table.

    Parameters
    ----------
    files : pyarrow.Table
        Where each file ended, after the scan of what was written: the columns of
        `settle.OUTCOMES` that are told, in `file_no` order.
    kinds : sequence of Trail
        What was done to files; `trail` is the place of a file's among them.
    versions : AuditVersions
        Rules, key and software.
    link_of : callable
        Text of a row → its keyed link, so that nobody without the key can make the chain anew.
    """
    texts = [_row_text(kind, versions) for kind in (*kinds, Trail())]
    done = _done((*kinds, Trail()))
    parts: list[pa.Table] = []
    link = FIRST_LINK
    for begin in range(0, max(len(files), 1), _TEXTS_AT_A_TIME):
        if parts and begin % ROWS_AT_A_TIME == 0:
            yield pa.concat_tables(parts).combine_chunks()
            parts = []
        part = files.slice(begin, _TEXTS_AT_A_TIME)
        told = _told(part)
        links = [link]
        for trail, *row in zip(part["trail"].to_pylist(), *told.values(), strict=True):
            values = dict(zip(told, map(_json, row), strict=True))
            link = link_of(texts[trail] % {**values, "prev_sha256": f'"{link}"'})
            links.append(link)
        trails = part["trail"].combine_chunks()
        parts.append(_table(told, done.take(trails), versions, links))
    yield pa.concat_tables(parts).combine_chunks()


def _told(files: pa.Table) -> dict[str, list[Any]]:
    """Return what rows say of files themselves, by column."""
    told = {name: files[name].to_pylist() for name in _TOLD.names if name != "trail"}
    accepted = [state == FileState.ACCEPTED for state in told["state"]]
    series = told.pop("series_uid")
    is_object = [is_in and uid is not None for is_in, uid in zip(accepted, series, strict=True)]
    found = [reason == ReasonCode.IDENTIFIER_FOUND for reason in told["reason"]]
    told["output"] = [
        f"{uid}/{sop}.dcm" if there else None
        for there, uid, sop in zip(is_object, series, told.pop("sop_uid"), strict=True)
    ]
    told["scan"] = [
        "found" if hit else ("clean" if there else None)
        for hit, there in zip(found, is_object, strict=True)
    ]
    told["source_sha256"] = [sha256 or None for sha256 in told["source_sha256"]]
    return told


def _row_text(kind: Trail, versions: AuditVersions) -> str:
    """Return the text of a row with places (`%(name)s`) for what is told of each file itself."""
    places = {name: f"\0{name}" for name in ("file_no", "state", *_TEXTS, "prev_sha256")}
    row = {
        **places,
        **dict.fromkeys((f"n_{name}" for name in _COUNTS), 0),
        **{f"n_{name}": n for name, n in kind.counts if name in _COUNTS},
        **{name: getattr(versions, name) for name in _VERSIONS},
        "actions": kind.steps,
        "private_kept": _private_kept(kind),
        "options": kind.options,
    }
    text = _ENCODER.encode(row).replace("%", "%%")
    for name in places:
        text = text.replace(f'"\\u0000{name}"', f"%({name})s")
    return text


def _private_kept(kind: Trail) -> list[str]:
    return [step for step in kind.steps if ":private" in step]


def _done(kinds: Sequence[Trail]) -> pa.RecordBatch:
    """Return what was done by each trail, as columns."""
    counts = [dict(kind.counts) for kind in kinds]
    columns: dict[str, Sequence[Any]] = {
        **{f"n_{name}": [of.get(name, 0) for of in counts] for name in _COUNTS},
        "actions": [kind.steps for kind in kinds],
        "private_kept": [_private_kept(kind) for kind in kinds],
        "options": [kind.options for kind in kinds],
    }
    schema = _schema()
    arrays = [
        arrow_array(values, pa.int64()).cast(schema.field(name).type)
        if name.startswith("n_")
        else arrow_array(values, schema.field(name).type)
        for name, values in columns.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _table(
    told: Mapping[str, Sequence[Any]],
    done: pa.RecordBatch,
    versions: AuditVersions,
    links: Sequence[str],
) -> pa.Table:
    schema, n_rows = _schema(), len(links) - 1
    columns = {name: arrow_array(told[name], schema.field(name).type) for name in told}
    columns |= {name: done.column(name) for name in done.schema.names}
    columns |= {
        name: arrow_array([getattr(versions, name)] * n_rows, pa.string()) for name in _VERSIONS
    }
    columns["prev_sha256"] = arrow_array(links[:-1], pa.string())
    columns["row_sha256"] = arrow_array(links[1:], pa.string())
    return pa.table([columns[name] for name in schema.names], schema=schema)


def first_broken_row(table: pa.Table, link_of: LinkOf) -> int | None:
    """Return the `file_no` of the first row that does not fit the chain, None if all do."""
    link = FIRST_LINK
    parts = table.to_batches(max_chunksize=ROWS_AT_A_TIME)
    for row in (row for part in parts for row in part.to_pylist()):
        stated = row.pop("row_sha256")
        if row["prev_sha256"] != link or link_of(_json(row)) != stated:
            return int(row["file_no"])
        link = stated
    return None


def head_of(table: pa.Table) -> str:
    """Return how many rows an audit has and its last link: what shows that rows were cut off."""
    last = table["row_sha256"][-1].as_py() if table.num_rows else FIRST_LINK
    return head(table.num_rows, last)


def head(n_rows: int, last_link: str) -> str:
    """Return the head of an audit of so many rows, of which this is the last link."""
    return f"{n_rows}:{last_link}"


def _json(value: object) -> str:
    """Return the text of a value; of texts and of none, most of a row, without the encoder."""
    if type(value) is str:
        return encode_basestring(value)
    return "null" if value is None else _ENCODER.encode(value)


def _text(value: object) -> object:
    return str(value) if isinstance(value, str) else value


def _schema() -> pa.Schema:
    texts = [pa.field(name, pa.string()) for name in _TEXTS]
    lists = [pa.field(n, pa.list_(pa.string())) for n in ("actions", "private_kept", "options")]
    chain = ("prev_sha256", "row_sha256")
    return pa.schema(
        [pa.field("file_no", pa.int64(), nullable=False)]
        + [pa.field("state", pa.string(), nullable=False), *texts]
        + [pa.field(f"n_{name}", pa.int32(), nullable=False) for name in _COUNTS]
        + [pa.field(name, pa.string(), nullable=False) for name in _VERSIONS]
        + lists
        + [pa.field(name, pa.string(), nullable=False) for name in chain]
    )
