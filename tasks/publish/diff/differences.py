"""What changed between two sets of tables, and which version number that asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import BadInputError
from schemas.tables.contracts import TableContract
from tasks.publish.diff.compare import (
    NO_CHANGES,
    ROW_ADDED,
    ROW_REMOVED,
    RowPairs,
    change_rows,
    pair_rows,
)
from tasks.publish.diff.id_history import id_tables, successors
from tasks.publish.diff.reasons import DERIVED_TABLES, SUBJECT_REMOVED, ChangeContext, row_reasons

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
    subject_id: str = ""
    column: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Everything that differs between two releases, sorted; equal releases give an empty one.

    Parameters
    ----------
    rows : pyarrow.Table
        One row per changed row or value, of `compare.CHANGE_SCHEMA`; `changes` gives them as
        records.
    removed_because : mapping of str to str
        Pseudonym → reason, for removed subjects of whom it is known.
    registers_changed : tuple of str
        Registers and contracts that differ.
    meanings_changed : tuple of str
        Those of them after which a value no longer means what it meant: decided otherwise,
        another protocol version, a contract of another major version.
    successors : mapping of (table, key) to str
        Removed rows → the id that stands in their place, where there is one.
    """

    tables_added: tuple[str, ...] = ()
    tables_removed: tuple[str, ...] = ()
    columns_added: tuple[tuple[str, str], ...] = ()
    columns_removed: tuple[tuple[str, str], ...] = ()
    columns_retyped: tuple[tuple[str, str], ...] = ()
    subjects_added: tuple[str, ...] = ()
    subjects_removed: tuple[str, ...] = ()
    removed_because: Mapping[str, str] = field(default_factory=dict)
    rows: pa.Table = field(default_factory=lambda: NO_CHANGES)
    registers_changed: tuple[str, ...] = ()
    meanings_changed: tuple[str, ...] = ()
    successors: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changed rows and values as records."""
        return tuple(Change(**row) for row in self.rows.to_pylist())

    @property
    def bump(self) -> Bump:
        """The smallest bump that is honest about these differences."""
        removed = self.tables_removed or self.columns_removed or self.columns_retyped
        if removed or self.subjects_removed or self.meanings_changed or self._ids_removed():
            return Bump.MAJOR
        kinds = set(self.rows["kind"].to_pylist())
        added = self.tables_added or self.columns_added or self.subjects_added
        if added or kinds & {ROW_ADDED, ROW_REMOVED}:
            return Bump.MINOR
        return Bump.PATCH if kinds or self.registers_changed else Bump.NONE

    def counts(self) -> list[tuple[str, str, str, int]]:
        """Return (table, kind, reason, n) for rows and values, sorted."""
        names = ["table", "kind", "reason"]
        grouped = self.rows.group_by(names, use_threads=False).aggregate([([], "count_all")])
        return sorted(
            (row["table"], row["kind"], row["reason"], row["count_all"])
            for row in grouped.to_pylist()
        )

    def _ids_removed(self) -> bool:
        """Whether an id that others may hold is gone without a successor."""
        gone = self.rows.filter(pc.equal(self.rows["kind"], ROW_REMOVED))
        gone = gone.filter(pc.is_in(gone["table"], value_set=pa.array(id_tables())))
        keys = zip(gone["table"].to_pylist(), gone["key"].to_pylist(), strict=True)
        return any(key not in self.successors for key in keys)


def compare_tables(
    before: Mapping[str, pa.Table],
    after: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    *,
    removed_because: Mapping[str, str] | None = None,
    registers_changed: tuple[str, ...] = (),
    known_batches: frozenset[str] = frozenset(),
) -> Differences:
    """Return what differs; the `release` table, which names the release itself, is left aside.

    Parameters
    ----------
    before, after : mapping of str to pyarrow.Table
        Rows by table. Parts known to be equal may be left out of both.
    contracts : mapping of str to TableContract
        The primary keys.
    removed_because : mapping of str to str, optional
        Pseudonym → reason, for subjects of whom it is known why they are not released.
    registers_changed : tuple of str
        Registers and contracts that differ: they may be the reason of a change.
    known_batches : frozenset of str
        Batches the release before was made of.
    """
    old, new = _content(before), _content(after)
    subjects_old, subjects_new = _subjects(old), _subjects(new)
    removed = subjects_old - subjects_new
    context = ChangeContext(
        known_batches=known_batches,
        subjects_added=frozenset(subjects_new - subjects_old),
        subjects_removed=frozenset(removed),
        removed_because=removed_because or {},
        registers_changed=registers_changed,
    )
    columns = {name: (old[name].schema, new[name].schema) for name in sorted(old.keys() & new)}
    pairs = [
        pair_rows(name, old[name], new[name], contracts[name].primary_key)
        for name, (one, other) in columns.items()
        if set(contracts[name].primary_key) <= set(one.names) & set(other.names)
    ]
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
        subjects_added=tuple(sorted(context.subjects_added)),
        subjects_removed=tuple(sorted(removed)),
        removed_because={s: context.removed_because.get(s, SUBJECT_REMOVED) for s in removed},
        rows=_all_changes(pairs, context),
        registers_changed=registers_changed,
        successors={
            (pair.name, key): after
            for pair in pairs
            if pair.name in id_tables()
            for key, after in successors(pair).items()
            if after
        },
    )


def _all_changes(pairs: Sequence[RowPairs], context: ChangeContext) -> pa.Table:
    """Return all changes; those of sources come first, as reasons of what is derived."""
    found: dict[str, pa.Table] = {}
    touched: frozenset[str] = frozenset()
    for pair in sorted(pairs, key=lambda item: item.name in DERIVED_TABLES):
        changes = change_rows(pair, row_reasons(pair, context, touched))
        found[pair.name] = changes
        if pair.name not in DERIVED_TABLES:
            touched |= frozenset(pc.unique(changes["subject_id"]).to_pylist()) - {""}
    return pa.concat_tables([NO_CHANGES, *(found[name] for name in sorted(found))]).combine_chunks()


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
