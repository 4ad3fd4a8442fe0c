"""What changed between two sets of tables, and which version number that asks for. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from schemas.contracts import TableContract
from schemas.errors import BadInputError

#: Describes the release itself; everything else is content.
RELEASE_TABLE = "release"
FIRST_VERSION = "1.0.0"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class Bump(StrEnum):
    """Which part of the version number rises; `NONE` when nothing changed."""

    NONE = "none"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


_ORDER = list(Bump)


@dataclass(frozen=True)
class Change:
    """One change: a row or a value. `kind` is row_added, row_removed or value_changed."""

    table: str
    kind: str
    key: str
    column: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Everything that differs between two releases, sorted; equal releases give an empty one."""

    tables_added: tuple[str, ...] = ()
    tables_removed: tuple[str, ...] = ()
    columns_added: tuple[tuple[str, str], ...] = ()
    columns_removed: tuple[tuple[str, str], ...] = ()
    columns_retyped: tuple[tuple[str, str], ...] = ()
    subjects_added: tuple[str, ...] = ()
    subjects_removed: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    registers_changed: tuple[str, ...] = ()

    @property
    def bump(self) -> Bump:
        """The smallest bump that is honest about these differences."""
        kinds = {change.kind for change in self.changes}
        removed = self.tables_removed or self.columns_removed or self.columns_retyped
        if removed or self.subjects_removed:
            return Bump.MAJOR
        added = self.tables_added or self.columns_added or self.subjects_added
        if added or kinds & {"row_added", "row_removed"}:
            return Bump.MINOR
        return Bump.PATCH if kinds or self.registers_changed else Bump.NONE

    def counts(self) -> list[tuple[str, str, int]]:
        """Return (table, kind, n) for rows and values, sorted."""
        numbers = Counter((change.table, change.kind) for change in self.changes)
        return sorted((table, kind, n) for (table, kind), n in numbers.items())


def compare_tables(
    before: Mapping[str, pa.Table],
    after: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
) -> Differences:
    """Return what differs; the `release` table, which names the release itself, is left aside."""
    old, new = _content(before), _content(after)
    common = sorted(old.keys() & new.keys())
    columns = {name: (old[name].schema, new[name].schema) for name in common}
    changes = [
        change
        for name in common
        for change in _table_changes(name, old[name], new[name], contracts[name].primary_key)
    ]
    subjects_old, subjects_new = _subjects(old), _subjects(new)
    return Differences(
        tables_added=tuple(sorted(new.keys() - old.keys())),
        tables_removed=tuple(sorted(old.keys() - new.keys())),
        columns_added=_columns_only_in(columns, index=1),
        columns_removed=_columns_only_in(columns, index=0),
        columns_retyped=tuple(
            (name, field.name)
            for name, (one, other) in columns.items()
            for field in one
            if field.name in other.names and other.field(field.name).type != field.type
        ),
        subjects_added=tuple(sorted(subjects_new - subjects_old)),
        subjects_removed=tuple(sorted(subjects_old - subjects_new)),
        changes=tuple(changes),
    )


def next_version(previous: str | None, needed: Bump, wanted: str = "auto") -> str:
    """Return the version of the next release.

    Parameters
    ----------
    previous : str, optional
        Version before; None for the first release.
    needed : Bump
        What the differences ask for.
    wanted : str
        `auto`, or a bump that a person asks for; it may be larger than needed, never smaller.

    Raises
    ------
    BadInputError
        If `wanted` is unknown or would hide a larger change.
    """
    if wanted not in {"auto", "major", "minor", "patch"}:
        raise BadInputError("unknown bump", expected="auto, major, minor or patch")
    if previous is None:
        return FIRST_VERSION
    bump = needed if wanted == "auto" else Bump(wanted)
    if _ORDER.index(bump) < _ORDER.index(needed):
        raise BadInputError(
            f"a {bump.value} version would hide a {needed.value} change",
            hint="Release with --bump auto, or look at the differences with --dry-run.",
        )
    major, minor, patch = parse_version(previous)
    if bump is Bump.MAJOR:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if bump is Bump.MINOR else f"{major}.{minor}.{patch + 1}"


def parse_version(text: str) -> tuple[int, int, int]:
    """Return (major, minor, patch); BadInputError when the text is no version."""
    found = _VERSION.fullmatch(text)
    if not found:
        raise BadInputError("not a version", expected="major.minor.patch, e.g. 1.2.0")
    return int(found[1]), int(found[2]), int(found[3])


def _content(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    return {name: table for name, table in tables.items() if name != RELEASE_TABLE}


def _subjects(tables: Mapping[str, pa.Table]) -> set[str]:
    return set(tables["subject"].column("subject_id").to_pylist()) if "subject" in tables else set()


def _columns_only_in(
    columns: Mapping[str, tuple[pa.Schema, pa.Schema]], *, index: int
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, column)
        for name, pair in columns.items()
        for column in sorted(set(pair[index].names) - set(pair[1 - index].names))
    )


def _table_changes(name: str, old: pa.Table, new: pa.Table, key: Sequence[str]) -> Iterator[Change]:
    shared = [column for column in new.column_names if column in old.column_names]
    if not set(key) <= set(shared) or old.select(shared).equals(new.select(shared)):
        return
    before, after = _by_key(old.select(shared), key), _by_key(new.select(shared), key)
    for row in sorted(before.keys() | after.keys()):
        text = "/".join(row)
        if row not in before or row not in after:
            yield Change(name, "row_added" if row in after else "row_removed", text)
            continue
        for column, one, other in zip(shared, before[row], after[row], strict=True):
            if one != other:
                yield Change(name, "value_changed", text, column, _text(one), _text(other))


def _by_key(table: pa.Table, key: Sequence[str]) -> dict[tuple[str, ...], tuple[object, ...]]:
    columns = [table.column(name).to_pylist() for name in table.column_names]
    at = [table.column_names.index(name) for name in key]
    rows = zip(*columns, strict=True)
    return {tuple(str(row[i]) for i in at): row for row in rows}


def _text(value: object) -> str:
    if value is None:
        return ""
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)
