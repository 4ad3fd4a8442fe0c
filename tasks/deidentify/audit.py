"""The audit of a batch: one row per file, each row sealed by the hash of the one before.

A row says what was done, by tag, and with which rules, key and software; never a value of
the source. Changing, dropping or moving a row breaks the chain from there on.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from schemas.records import FileOutcome
from schemas.states import FileState, ReasonCode
from tasks.deidentify.plan.actions import ElementAction, options_run
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
_VERSIONS = ("profile_sha256", "table_edition", "key_id", "software")


@dataclass(frozen=True)
class AuditVersions:
    """With what the objects were de-identified: the same in all rows of a batch."""

    profile_sha256: str
    table_edition: str
    key_id: str
    software: str


def trail_of(actions: Sequence[ElementAction]) -> tuple[str, ...]:
    """Return what was done by tag: `TAG:action`, below a sequence `TAG/TAG:action`.

    What happened more than once below a sequence has its number behind it.
    """
    counts = Counter(step for action in actions for step in action.steps)
    return tuple(f"{step}*{n}" if n > 1 else step for step, n in sorted(counts.items()))


def options_of(actions: Sequence[ElementAction]) -> tuple[str, ...]:
    """Return the parts of PS3.15 annex E that ran, by name."""
    return tuple(sorted(str(option) for option in options_run(actions)))


def audit_tables(
    outcomes: Iterable[FileOutcome],
    counts: Mapping[int, Mapping[str, int]],
    trails: Mapping[int, Sequence[str]],
    options: Mapping[int, Sequence[str]],
    versions: AuditVersions,
    link_of: LinkOf,
) -> Iterator[pa.Table]:
    """Yield the audit, a table for every few thousand files: one row per file, chained.

    Rows come in `file_no` order, and there is at least one table. A row is long, and a delivery
    may have a hundred thousand of them.

    Parameters
    ----------
    outcomes : iterable of FileOutcome
        Where each file ended, after the scan of what was written.
    counts, trails, options : mapping
        By `file_no`: elements by action, actions by tag, options that ran.
    versions : AuditVersions
        Rules, key and software.
    link_of : callable
        Text of a row → its keyed link, so that nobody without the key can make the chain anew.
    """
    rows: list[str] = []
    parts: list[pa.Table] = []
    link = FIRST_LINK
    for place, outcome in enumerate(sorted(outcomes, key=lambda o: o.file_no)):
        if rows and place % _TEXTS_AT_A_TIME == 0:
            parts.append(_table(rows))
            rows = []
        if parts and place % ROWS_AT_A_TIME == 0:
            yield pa.concat_tables(parts).combine_chunks()
            parts = []
        number = outcome.file_no
        row = _row(outcome, counts.get(number, {}), versions)
        row["actions"] = list(trails.get(number, ()))
        row["private_kept"] = [s for s in row["actions"] if ":private" in s]
        row["options"] = list(options.get(number, ()))
        row["prev_sha256"] = link
        text = _json(row)
        link = link_of(text)
        # The same row again, its own hash last: JSON keys have no order to pyarrow.
        rows.append(f'{text[:-1]},"row_sha256":"{link}"}}')
    yield pa.concat_tables([*parts, _table(rows)]).combine_chunks()


def _table(rows: Sequence[str]) -> pa.Table:
    # By way of JSON: from Python objects, pyarrow would load pandas for nothing.
    schema = _schema()
    if not rows:
        return schema.empty_table()
    options = pj.ParseOptions(explicit_schema=schema)
    table = pj.read_json(io.BytesIO("\n".join(rows).encode()), parse_options=options)
    return table.combine_chunks().cast(schema)


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


def _json(row: Mapping[str, Any]) -> str:
    return _ENCODER.encode(row)


def _row(
    outcome: FileOutcome, counts: Mapping[str, int], versions: AuditVersions
) -> dict[str, Any]:
    accepted = outcome.state is FileState.ACCEPTED and outcome.features is not None
    series = outcome.features.series_uid if outcome.features is not None else None
    found = outcome.reason is ReasonCode.IDENTIFIER_FOUND
    return {
        "file_no": outcome.file_no,
        "state": str(outcome.state),
        "reason": outcome.reason and str(outcome.reason),
        "detail": outcome.detail,
        "source_sha256": outcome.source_sha256 or None,
        "output_sha256": outcome.output_sha256,
        "pixel_sha256": outcome.pixel_sha256,
        "output": f"{series}/{outcome.sop_uid}.dcm" if accepted else None,
        "scan": "found" if found else ("clean" if accepted else None),
        **{f"n_{name}": counts.get(name, 0) for name in _COUNTS},
        **{name: getattr(versions, name) for name in _VERSIONS},
    }


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
