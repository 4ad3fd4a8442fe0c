"""Decide between files that claim the same identity, whatever order they came in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.states import FileState, ReasonCode
from schemas.tables.arrow_arrays import (
    arrow_array,
    numbers_in,
    place_array,
    text_scalar,
    truth_array,
    truths_in,
)
from tasks.deidentify.intervals import intervals_kept

#: One row per file: where it ended, by the names of `FileOutcome`, and of an accepted one its
#: series; where it was staged; the place of its trail.
OUTCOMES = pa.schema(
    [
        pa.field("file_no", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("source_sha256", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        *(
            pa.field(name, pa.string())
            for name in (
                *("reason", "detail", "output_sha256", "pixel_sha256", "sop_uid", "study_uid"),
                *("subject_id", "series_uid", "staged"),
            )
        ),
        pa.field("trail", pa.int64(), nullable=False),
    ]
)
_ONLY_ACCEPTED = ("output_sha256", "series_uid", "staged")


def settle(files: pa.Table, moved_by: Mapping[str | None, Collection[int]]) -> pa.Table:
    """Give every file its state.

    One SOPInstanceUID with one set of pixels, one subject and one series is kept once (the
    rest are duplicates); with different ones all are held. A person whose intervals changed
    is held whole.

    Parameters
    ----------
    files : pyarrow.Table
        One row per file, columns as `packed.FILE_COLUMNS`.
    moved_by : mapping
        By how many days the dates of each subject moved, read back from what was written.

    Returns
    -------
    pyarrow.Table
        As `OUTCOMES`, in `file_no` order.
    """
    files = _in_order(files)
    shaken = [subject for subject, days in moved_by.items() if not intervals_kept(days)]
    is_object = truths_in(files["is_object"])
    is_shaken = is_object & _is_in(files["subject_id"], shaken)
    accepted = is_object & ~is_shaken
    duplicate, reused = np.zeros_like(accepted), np.zeros_like(accepted)
    detail: dict[int, str | None] = {}
    for claims in _repeated(files, accepted):
        rows = [claim["row"] for claim in claims]
        accepted[rows] = False
        if len({_claim(claim) for claim in claims}) > 1:
            reused[rows] = True
            continue
        kept = min(claims, key=lambda claim: (claim["source_sha256"], claim["file_no"]))
        accepted[kept["row"]] = True
        duplicate[[row for row in rows if row != kept["row"]]] = True
        detail |= dict.fromkeys(rows, kept["detail"])
    reason = _where(
        is_object, None, pc.coalesce(files["reason"], text_scalar(ReasonCode.STAGE_FAILED.value))
    )
    reason = _where(is_shaken, ReasonCode.INTERVAL_MISMATCH, reason)
    reason = _where(reused, ReasonCode.UID_REUSED, reason)
    let_in = accepted | duplicate
    # Of a file that is set aside here, what was seen in it is not why.
    told = let_in | (~is_object & truths_in(pc.is_valid(files["reason"])))
    return _outcomes(
        files,
        state=_states(accepted, duplicate),
        reason=reason,
        detail=_where(~told, None, _details(files, detail)),
        pixel_sha256=_where(~let_in, None, files["pixel_sha256"]),
        **{name: _where(~accepted, None, files[name]) for name in _ONLY_ACCEPTED},
    )


def withhold(outcomes: pa.Table, people: Collection[str], reason: ReasonCode) -> pa.Table:
    """Return outcomes with all that was let in of some people set aside, duplicates too.

    What only an accepted file has goes, as in `schemas.set_aside`.
    """
    let_in = _is_in(outcomes["state"], [FileState.ACCEPTED, FileState.DUPLICATE])
    held = let_in & _is_in(outcomes["subject_id"], sorted(people))
    gone = ("detail", "pixel_sha256", *_ONLY_ACCEPTED)
    return _outcomes(
        outcomes,
        state=_where(held, FileState.QUARANTINED, outcomes["state"]),
        reason=_where(held, reason, outcomes["reason"]),
        **{name: _where(held, None, outcomes[name]) for name in gone},
    )


def _in_order(files: pa.Table) -> pa.Table:
    return files if (np.diff(numbers_in(files["file_no"])) > 0).all() else files.sort_by("file_no")


def _repeated(files: pa.Table, among: np.ndarray) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each SOPInstanceUID that more than one file claims."""
    rows = np.flatnonzero(among)
    uids = files["sop_uid"].combine_chunks().take(place_array(rows)).dictionary_encode()
    codes = numbers_in(uids.indices)
    is_twice = np.bincount(codes, minlength=1)[codes] > 1
    claims: dict[int, list[dict[str, Any]]] = {}
    if is_twice.any():
        twice = files.take(place_array(rows[is_twice])).to_pylist()
        for code, row, claim in zip(codes[is_twice], rows[is_twice], twice, strict=True):
            claims.setdefault(int(code), []).append({**claim, "row": int(row)})
    yield from claims.values()


def _claim(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row[n] for n in ("pixel_sha256", "subject_id", "study_uid", "series_uid"))


def _states(accepted: np.ndarray, duplicate: np.ndarray) -> pa.Array:
    states = _where(duplicate, FileState.DUPLICATE, text_scalar(FileState.QUARANTINED.value))
    return _where(accepted, FileState.ACCEPTED, states)


def _details(files: pa.Table, changed: Mapping[int, str | None]) -> Any:
    details = files["detail"]
    if not changed:
        return details
    rows = np.zeros(len(files), dtype=bool)
    rows[list(changed)] = True
    values = arrow_array([changed[row] for row in sorted(changed)], pa.string())
    return pc.replace_with_mask(details.combine_chunks(), truth_array(rows), values)


def _where(mask: np.ndarray, text: str | None, others: Any) -> Any:
    """Return a column with one text, or none, where the mask says so."""
    if not mask.any() and not isinstance(others, pa.Scalar):
        return others  # most often; a copy of every column would double what they take
    there = text_scalar(None if text is None else str(text))
    return pc.if_else(truth_array(mask), there, others)


def _is_in(column: pa.ChunkedArray, texts: Sequence[str | None]) -> np.ndarray:
    return truths_in(pc.is_in(column, value_set=arrow_array(texts, pa.string())))


def _outcomes(files: pa.Table, **changed: Any) -> pa.Table:
    columns = [changed[n] if n in changed else files[n] for n in OUTCOMES.names]
    return pa.table(columns, schema=OUTCOMES)
