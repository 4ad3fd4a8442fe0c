"""Decide between files that claim the same identity, whatever order they came in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from schemas.identifiers import SopUid
from schemas.records import FileOutcome
from schemas.states import FileState, ReasonCode
from tasks.deidentify.intervals import check_intervals
from tasks.deidentify.job_records import JobResult


def settle(results: Sequence[JobResult]) -> list[FileOutcome]:
    """Give every file its state.

    One SOPInstanceUID with one set of pixels, one subject and one series is kept once (the
    rest are duplicates); with different ones all are held. A person whose intervals changed
    is held whole.

    Parameters
    ----------
    results : sequence of JobResult
        One per file.

    Returns
    -------
    list of FileOutcome
        In `file_no` order.
    """
    shaken = _subjects_with_changed_intervals(results)
    outcomes: dict[int, FileOutcome] = {}
    by_uid: dict[SopUid, list[JobResult]] = defaultdict(list)
    for result in results:
        if result.sop_uid is None or result.features is None:
            outcomes[result.file_no] = held(result, result.reason or ReasonCode.STAGE_FAILED)
        elif result.features.subject_id in shaken:
            outcomes[result.file_no] = held(result, ReasonCode.INTERVAL_MISMATCH)
        else:
            by_uid[result.sop_uid].append(result)
    for claims in by_uid.values():
        for outcome in _settle_claims(claims):
            outcomes[outcome.file_no] = outcome
    return [outcomes[n] for n in sorted(outcomes)]


def held(result: JobResult, reason: ReasonCode) -> FileOutcome:
    """Return the outcome of a file that is set aside."""
    return FileOutcome(
        file_no=result.file_no,
        state=FileState.QUARANTINED,
        source_sha256=result.source_sha256,
        size_bytes=result.size_bytes,
        reason=reason,
        detail=(result.detail or None) if reason is result.reason else None,
        sop_uid=result.sop_uid,
        study_uid=result.study_uid,
        subject_id=result.subject_id,
    )


def _settle_claims(claims: Sequence[JobResult]) -> list[FileOutcome]:
    if len({_claim(c) for c in claims}) > 1:
        return [held(c, ReasonCode.UID_REUSED) for c in claims]
    ordered = sorted(claims, key=lambda c: (c.source_sha256, c.file_no))
    kept = _accepted(ordered[0])
    return [kept, *(_duplicate(c, kept) for c in ordered[1:])]


def _claim(result: JobResult) -> tuple[object, ...]:
    features = result.features
    where = (features.subject_id, features.study_uid, features.series_uid) if features else ()
    return (result.pixel_sha256, *where)


def _accepted(result: JobResult) -> FileOutcome:
    return FileOutcome(
        file_no=result.file_no,
        state=FileState.ACCEPTED,
        source_sha256=result.source_sha256,
        size_bytes=result.size_bytes,
        detail=result.detail or None,
        facts=result.facts,
        output_sha256=result.output_sha256,
        pixel_sha256=result.pixel_sha256,
        sop_uid=result.sop_uid,
        study_uid=result.study_uid,
        subject_id=result.subject_id,
        features=result.features,
    )


def _duplicate(result: JobResult, kept: FileOutcome) -> FileOutcome:
    return replace(
        kept,
        file_no=result.file_no,
        state=FileState.DUPLICATE,
        source_sha256=result.source_sha256,
        size_bytes=result.size_bytes,
        output_sha256=None,
        features=None,
        facts=None,
    )


def _subjects_with_changed_intervals(results: Sequence[JobResult]) -> set[str | None]:
    days: dict[str | None, set[tuple[date, date]]] = defaultdict(set)
    for result in results:
        if result.features is not None:
            days[result.features.subject_id].update(result.days)
    return {subject for subject, pairs in days.items() if not check_intervals(pairs)}
