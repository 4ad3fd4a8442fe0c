"""De-identify files on disk: a pool of workers, staged results, one rename per object."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.identifiers import RawPatientId
from schemas.pixel_decisions import PixelDecisions, Question
from schemas.records import DeliveredFile, FileOutcome, SubjectAssignment
from schemas.run.atomic_files import sync_tree
from schemas.run.pool import run_packed
from schemas.states import FileState
from schemas.vault.keys import KeyRing
from tasks.deidentify.identifiers import SubjectIdentifiers, merge_identifiers
from tasks.deidentify.job_records import Job
from tasks.deidentify.packed import PackedResults, Trail, pack
from tasks.deidentify.store_worker import (
    SECONDS_PER_FILE,
    WORKER_DIED,
    Subjects,
    run_job,
    start_worker,
    worker_died,
)
from tasks.deidentify.warm import WARM

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.deidentify.gathered import AuditTrails, Gathered

_log = logging.getLogger(__name__)
_STAGING = ".staged"
_PLACED_AT_A_TIME = 4096
#: With Arrow, and needed when there are results: loaded while workers are at their first files.
_FOR_RESULTS = (
    "tasks.deidentify.gathered",
    "tasks.deidentify.settle",
    "tasks.deidentify.store_audit",
    "tasks.deidentify.search.store_scan",
)


@dataclass(frozen=True)
class DeidentifiedBatch:
    """What a batch became, and what the source said of people (restricted).

    `files` has one row per file (`settle.OUTCOMES`). What is known of each object besides is
    kept as workers sent it: `outcomes` makes records of it, which take many times as much.
    """

    files: pa.Table = field(repr=False)
    kinds: tuple[Trail, ...] = field(repr=False)
    features: Sequence[bytes] = field(repr=False)
    facts: Sequence[bytes] = field(repr=False)
    identifiers: Mapping[str, SubjectIdentifiers] = field(repr=False)
    #: SOPInstanceUID → the questions that a person has answered about its pixels.
    settled: Mapping[str, tuple[Question, ...]] = field(default_factory=dict)
    #: Files whose worker process died: no byte of theirs need be the cause.
    n_lost: int = 0

    @property
    def outcomes(self) -> tuple[FileOutcome, ...]:
        """One record per file, in `file_no` order; made anew each time."""
        from tasks.deidentify.gathered import outcome_records

        return outcome_records(self.files, self.features, self.facts)

    @property
    def trails(self) -> AuditTrails:
        """What the audit will say was done to each file."""
        from tasks.deidentify.gathered import AuditTrails

        return AuditTrails(self.kinds, self.files.select(["file_no", "trail"]))


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
        One outcome per file, in `file_no` order, whatever happened to it; what was done, and
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
    try:
        answers = run_packed(
            run_job,
            jobs,
            pack=pack,
            workers=workers,
            on_death=worker_died,
            together=lambda job: os.path.dirname(job.path),  # noqa: PTH120  of every file
            n_bytes=lambda job: job.size_bytes,
            warm=WARM,
            start=(start_worker, (subjects, staging, seconds_per_file)),
            meanwhile=_load_for_results,
        )
        gathered, people = _gathered(answers)
        for number, error in gathered.errors:
            _log.warning("file %d held: %s", number, error)
        files = _settled(gathered)
        _place(files, staging, out_dir)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return DeidentifiedBatch(
        files=files,
        kinds=gathered.kinds,
        features=gathered.features,
        facts=gathered.facts,
        identifiers={person.subject_id: person for person in people},
        settled=gathered.settled,
        n_lost=sum(error == WORKER_DIED for _, error in gathered.errors),
    )


def _load_for_results() -> None:
    for name in _FOR_RESULTS:
        importlib.import_module(name)


def _gathered(answers: Iterator[PackedResults]) -> tuple[Gathered, list[SubjectIdentifiers]]:
    """Take in what workers answer; with the first answer all that is needed for it is loaded."""
    first = list(islice(answers, 1))
    from tasks.deidentify.gathered import Gathered

    gathered = Gathered()
    return gathered, merge_identifiers(gathered.take_in(chain(first, answers)))


def _settled(gathered: Gathered) -> pa.Table:
    from tasks.deidentify.settle import settle

    return settle(gathered.files, gathered.moved_by)


def object_path(outcome: FileOutcome) -> Path:
    """Return where an accepted object lies below the output folder."""
    if outcome.features is None or outcome.state is not FileState.ACCEPTED:
        raise ValueError("only accepted objects have a place")
    return Path(str(outcome.features.series_uid), f"{outcome.sop_uid}.dcm")


def _place(files: pa.Table, staging: Path, out_dir: Path) -> None:
    folders: set[str] = set()
    for part in files.select(["staged", "series_uid", "sop_uid"]).to_batches(_PLACED_AT_A_TIME):
        for staged, series, sop in zip(*(column.to_pylist() for column in part), strict=True):
            if staged is None:  # only accepted ones are still said to be staged
                continue
            folder = f"{out_dir}/{series}"
            if folder not in folders:
                Path(folder).mkdir(parents=True, exist_ok=True)
                folders.add(folder)
            # No Path for each: that takes longer than the renaming.
            os.replace(f"{staging}/{staged}", f"{folder}/{sop}.dcm")  # noqa: PTH105
