"""What a release says of its difference from the one before: counts, and rows of who stays. Pure.

Nothing of a removed subject is published but its pseudonym, and that in `removed_ids.csv`
alone: rows of it are counted, and a value that named it is left blank.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.run.atomic_files import canonical_json
from tasks.publish.diff.compare import ROW_ADDED, ROW_REMOVED, VALUE_CHANGED
from tasks.publish.diff.differences import Change, Differences
from tasks.publish.diff.id_history import csv_bytes, id_tables
from tasks.publish.views import DEFAULT_READING

SUMMARY = "diff/summary.json"
CHANGES = "diff/changes.parquet"
_NAMED = ("key", "before", "after")
_PARTS = re.compile(r"[A-Za-z0-9._-]+")


def published_changes(differences: Differences) -> pa.Table:
    """Return the changes without any row or value that names a removed subject."""
    rows = differences.rows
    if not differences.subjects_removed:
        return rows
    removed = pa.array(differences.subjects_removed, pa.string())
    theirs = pc.is_in(rows["subject_id"], value_set=removed)
    named = _ids_of(rows.filter(theirs)) | set(differences.subjects_removed)
    rows = rows.filter(pc.invert(theirs))
    for name in _NAMED:
        values = [_blank(text, named) for text in rows[name].to_pylist()]
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.array(values, pa.string()))
    return rows.combine_chunks()


def diff_documents(before: str | None, after: str, differences: Differences) -> dict[str, bytes]:
    """Return path inside the release → bytes of the small files of `diff/`."""
    changes = published_changes(differences)
    records = [Change(**row) for row in _of_interest(changes).to_pylist()]
    return {
        SUMMARY: canonical_json(summary(before, after, differences)),
        "diff/subjects.csv": csv_bytes(
            ("subject_id", "change", "rows_added", "rows_removed", "values_changed"),
            _subject_rows(changes, differences),
        ),
        "diff/labels.csv": csv_bytes(
            ("series", "subject_id", "before", "after", "reason"),
            [(c.key, c.subject_id, c.before, c.after, c.reason) for c in label_changes(records)],
        ),
        "diff/eligibility.csv": csv_bytes(
            ("subject_id", "reading", "before", "after", "criteria", "reason"),
            eligibility_changes(records),
        ),
    }


def summary(before: str | None, after: str, differences: Differences) -> dict[str, Any]:
    """Return the difference in numbers; what the changelog is made from."""
    records = [Change(**row) for row in _of_interest(differences.rows).to_pylist()]
    labels = Counter((c.before, c.after) for c in label_changes(records))
    moved = Counter((row[1], row[2], row[3]) for row in eligibility_changes(records))
    return {
        "before": before,
        "after": after,
        "bump": differences.bump.value,
        "tables_added": list(differences.tables_added),
        "tables_removed": list(differences.tables_removed),
        "columns_added": [".".join(name) for name in differences.columns_added],
        "columns_removed": [".".join(name) for name in differences.columns_removed],
        "columns_retyped": [".".join(name) for name in differences.columns_retyped],
        "subjects_added": len(differences.subjects_added),
        "subjects_removed": dict(sorted(Counter(differences.removed_because.values()).items())),
        "registers_changed": list(differences.registers_changed),
        "meanings_changed": list(differences.meanings_changed),
        "rows": [
            {"table": table, "kind": kind, "reason": reason, "n": n}
            for table, kind, reason, n in differences.counts()
        ],
        "labels": [
            {"before": one, "after": other, "n": n} for (one, other), n in sorted(labels.items())
        ],
        "eligibility": [
            {"reading": reading, "before": one, "after": other, "n": n}
            for (reading, one, other), n in sorted(moved.items())
        ],
    }


def label_changes(records: Iterable[Change]) -> list[Change]:
    """Return the series whose label changed."""
    return [c for c in records if (c.table, c.column) == ("series", "label")]


def eligibility_changes(records: Sequence[Change]) -> list[tuple[str, ...]]:
    """Return subject, reading, status before and after, criteria that moved, and reason."""
    criteria: dict[tuple[str, str], list[str]] = {}
    for c in records:
        if (c.table, c.column) == ("criterion_result", "effect"):
            subject, criterion, reading = c.key.split("/")
            criteria.setdefault((subject, reading), []).append(f"{criterion} {c.before}→{c.after}")
    found = []
    for c in records:
        if (c.table, c.column) == ("eligibility", "status"):
            subject, reading = c.key.split("/")
            moved = "; ".join(sorted(criteria.get((subject, reading), [])))
            found.append((subject, reading, c.before, c.after, moved, c.reason))
    return sorted(found)


def _of_interest(rows: pa.Table) -> pa.Table:
    wanted = pc.is_in(rows["column"], value_set=pa.array(["label", "effect", "status"]))
    return rows.filter(pc.and_(wanted, pc.equal(rows["kind"], VALUE_CHANGED)))


def _subject_rows(changes: pa.Table, differences: Differences) -> list[tuple[object, ...]]:
    grouped = changes.group_by(["subject_id", "kind"], use_threads=False).aggregate(
        [([], "count_all")]
    )
    numbers: dict[str, dict[str, int]] = {}
    for row in grouped.to_pylist():
        if row["subject_id"]:
            numbers.setdefault(row["subject_id"], {})[row["kind"]] = row["count_all"]
    added = set(differences.subjects_added)
    return [
        (
            subject,
            "added" if subject in added else "changed",
            *(numbers[subject].get(kind, 0) for kind in (ROW_ADDED, ROW_REMOVED, VALUE_CHANGED)),
        )
        for subject in sorted(numbers)
    ]


def _ids_of(rows: pa.Table) -> set[str]:
    inside = rows.filter(pc.is_in(rows["table"], value_set=pa.array(id_tables())))
    return {part for key in inside["key"].to_pylist() for part in key.split("/")}


def _blank(text: str, named: set[str]) -> str:
    return text if named.isdisjoint(_PARTS.findall(text)) else ""


def changelog_lines(numbers: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    """Return the lines of a changelog entry; subjects are counted, never named.

    Parameters
    ----------
    numbers : mapping
        What `summary` returned.
    words : mapping of str to str
        Reason → what it means, in English.
    """
    # Whose verdict moved comes first; how many values of which table come last.
    in_force = sorted(numbers["eligibility"], key=lambda row: row["reading"] != DEFAULT_READING)
    lines = [
        f"eligibility ({r['reading']}) {r['before']} → {r['after']}: {r['n']} subjects"
        for r in in_force
    ]
    lines += [
        f"subjects removed: {n} ({words[reason]}; see removed_ids.csv)"
        for reason, n in numbers["subjects_removed"].items()
    ]
    if numbers["subjects_added"]:
        lines.append(f"subjects added: {numbers['subjects_added']}")
    lines += [f"label {r['before']} → {r['after']}: {r['n']} series" for r in numbers["labels"]]
    lines += _named("meaning changed", numbers["meanings_changed"])
    for name in ("tables_removed", "tables_added", "columns_removed", "columns_added"):
        lines += _named(name.replace("_", " "), numbers[name])
    lines += _named("columns of another type", numbers["columns_retyped"])
    lines += _named("registers changed", numbers["registers_changed"])
    lines += [_row_line(row, words) for row in numbers["rows"]]
    return lines or ["no change of content"]


_KINDS = {ROW_ADDED: "rows added", ROW_REMOVED: "rows removed", VALUE_CHANGED: "values changed"}


def _row_line(row: Mapping[str, Any], words: Mapping[str, str]) -> str:
    because = f" ({words[row['reason']]})" if row["reason"] else ""
    return f"{row['table']}: {row['n']} {_KINDS[row['kind']]}{because}"


def _named(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what}: {', '.join(names)}"] if names else []
