"""All that workers sent, kept as compact as it came until somebody wants it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.identifiers import SopUid
from schemas.pixel_decisions import Question
from schemas.records import ABOUT_INSTANCE, FileOutcome
from schemas.states import FileState
from schemas.tables.arrow_arrays import arrow_array, numbers_in
from schemas.tables.record_tables import record_schema, records_from_table
from tasks.deidentify.identifiers import SubjectIdentifiers
from tasks.deidentify.packed import (
    FILE_COLUMNS,
    Columns,
    PackedResults,
    Trail,
    columns_in,
    facts_in,
    features_in,
)

_NUMBERS = {"file_no": pa.int64(), "size_bytes": pa.int64(), "trail": pa.int64()}
_FILES = pa.schema(
    [
        pa.field(name, pa.bool_() if name == "is_object" else _NUMBERS.get(name, pa.string()))
        for name in FILE_COLUMNS
    ]
)
#: So many workers' answers are opened at a time.
_AT_A_TIME = 64


@dataclass(frozen=True)
class AuditTrails:
    """What was done to files: the kinds there are of it, and the place of each file's among them.

    `of_files` has the columns `file_no` and `trail`.
    """

    kinds: tuple[Trail, ...] = field(repr=False)
    of_files: pa.Table = field(repr=False)


class Gathered:
    """What became of files, of a whole delivery (restricted)."""

    def __init__(self) -> None:
        self.features: list[bytes] = []
        self.facts: list[bytes] = []
        self.moved_by: dict[str | None, set[int]] = {}
        self.settled: dict[str, tuple[Question, ...]] = {}
        self.errors: list[tuple[int, str]] = []
        self._trails: dict[Trail, int] = {}
        self._files: list[pa.RecordBatch] = []

    def take_in(self, answers: Iterable[PackedResults]) -> Iterator[SubjectIdentifiers]:
        """Keep what workers answer; yield what their files say of people."""
        for answer in answers:
            self.features.append(answer.features)
            self.facts.append(answer.facts)
            for person, days in answer.moved_by.items():
                self.moved_by.setdefault(person, set()).update(days)
            self.settled |= answer.settled
            self.errors += answer.errors
            self._files.append(self._rows(answer))
            yield from answer.people

    @property
    def files(self) -> pa.Table:
        """One row per file, columns as `packed.FILE_COLUMNS`."""
        return pa.Table.from_batches(self._files, schema=_FILES)

    @property
    def kinds(self) -> tuple[Trail, ...]:
        """The trails, each at the place that files tell."""
        return tuple(self._trails)

    def _rows(self, answer: PackedResults) -> pa.RecordBatch:
        places = [self._trails.setdefault(one, len(self._trails)) for one in answer.trails]
        columns = {name: answer.files.of(name) for name in FILE_COLUMNS}
        columns["trail"] = [places[place] for place in columns["trail"]]
        arrays = [arrow_array(columns[item.name], item.type) for item in _FILES]
        return pa.RecordBatch.from_arrays(arrays, schema=_FILES)


def outcome_records(
    outcomes: pa.Table, features: Iterable[bytes], facts: Iterable[bytes]
) -> tuple[FileOutcome, ...]:
    """Return outcomes as records, with what is known of the objects that were accepted."""
    accepted = accepted_numbers(outcomes).tolist()
    wanted = frozenset(accepted)
    features_of = {no: one for part in features for no, one in features_in(part, wanted)}
    facts_of = {no: one for part in facts for no, one in facts_in(part, wanted)}
    names = list(record_schema(FileOutcome, without=ABOUT_INSTANCE).names)

    def whole(one: FileOutcome) -> FileOutcome:
        own = features_of.get(one.file_no)
        if own is None:
            return one
        # The same text for the UID in both, not two.
        uid = one.sop_uid if own.sop_uid is None else SopUid(own.sop_uid)
        return replace(one, features=own, facts=facts_of.get(one.file_no), sop_uid=uid)

    return tuple(map(whole, records_from_table(outcomes.select(names), FileOutcome)))


def facts_table(outcomes: pa.Table, facts: Sequence[bytes]) -> pa.Table:
    """Return what the delivered headers said of the accepted objects, by SOPInstanceUID."""
    wanted, schema = accepted_numbers(outcomes), record_schema(DeliveredFacts)
    parts = []
    for begin in range(0, max(len(facts), 1), _AT_A_TIME):
        values: dict[str, list[Any]] = {name: [] for name in schema.names}
        for packed in facts[begin : begin + _AT_A_TIME]:
            numbers, columns = columns_in(packed)
            kept = _are_among(wanted, numbers)
            for name, column in values.items():
                column += _kept(columns, name, kept)
        arrays = [arrow_array(values[item.name], item.type) for item in schema]
        parts.append(pa.table(arrays, schema=schema))
    whole = pa.concat_tables(parts)
    order = pc.sort_indices(whole["sop_uid"])
    columns = whole.columns[::-1]
    del parts, whole
    # One after the other, and gone when it is in order: no second table beside the first.
    ordered = [columns.pop().combine_chunks().take(order) for _ in schema]
    return pa.table(ordered, schema=schema)


def accepted_numbers(outcomes: pa.Table) -> np.ndarray:
    """Return the numbers of the accepted files, in order."""
    states = outcomes["state"].combine_chunks().dictionary_encode()
    codes, kinds = numbers_in(states.indices), states.dictionary.to_pylist()
    place = kinds.index(FileState.ACCEPTED) if FileState.ACCEPTED in kinds else -1
    numbers: np.ndarray = numbers_in(outcomes["file_no"])[codes == place]
    return numbers


def _are_among(wanted: np.ndarray, numbers: Sequence[int]) -> list[bool]:
    asked = np.asarray(numbers, dtype=np.int64)
    places = np.searchsorted(wanted, asked)
    among = places < len(wanted)
    among[among] = wanted[places[among]] == asked[among]
    found: list[bool] = among.tolist()
    return found


def _kept(columns: Columns, name: str, kept: Sequence[bool]) -> Sequence[Any]:
    values = columns.of(name)
    if all(kept):
        return values
    return [value for value, is_kept in zip(values, kept, strict=True) if is_kept]
