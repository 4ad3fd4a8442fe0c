"""What runs in a worker process: one delivered file in, a staged object or a reason out."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import stat
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from types import FrameType

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, Sha256, SiteCode, SubjectNo
from schemas.pixel_decisions import PixelDecisions
from schemas.records import SubjectAssignment
from schemas.run.file_stamps import Stamp, stamp_of
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from schemas.vault.pixel_digests import keyed_pixel_digest
from tasks.deidentify.decided import UNDECIDED, Decided, decided_about
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.gzipped import is_gzipped, unpacked
from tasks.deidentify.job_records import Job, JobResult
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan.actions import Assign
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory
from tasks.deidentify.rules.profile import Profile, load_profile
from tasks.deidentify.whose import whose_object

SECONDS_PER_FILE = 120.0
#: What a result says whose worker process died.
WORKER_DIED = "WorkerDied"
_READ_ON_BYTES = 1 << 20
_UIDS_REMEMBERED, _PEOPLE_REMEMBERED = 1 << 17, 1 << 10


@dataclass(frozen=True)
class Subjects:
    """Who a PatientID is: by the site's linkage, or for `site` the PatientID itself.

    `decisions` are what people decided about pixels.
    """

    ring: KeyRing = field(repr=False)
    assignments: Mapping[RawPatientId, SubjectAssignment] = field(default_factory=dict, repr=False)
    site: SiteCode | None = None
    decisions: PixelDecisions = field(default_factory=PixelDecisions, repr=False)

    def assign(self, patient_id: RawPatientId) -> SubjectAssignment | None:
        """Return the subject of a PatientID, or None when nothing links it."""
        if self.site is None:
            return self.assignments.get(patient_id)
        number = SubjectNo(patient_id)
        return SubjectAssignment(
            site=self.site,
            subject_id=self.ring.subject_id(self.site, number),
            subject_no=number,
            patient_ids=(patient_id,),
            shift_days=self.ring.date_shift_days(self.site, number),
            key_id=self.ring.key_id,
        )


@dataclass(frozen=True)
class _State:
    profile: Profile
    map_uid: Callable[[str], str]
    staging: Path
    seconds: float
    assign: Assign = field(repr=False)
    decisions: PixelDecisions = field(repr=False)
    keyed: Callable[[Sha256], Sha256] = field(repr=False)
    memory: Memory = field(default_factory=Memory, repr=False)


_state: list[_State] = []


def start_worker(subjects: Subjects, staging: Path, seconds: float) -> None:
    """Prepare this process; libraries may not print what they find in headers."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, _out_of_time)
    map_uid = lru_cache(_UIDS_REMEMBERED)(subjects.ring.uid)
    assign = lru_cache(_PEOPLE_REMEMBERED)(subjects.assign)
    keyed = partial(keyed_pixel_digest, subjects.ring)
    profile, decisions = load_profile(), subjects.decisions
    _state[:] = [_State(profile, map_uid, staging, seconds, assign, decisions, keyed)]


def run_job(job: Job) -> JobResult:
    """De-identify one file into the staging folder; whatever fails holds the file.

    Raises
    ------
    EnvironmentProblemError
        If nothing can be written: that is no fault of the file, so it ends the run.
    """
    held = partial(JobResult, job.file_no, job.size_bytes)
    source = _Source(sha256=job.sha256)
    signal.setitimer(signal.ITIMER_REAL, _state[0].seconds)
    try:
        read = _read_plain(job.path, stamped=job.stamp is not None)
        if read is None:
            return held(source.sha256 or Sha256(""), ReasonCode.UNSAFE_PATH)
        data, stamp = read
        source.data = data
        if job.sha256 is not None and (stamp is None or stamp != job.stamp):
            source.sha256 = None
            if source.digest() != job.sha256:
                raise OSError("the file changed since it was received")  # noqa: TRY301  one way to hold
        return _deidentify(job, data, source)
    except EnvironmentProblemError:
        raise
    except Exception as error:  # an error of any kind holds the file; its text may quote values
        signal.setitimer(signal.ITIMER_REAL, 0)
        return held(source.digest(), ReasonCode.STAGE_FAILED, error=type(error).__name__)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass
class _Source:
    """A file that was read, and its SHA-256 once that is known."""

    sha256: Sha256 | None
    data: bytes | None = field(default=None, repr=False)

    def digest(self) -> Sha256:
        """Return the SHA-256, computed if nobody has yet; empty where nothing was read."""
        if self.sha256 is None and self.data is not None:
            self.sha256 = Sha256(hashlib.sha256(self.data).hexdigest())
        return self.sha256 or Sha256("")


