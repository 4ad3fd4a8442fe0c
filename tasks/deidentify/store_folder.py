"""De-identify a folder alone, as `livercohort deidentify SRC DST` does, with its audit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import BadInputError
from schemas.identifiers import RawPatientId, SiteCode
from schemas.records import FileOutcome, SubjectAssignment
from schemas.run.atomic_files import directory_published_as
from schemas.set_aside import set_aside
from schemas.states import FileState, ReasonCode
from schemas.vault.keys import KeyRing
from tasks.deidentify.job_records import Job
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_scan import scan_paths
from tasks.deidentify.store import DeidentifiedBatch, object_path, run_jobs
from tasks.deidentify.store_audit import AUDIT_FILE, FACTS_FILE, write_audit, write_facts
from tasks.deidentify.store_worker import Subjects

SUBJECT_FROM_PATIENT_ID = "patient_id"


@dataclass(frozen=True)
class FolderSummary:
    """Where the files of a folder ended; the counts add up to `files`."""

    files: int
    states: Mapping[str, int]
    reasons: Mapping[str, int]


def deidentify_folder(
    src: Path,
    dst: Path,
    site: SiteCode,
    ring: KeyRing,
    *,
    assignments: Mapping[RawPatientId, SubjectAssignment] | None = None,
    subject_from: str | None = None,
    workers: int = 1,
) -> FolderSummary:
    """De-identify every file below `src` into `dst/<series_uid>/<sop_uid>.dcm`.

    `dst/audit.parquet` has one row per input file. It names no source file: `file_no` is
    the file's place, counted from 1, in the sorted list of paths below `src` (by their
    parts, `/` between them). `dst/delivered_facts.parquet` has the numbers that the delivered
    header of each accepted object stated, for the proof of its conversion.

    Parameters
    ----------
    src, dst : Path
        Source folder, read only; target folder, new or empty, outside `src`. Links below
        `src` are not followed but quarantined.
    site : SiteCode
        Site of the pseudonyms.
    ring : KeyRing
        Keys.
    assignments : mapping, optional
        Subject of each PatientID, when the folder has a linkage.
    subject_from : {"patient_id"}, optional
        Without linkage: the PatientID itself is the subject number.
    workers : int
        Worker processes.

    Raises
    ------
    BadInputError
        If the folders cannot be used, or nothing says who the subjects are.
    """
    _require_folders(src, dst)
    subjects = _subjects(ring, site, assignments, subject_from)
    paths = _files_below(src)
    if not paths:
        raise BadInputError("the source folder holds no file", hint="Check the first argument.")
    jobs = [Job(number, path, path.lstat().st_size) for number, path in enumerate(paths, start=1)]
    if dst.is_dir():
        dst.rmdir()
    with directory_published_as(dst) as staging:
        batch = run_jobs(jobs, subjects, staging, workers)
        outcomes = _withhold_found(batch, staging, workers)
        write_audit(staging / AUDIT_FILE, batch, outcomes, ring)
        write_facts(staging / FACTS_FILE, outcomes)
    return _summary(outcomes)


def _files_below(src: Path) -> list[Path]:
    """Return all below a folder that is no folder, links among them, sorted part by part."""
    found: list[str] = []
    for folder, folders, names in os.walk(src, onerror=_cannot_list):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [f"{folder}/{name}" for name in (*names, *links)]
    return [Path(path) for path in sorted(found, key=lambda path: path.split("/"))]


def _cannot_list(error: OSError) -> None:
    raise BadInputError(
        f"a folder below the source cannot be listed: {error.strerror}",
        hint="Give yourself the right to read it: no file may be left out silently.",
    ) from None


def _require_folders(src: Path, dst: Path) -> None:
    if not src.is_dir():
        raise BadInputError("the source is not a folder", hint="Check the first argument.")
    source, target = src.resolve(), dst.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise BadInputError(
            "source and target lie within each other", hint="Choose another target."
        )
    if dst.is_symlink() or (dst.exists() and not dst.is_dir()):
        raise BadInputError("the target is not a folder", hint="Choose a new one.")
    if dst.exists() and any(dst.iterdir()):
        raise BadInputError(
            "the target is not empty", hint="Nothing is ever overwritten: choose a new folder."
        )


def _subjects(
    ring: KeyRing,
    site: SiteCode,
    assignments: Mapping[RawPatientId, SubjectAssignment] | None,
    subject_from: str | None,
) -> Subjects:
    if subject_from == SUBJECT_FROM_PATIENT_ID:
        return Subjects(ring, site=site)
    if subject_from is not None or assignments is None:
        raise BadInputError(
            "nothing says who the subjects are",
            expected="a linkage, or --subject-from patient_id",
            hint="Put linkage.csv into the folder, or add --subject-from patient_id.",
        )
    return Subjects(ring, assignments)


def _withhold_found(batch: DeidentifiedBatch, folder: Path, workers: int) -> list[FileOutcome]:
    """Search what was written; take back every object of a person who was found in it."""
    hits = scan_paths([folder], Dictionary(batch.identifiers.values()), workers=workers)
    found_in = {hit.path.relative_to(folder) for hit in hits}
    people = {hit.subject_id for hit in hits if hit.subject_id}
    people |= {
        str(o.features.subject_id)
        for o in batch.outcomes
        if o.features and o.state is FileState.ACCEPTED and object_path(o) in found_in
    }
    held: dict[str, ReasonCode] = {}
    for outcome in batch.outcomes:
        if outcome.features is not None and outcome.features.subject_id in people:
            held[str(outcome.sop_uid)] = ReasonCode.IDENTIFIER_FOUND
            path = folder / object_path(outcome)
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    return list(set_aside(batch.outcomes, held))


def _summary(outcomes: list[FileOutcome]) -> FolderSummary:
    states = [str(o.state) for o in outcomes]
    reasons = [str(o.reason) for o in outcomes if o.reason is not None]
    return FolderSummary(
        files=len(outcomes),
        states={s: states.count(s) for s in sorted(set(states))},
        reasons={r: reasons.count(r) for r in sorted(set(reasons))},
    )
