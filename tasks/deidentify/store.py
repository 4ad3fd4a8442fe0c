"""De-identify files on disk: a pool of workers, staged results, one rename per object."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from schemas.identifiers import RawPatientId
from schemas.pixel_decisions import PixelDecisions, Question
from schemas.records import DeliveredFile, FileOutcome, SubjectAssignment
from schemas.run.atomic_files import sync_tree
from schemas.run.pool import run_in_order
from schemas.states import FileState
from schemas.vault.keys import KeyRing
from tasks.deidentify.identifiers import SubjectIdentifiers, merge_identifiers
from tasks.deidentify.job_records import Job, JobResult
from tasks.deidentify.settle import settle
from tasks.deidentify.store_worker import (
    SECONDS_PER_FILE,
    WORKER_DIED,
    Subjects,
    run_job,
    start_worker,
    worker_died,
)
from tasks.deidentify.warm import WARM

_log = logging.getLogger(__name__)
_STAGING = ".staged"


@dataclass(frozen=True)
class DeidentifiedBatch:
    """What a batch became: outcomes, audit counts, and what the source said (restricted)."""

    outcomes: tuple[FileOutcome, ...]
    counts: Mapping[int, Mapping[str, int]]
    trails: Mapping[int, tuple[str, ...]]
    options: Mapping[int, tuple[str, ...]]
    identifiers: Mapping[str, SubjectIdentifiers] = field(repr=False)
    #: SOPInstanceUID → the questions that a person has answered about its pixels.
    settled: Mapping[str, tuple[Question, ...]] = field(default_factory=dict)
    #: Files whose worker process died: no byte of theirs need be the cause.
    n_lost: int = 0


def deidentify_batch(
    files: Sequence[DeliveredFile],
    assignments: Mapping[RawPatientId, SubjectAssignment],
    ring: KeyRing,
    out_dir: Path,
    workers: int,
    decisions: PixelDecisions | None = None,
) -> DeidentifiedBatch:
    """De-identify delivered image files into `<out_dir>/<series_uid>/<sop_uid>.dcm`.

    Parameters
    ----------
    files : sequence of DeliveredFile
        Files of kind image.
    assignments : mapping
        Subject of each raw PatientID, from the vault.
    ring : KeyRing
        Keys of UIDs; pseudonym and shift come with the assignments.
    out_dir : Path
        Scratch folder; created. UIDs in its names are the mapped ones.
    workers : int
        Worker processes.
    decisions : PixelDecisions, optional
        What people decided about pixels that were held.

    Returns
    -------
    DeidentifiedBatch
        One outcome per file, in `file_no` order, whatever happened to it; action counts and
        identifiers.
    """
    jobs = [Job(f.file_no, f.path, f.size_bytes, f.sha256, f.stamp) for f in files]
    subjects = Subjects(ring, assignments, decisions=decisions or PixelDecisions())
    batch = run_jobs(jobs, subjects, out_dir, workers)
    sync_tree(out_dir)
    return batch


def run_jobs(
    jobs: Sequence[Job],
    subjects: Subjects,
    out_dir: Path,
    workers: int,
    seconds_per_file: float = SECONDS_PER_FILE,
) -> DeidentifiedBatch:
    """Run the workers over `jobs`, settle who is kept, and put the kept objects in place.

    What is written is not flushed: who publishes the folder does that.
    """
    staging = out_dir / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, mode=0o700)
    results: list[JobResult] = []
    try:
        done = run_in_order(
            run_job,
            jobs,
            workers=workers,
            on_death=worker_died,
            together=lambda job: job.path.parent,
            warm=WARM,
            start=(start_worker, (subjects, staging, seconds_per_file)),
        )
        people = merge_identifiers(_identifiers(done, into=results))
        _log_errors(results)
        outcomes = settle(results)
        _place(results, outcomes, out_dir)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return DeidentifiedBatch(
        outcomes=tuple(outcomes),
        counts={r.file_no: r.counts for r in results},
        trails={r.file_no: r.trail for r in results},
        options={r.file_no: r.options for r in results},
        identifiers={person.subject_id: person for person in people},
        settled={str(r.sop_uid): r.settled for r in results if r.settled},
        n_lost=sum(result.error == WORKER_DIED for result in results),
    )


def object_path(outcome: FileOutcome) -> Path:
    """Return where an accepted object lies below the output folder."""
    if outcome.features is None or outcome.state is not FileState.ACCEPTED:
        raise ValueError("only accepted objects have a place")
    return Path(str(outcome.features.series_uid), f"{outcome.sop_uid}.dcm")


def _place(results: Sequence[JobResult], outcomes: Sequence[FileOutcome], out_dir: Path) -> None:
    staged = {r.file_no: r.staged for r in results}
    folders: set[Path] = set()
    for outcome in outcomes:
        source = staged[outcome.file_no]
        if outcome.state is FileState.ACCEPTED and source is not None:
            final = out_dir / object_path(outcome)
            if final.parent not in folders:
                final.parent.mkdir(parents=True, exist_ok=True)
                folders.add(final.parent)
            source.replace(final)


def _identifiers(done: Iterable[JobResult], into: list[JobResult]) -> Iterator[SubjectIdentifiers]:
    """Yield what each file says of its person; keep the rest of the results.

    What the files of a person say is all but the same, so it is kept once a person.
    """
    for result in done:
        into.append(replace(result, identifiers=frozenset()))
        if result.features is not None and result.features.subject_id is not None:
            shift = (result.days[0][0] - result.days[0][1]).days if result.days else None
            yield SubjectIdentifiers(result.features.subject_id, shift, result.identifiers)


def _log_errors(results: Sequence[JobResult]) -> None:
    for result in results:
        if result.error:
            _log.warning("file %d held: %s", result.file_no, result.error)
