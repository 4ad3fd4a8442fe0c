"""Results of files of one series as columns, what they have in common told once. Pure.

A worker makes them of a few dozen results (`pack`), the run that started it reads them. Most of
what is known of a file stands in all files of its series alike: features, what the delivered header
said, what was done by tag. As objects that is many kilobytes a file, and most of the time of
receiving it.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.pixel_decisions import Question
from schemas.record_copies import Altered
from tasks.deidentify.identifiers import SubjectIdentifiers, merge_identifiers
from tasks.deidentify.intervals import days_moved
from tasks.deidentify.job_records import JobResult

Record = TypeVar("Record")

#: What is known of every file; `is_object` where it became one, `trail` is the place of its trail.
FILE_COLUMNS = (
    *("file_no", "size_bytes", "source_sha256", "reason", "detail", "staged", "output_sha256"),
    *("pixel_sha256", "sop_uid", "study_uid", "subject_id", "series_uid", "is_object", "trail"),
)


class Trail(NamedTuple):
    """What was done to the elements of a file: counts by action, steps by tag, options that ran."""

    counts: tuple[tuple[str, int], ...] = ()
    steps: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Columns(NamedTuple):
    """Values of `n` rows by name; those that are the same in all rows stand in `shared`, once."""

    n: int
    shared: Mapping[str, Any]
    differing: Mapping[str, Sequence[Any]]

    def of(self, name: str) -> Sequence[Any]:
        """Return one column, a value for each row."""
        found = self.differing.get(name)
        return [self.shared[name]] * self.n if found is None else found


@dataclass(frozen=True, slots=True)
class PackedResults:
    """What became of files that belong together (restricted: identifiers).

    `features` and `facts` are the bytes of columns, which nobody opens before they are wanted.
    `moved_by` is by how many days each person's dates moved, read back from what was written.
    """

    files: Columns = field(repr=False)
    trails: tuple[Trail, ...] = field(repr=False)
    features: bytes = field(repr=False)
    facts: bytes = field(repr=False)
    people: tuple[SubjectIdentifiers, ...] = field(repr=False)
    moved_by: Mapping[str | None, frozenset[int]] = field(repr=False)
    settled: Mapping[str, tuple[Question, ...]]
    errors: tuple[tuple[int, str], ...]


def pack(results: Sequence[JobResult]) -> PackedResults:
    """Return results as columns."""
    trails: dict[Trail, int] = {}
    places = _Places(trails)
    rows = [
        (
            *(r.file_no, r.size_bytes, r.source_sha256, r.reason and str(r.reason)),
            *(
                r.detail or None,
                r.staged and r.staged.rpartition("/")[2],
                r.output_sha256,
                r.pixel_sha256,
            ),
            *(r.sop_uid, r.study_uid, r.subject_id, r.features and r.features.value("series_uid")),
            *(r.features is not None and r.sop_uid is not None, places.of(r)),
        )
        for r in results
    ]
    values = list(zip(*rows, strict=True)) if rows else [()] * len(FILE_COLUMNS)
    objects = [r for r in results if r.features is not None]
    moved: dict[str | None, set[int]] = {}
    for r in objects:
        person = r.features.value("subject_id") if r.features is not None else None
        moved.setdefault(person, set()).update(days_moved(r.days))
    return PackedResults(
        files=_columns(len(rows), zip(FILE_COLUMNS, values, strict=True)),
        trails=tuple(trails),
        features=_packed_records(objects, "features", InstanceFeatures),
        facts=_packed_records(objects, "facts", DeliveredFacts),
        people=tuple(merge_identifiers(_people(objects))),
        moved_by={person: frozenset(shifts) for person, shifts in moved.items()},
        settled={str(r.sop_uid): r.settled for r in results if r.settled},
        errors=tuple((r.file_no, r.error) for r in results if r.error),
    )


def features_in(packed: bytes, wanted: Collection[int]) -> Iterator[tuple[int, InstanceFeatures]]:
    """Yield the features of some files, with the number of each."""
    return _records_in(packed, InstanceFeatures, wanted)


def facts_in(packed: bytes, wanted: Collection[int]) -> Iterator[tuple[int, DeliveredFacts]]:
    """Yield what the delivered headers of some files said, with the number of each."""
    return _records_in(packed, DeliveredFacts, wanted)


class _Places:
    """Tells the trail of each result by its place; most are not only alike but the same."""

    def __init__(self, trails: dict[Trail, int]) -> None:
        self._trails, self._of_same = trails, dict[tuple[int, int, int], int]()

    def of(self, result: JobResult) -> int:
        same = (id(result.counts), id(result.trail), id(result.options))
        place = self._of_same.get(same)
        if place is None:
            trail = Trail(tuple(sorted(result.counts.items())), result.trail, result.options)
            place = self._of_same[same] = self._trails.setdefault(trail, len(self._trails))
        return place


def _people(objects: Iterable[JobResult]) -> Iterator[SubjectIdentifiers]:
    for result in objects:
        person = result.features.value("subject_id") if result.features is not None else None
        if person is not None:
            shift = (result.days[0][0] - result.days[0][1]).days if result.days else None
            yield SubjectIdentifiers(person, shift, result.identifiers)


def _columns(n: int, named: Iterable[tuple[str, Sequence[Any]]]) -> Columns:
    shared: dict[str, Any] = {}
    differing: dict[str, Sequence[Any]] = {}
    for name, values in named:
        if n and _is_one(values):
            shared[name] = values[0]
        else:
            differing[name] = values
    return Columns(n, shared, differing)


def _is_one(values: Sequence[Any]) -> bool:
    """Return whether all are one value: the same object or the same text.

    Numbers are not compared: 0.0 and -0.0 are equal, and so are 1 and True.
    """
    first = values[0]
    if type(first) is str:
        return values.count(first) == len(values)
    return len(set(map(id, values))) == 1


def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def _packed_records(objects: Sequence[JobResult], which: str, kind: type) -> bytes:
    rows = [(r.file_no, one) for r in objects if (one := getattr(r, which)) is not None]
    columns = _record_columns([one for _, one in rows], _names(kind))
    # A pickle among our own processes, as all that a worker sends.
    return pickle.dumps(([number for number, _ in rows], *columns), pickle.HIGHEST_PROTOCOL)


def _record_columns(rows: Sequence[Altered[Any]], names: Sequence[str]) -> Columns:
    """Return records as columns; where all share one, what none changes is not compared."""
    if not rows or any(row.known is not rows[0].known for row in rows):
        records = [row.record for row in rows]
        return _columns(len(rows), ((n, [getattr(one, n) for one in records]) for n in names))
    known = rows[0].known
    altered = {name for row in rows for name in row.values}
    named = ((n, [row.value(n) for row in rows]) for n in names if n in altered)
    shared = {name: getattr(known, name) for name in names if name not in altered}
    found = _columns(len(rows), named)
    return Columns(len(rows), {**shared, **found.shared}, found.differing)


def columns_in(packed: bytes) -> tuple[Sequence[int], Columns]:
    """Return the numbers of the files that have such a record, and the columns of these."""
    numbers, *columns = pickle.loads(packed)  # noqa: S301  our own, from a worker of this run
    return numbers, Columns(*columns)


def _records_in(
    packed: bytes, kind: type[Record], wanted: Collection[int]
) -> Iterator[tuple[int, Record]]:
    numbers, columns = columns_in(packed)
    names = _names(kind)
    rows = zip(*(columns.of(name) for name in names), strict=True)
    for number, row in zip(numbers, rows, strict=True):
        if number in wanted:
            yield number, kind(**dict(zip(names, row, strict=True)))