def _read_plain(path: str | Path, *, stamped: bool) -> tuple[bytes, Stamp | None] | None:
    """Return the bytes of a plain file and, where asked for, its stamp if it held still.

    None for a link, whatever it leads to, and for devices.
    """
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        before = stamp_of(descriptor) if stamped else None
        data = _read_all(descriptor, found.st_size)
        same = stamped and before == stamp_of(descriptor)
    finally:
        os.close(descriptor)
    return data, (before if same else None)


def _read_all(descriptor: int, n_bytes: int) -> bytes:
    """Return all that is there, most often in one piece; it may be more or less than expected."""
    data = os.read(descriptor, n_bytes + 1)
    if len(data) == n_bytes:
        return data
    parts = [data]
    while part := os.read(descriptor, _READ_ON_BYTES):
        parts.append(part)
    return b"".join(parts)


def _deidentify(job: Job, data: bytes, source: _Source) -> JobResult:
    state = _state[0]
    plain = unpacked(data) if is_gzipped(data) else data
    decided = UNDECIDED
    done = plain if isinstance(plain, Refusal) else _deidentified(plain, source)
    if state.decisions and not isinstance(plain, Refusal):
        decided = decided_about(plain, done, state.decisions, state.keyed)
        done = _as_decided(plain, done, decided)
    if isinstance(done, Refusal):
        if plain is not data and done.reason is ReasonCode.NOT_DICOM:
            done = Refusal(ReasonCode.ARCHIVE_UNREADABLE, "a gzip file that holds no DICOM")
        told = data if isinstance(plain, Refusal) else plain
        whose = whose_object(told, state.assign, state.map_uid)
        return JobResult(
            job.file_no,
            len(data),
            source.digest(),
            done.reason,
            done.detail,
            sop_uid=whose.sop_uid,
            study_uid=whose.study_uid,
            subject_id=whose.subject_id,
        )
    staged = f"{state.staging}/{job.file_no:09d}.part"
    _write(staged, done.parts)
    return JobResult(
        file_no=job.file_no,
        size_bytes=len(data),
        source_sha256=source.digest(),
        staged=staged,
        output_sha256=done.output_sha256,
        pixel_sha256=done.pixel_sha256,
        sop_uid=done.sop_uid,
        study_uid=done.features.value("study_uid"),
        subject_id=done.features.value("subject_id"),
        features=done.features,
        facts=done.facts,
        detail=", ".join(done.dropped),
        counts=done.counts,
        trail=done.trail,
        options=done.options,
        settled=decided.settled,
        days=done.days,
        identifiers=done.identifiers,
    )


def _deidentified(data: bytes, source: _Source) -> DeidentifiedObject | Refusal:
    state = _state[0]
    unknown = source.sha256 is None and data is source.data
    done = deidentify_object(
        data,
        state.profile,
        state.assign,
        state.map_uid,
        state.memory,
        hashes_source=unknown,
    )
    if unknown and isinstance(done, DeidentifiedObject):
        source.sha256 = done.source_sha256
    return done


def _as_decided(
    data: bytes, done: DeidentifiedObject | Refusal, decided: Decided
) -> DeidentifiedObject | Refusal:
    """Return what becomes of an object whose pixels a person has decided about."""
    if decided.rejection is not None or not decided.decisions:
        return decided.rejection or done
    state = _state[0]
    # Without the memory: what is let in or masked by a decision is no example for its series.
    return deidentify_object(data, state.profile, state.assign, state.map_uid, None, decided)


def _write(path: str, parts: Sequence[bytes | memoryview]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            n_bytes = sum(map(len, parts))
            n_written = os.writev(descriptor, parts)
            if n_written < n_bytes:
                _write_on(descriptor, memoryview(b"".join(parts))[n_written:])
        finally:
            os.close(descriptor)
    except TimeoutError:
        raise  # the file's own time is over
    except OSError as error:
        raise EnvironmentProblemError(
            f"objects cannot be written: {os.strerror(error.errno or 0)}",
            hint="Mend the disk and run again; nothing of this run was kept.",
        ) from None


def _write_on(descriptor: int, left: memoryview) -> None:
    """Write what a full disk or a signal left out; an error tells which it was."""
    while left:
        left = left[os.write(descriptor, left) :]


def worker_died(job: Job) -> JobResult:
    """Return the result for a file whose worker process died."""
    sha256 = job.sha256 or Sha256("")
    failed = ReasonCode.STAGE_FAILED
    return JobResult(job.file_no, job.size_bytes, sha256, failed, error=WORKER_DIED)


def _out_of_time(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError
