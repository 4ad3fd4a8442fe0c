"""Which id stands for which: ids of earlier releases stay resolvable after corrections. Pure.

`id_history.csv` of a release names every id that an earlier release had and this one has not:
where it stood last, what stands in its place, and why. Ids of a subject that was removed are
not in it; `removed_ids.csv` names the subject alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from functools import cache
from io import StringIO

import pyarrow as pa

from schemas.tables.contracts import read_table_contracts
from tasks.publish.diff.compare import RowPairs, key_texts

#: What two rows share when one replaced the other: a series that grew or was split otherwise
#: keeps its UID, and its pieces get other digests.
_SAME_OBJECT = {
    "series": ("series_uid", "label"),
    "nifti_volume": ("series_uid",),
    "lesion": ("subject_id", "lesion_no"),
}
ID_HISTORY = "id_history.csv"
REMOVED_IDS = "removed_ids.csv"


@dataclass(frozen=True, order=True)
class OldId:
    """An id of an earlier release that the newest has not; `successor` is empty without one."""

    table: str
    old_id: str
    subject_id: str
    last_release: str
    successor: str
    reason: str


@dataclass(frozen=True, order=True)
class RemovedSubject:
    """A subject of an earlier release that is not released any more, by pseudonym only."""

    subject_id: str
    removed_in: str
    reason: str


@cache
def id_tables() -> tuple[str, ...]:
    """Return the tables whose keys others may hold: of persons, keyed by an id of their own.

    The other tables are computed or administrative. A piece of a series is named by two columns.
    """
    return tuple(
        name
        for name, contract in sorted(read_table_contracts().items())
        if "subject_id" in {column.name for column in contract.columns}
        and (len(contract.primary_key) == 1 or name == "series")
    )


def successors(pairs: RowPairs) -> dict[str, str]:
    """Return key of each removed row → key of the row in its place, or nothing.

    A successor is named only where it is the one row that stands for the same object.
    """
    keys = key_texts(pairs.removed, pairs.key).to_pylist()
    shared = _SAME_OBJECT.get(pairs.name)
    if shared is None or not keys:
        return dict.fromkeys(keys, "")
    current = pa.concat_tables([pairs.after, pairs.added])
    candidates: dict[tuple[object, ...], list[str]] = {}
    for key, place in zip(
        key_texts(current, pairs.key).to_pylist(), _places(current, shared), strict=True
    ):
        candidates.setdefault(place, []).append(key)
    found = {}
    for key, place in zip(keys, _places(pairs.removed, shared), strict=True):
        same = candidates.get(place, [])
        found[key] = same[0] if len(same) == 1 else ""
    return found


def extend_history(
    history: Iterable[OldId],
    gone: Iterable[OldId],
    back: frozenset[tuple[str, str]],
    removed_subjects: frozenset[str],
) -> list[OldId]:
    """Return the history with the ids that have just gone, chains followed to their end.

    Parameters
    ----------
    history : iterable of OldId
        As the release before states it.
    gone : iterable of OldId
        Ids that the new release no longer has.
    back : frozenset of (table, id)
        Ids that the new release has anew: one that came back is history no longer.
    removed_subjects : frozenset of str
        Their ids are in no history.
    """
    newest = {(old.table, old.old_id): old for old in gone}
    rows: dict[tuple[str, str], OldId] = {}
    for old in history:
        next_one = newest.get((old.table, old.successor))
        successor = next_one.successor if next_one else old.successor
        rows[old.table, old.old_id] = OldId(
            old.table, old.old_id, old.subject_id, old.last_release, successor, old.reason
        )
    rows |= newest
    return sorted(
        old
        for key, old in rows.items()
        if key not in back and old.subject_id not in removed_subjects
    )


def history_csv(rows: Iterable[OldId]) -> bytes:
    """Return `id_history.csv`."""
    names = [field.name for field in fields(OldId)]
    return csv_bytes(names, [astuple(row) for row in rows])


def removed_csv(rows: Iterable[RemovedSubject]) -> bytes:
    """Return `removed_ids.csv`."""
    names = [field.name for field in fields(RemovedSubject)]
    return csv_bytes(names, [astuple(row) for row in rows])


def parse_history(text: str) -> list[OldId]:
    """Return the rows of an `id_history.csv`."""
    return [OldId(**row) for row in csv.DictReader(StringIO(text))]


def parse_removed(text: str) -> list[RemovedSubject]:
    """Return the rows of a `removed_ids.csv`."""
    return [RemovedSubject(**row) for row in csv.DictReader(StringIO(text))]


def _places(table: pa.Table, columns: Iterable[str]) -> list[tuple[object, ...]]:
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def csv_bytes(names: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """Return a CSV file of UTF-8 text."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()
