"""De-identify a folder alone, as `livercohort deidentify SRC DST` does, with its audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import BadInputError
from schemas.identifiers import RawPatientId, SiteCode
from schemas.records import SubjectAssignment
from schemas.run.atomic_files import directory_published_as
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from tasks.deidentify.store import DeidentifiedBatch, run_jobs
from tasks.deidentify.store_folder_jobs import FolderJobs
from tasks.deidentify.store_worker import Subjects

if TYPE_CHECKING:
    import pyarrow as pa

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
    jobs = FolderJobs.below(src)
    if not jobs:
        raise BadInputError("the source folder holds no file", hint="Check the first argument.")
    if dst.is_dir():
        dst.rmdir()
    with directory_published_as(dst) as staging:
        batch = run_jobs(jobs, subjects, staging, workers)
        del jobs  # with the paths of all files
        # By now loaded, beside the workers.
        from tasks.deidentify.store_audit import AUDIT_FILE, FACTS_FILE, write_audit, write_facts

        files, kinds, facts = _withhold_found(batch, staging, workers), batch.kinds, batch.facts
        del batch  # what people are called, of all that was found
        write_audit(staging / AUDIT_FILE, files, kinds, ring)
        write_facts(staging / FACTS_FILE, files, facts)
    return _summary(files)


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


def _withhold_found(batch: DeidentifiedBatch, folder: Path, workers: int) -> pa.Table:
    """Search what was written; take back every object of a person who was found in it."""
    from tasks.deidentify.search.residual_scan import Dictionary
    from tasks.deidentify.search.store_scan import scan_paths
    from tasks.deidentify.settle import withhold

    hits = scan_paths([folder], Dictionary(batch.identifiers.values()), workers=workers)
    if not hits:
        return batch.files
    found_in = {str(hit.path.relative_to(folder)) for hit in hits}
    people = {hit.subject_id for hit in hits if hit.subject_id}
    people |= {person for person, place in _placed(batch.files) if place in found_in}
    for person, place in _placed(batch.files):
        if person in people:
            path = folder / place
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    return withhold(batch.files, people, ReasonCode.IDENTIFIER_FOUND)


def _placed(files: pa.Table) -> Iterator[tuple[str, str]]:
    """Yield whose each accepted object is, and its path below the target."""
    for part in files.select(["subject_id", "series_uid", "sop_uid"]).to_batches():
        for person, series, sop in zip(*(column.to_pylist() for column in part), strict=True):
            if series is not None:  # of accepted ones alone
                yield person, f"{series}/{sop}.dcm"


def _summary(files: pa.Table) -> FolderSummary:
    return FolderSummary(
        files=len(files), states=_counts(files["state"]), reasons=_counts(files["reason"])
    )


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counts = ((one["values"], one["counts"]) for one in column.value_counts().to_pylist())
    return dict(sorted((n, c) for n, c in counts if n is not None))
