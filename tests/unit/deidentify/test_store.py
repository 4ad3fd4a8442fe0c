"""Files in, outcomes out: every file ends in one state, whatever happens."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import RawPatientId, Sha256
from schemas.records import FileOutcome, SubjectAssignment
from schemas.run.file_stamps import hashed
from schemas.states import FileState, ReasonCode
from tasks.deidentify import objects
from tasks.deidentify.job_records import Job
from tasks.deidentify.store import deidentify_batch, object_path, run_jobs
from tasks.deidentify.store_worker import Subjects, run_job, start_worker
from tests.builders import make_instance, make_series, to_bytes, write_files
from tests.unit.deidentify.helpers import RING, SITE, assignment, deidentify_files, deliver, linkage

LINKS = linkage(assignment("LC-001", "PID000001"), assignment("LC-002", "PID000002"))


def states(outcomes: list[FileOutcome]) -> list[tuple[str, str | None]]:
    return [(o.state, o.reason) for o in outcomes]


def tree(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_objects_lie_under_their_new_series_and_instance(tmp_path: Path) -> None:
    files = deliver(write_files(tmp_path / "in", make_series(n_slices=3)))
    outcomes = deidentify_files(files, LINKS, RING, tmp_path / "out", workers=1)
    assert [o.file_no for o in outcomes] == [1, 2, 3]
    for outcome in outcomes:
        written = dcmread(tmp_path / "out" / object_path(outcome))
        assert written.SOPInstanceUID == outcome.sop_uid
    assert len(tree(tmp_path / "out")) == 3


def test_every_file_ends_in_one_state_with_a_reason_if_held(tmp_path: Path) -> None:
    paths = write_files(
        tmp_path / "in",
        [
            make_instance(),
            make_instance(instance=2, BurnedInAnnotation="YES"),
            make_instance(subject=7),
        ],
    )
    for name, content in {"empty": b"", "text.dcm": b"hello " * 50}.items():
        paths.append(tmp_path / "in" / name)
        paths[-1].write_bytes(content)
    outcomes = deidentify_files(deliver(paths), LINKS, RING, tmp_path / "out", workers=2)
    assert states(outcomes) == [
        (FileState.ACCEPTED, None),
        (FileState.QUARANTINED, ReasonCode.BURNED_IN_ANNOTATION),
        (FileState.QUARANTINED, ReasonCode.NO_LINKAGE),
        (FileState.QUARANTINED, ReasonCode.EMPTY_FILE),
        (FileState.QUARANTINED, ReasonCode.NOT_DICOM),
    ]


def test_a_file_is_hashed_once_and_one_that_changed_since_is_held(tmp_path: Path) -> None:
    paths = write_files(tmp_path / "in", make_series(n_slices=3))
    time.sleep(5.1)  # they lay there for a while: workers have a clock of their own
    files = [replace(f, stamp=hashed(f.path)[1]) for f in deliver(paths)]
    told = Sha256("0" * 64)  # a hash that nobody would come to a second time
    files[0] = replace(files[0], sha256=told)
    times = paths[1].stat()
    time.sleep(0.02)  # more than a tick of the file system
    with paths[1].open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\xff")
    os.utime(paths[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    outcomes = deidentify_files(files, LINKS, RING, tmp_path / "out", workers=1)
    assert [o.state for o in outcomes] == ["accepted", "quarantined", "accepted"]
    assert outcomes[0].source_sha256 == told
    assert outcomes[1].reason is ReasonCode.STAGE_FAILED


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]], ids=str)
def test_the_same_object_twice_is_kept_once_whatever_the_order(
    tmp_path: Path, order: list[int]
) -> None:
    twins = [make_instance(), make_instance(StationName="B"), make_instance(instance=2)]
    paths = write_files(tmp_path / "in", [twins[n] for n in order])
    outcomes = deidentify_files(deliver(paths), LINKS, RING, tmp_path / "out", workers=1)
    assert sorted(o.state for o in outcomes) == ["accepted", "accepted", "duplicate"]
    kept = {o.source_sha256 for o in outcomes if o.state is FileState.ACCEPTED}
    first = min(o.source_sha256 for o in outcomes if o.source_sha256)
    duplicates = [o for o in outcomes if o.state is FileState.DUPLICATE]
    assert duplicates[0].source_sha256 not in kept
    assert duplicates[0].source_sha256 != first
    assert all(o.reason is None for o in outcomes)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "other",
    [{"RescaleSlope": 1.0, "PixelData": bytes(640)}, {"subject": 2}, {"series": 2}],
    ids=["other pixels", "other person", "other series"],
)
def test_one_uid_for_two_things_holds_both(
    tmp_path: Path, other: dict[str, Any], reverse: bool
) -> None:
    first = make_instance()
    elements = {"SOPInstanceUID": first.SOPInstanceUID, **other}
    second = make_instance(**elements)
    pair = [second, first] if reverse else [first, second]
    files = deliver(write_files(tmp_path / "in", pair))
    outcomes = deidentify_files(files, LINKS, RING, tmp_path / "out", workers=1)
    assert states(outcomes) == [(FileState.QUARANTINED, ReasonCode.UID_REUSED)] * 2
    assert tree(tmp_path / "out") == {}


def test_order_and_number_of_workers_change_no_byte(tmp_path: Path) -> None:
    paths = write_files(tmp_path / "in", make_series(n_slices=20) + make_series(series=2))
    deidentify_files(deliver(paths), LINKS, RING, tmp_path / "one", workers=1)
    deidentify_files(deliver(paths[::-1]), LINKS, RING, tmp_path / "two", workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_file_that_changed_since_it_was_received_is_held(tmp_path: Path) -> None:
    files = deliver(write_files(tmp_path / "in", [make_instance()]))
    files[0].path.write_bytes(to_bytes(make_instance(instance=2)))
    outcomes = deidentify_files(files, LINKS, RING, tmp_path / "out", workers=1)
    assert outcomes[0].reason is ReasonCode.STAGE_FAILED


@pytest.mark.parametrize(
    "step",
    [
        "_scan",
        "check_admission",
        "decode_text",
        "plan_actions",
        "rebuild",
        "dcmread",
        "_require_same_pixels",
        "read_features",
        "days_written",
        "harvest_identifiers",
    ],
)
def test_a_step_that_raises_holds_the_object_and_writes_nothing(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise ValueError("Zhang Weiming")

    path = write_files(tmp_path, [make_instance()])[0]
    staging = tmp_path / "staged"
    staging.mkdir()
    start_worker(Subjects(RING, LINKS), staging, 60)
    try:
        monkeypatch.setattr(objects, step, fails)
        result = run_job(Job(1, path, path.stat().st_size))
    finally:
        restore_logging()
    assert result.reason is ReasonCode.STAGE_FAILED
    assert "Zhang" not in repr(result)
    assert list(staging.iterdir()) == []


def restore_logging() -> None:
    logging.disable(logging.NOTSET)


def test_a_file_that_takes_too_long_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_files(tmp_path, [make_instance()])[0]
    start_worker(Subjects(RING, LINKS), tmp_path, 0.05)
    try:
        monkeypatch.setattr(objects, "check_admission", lambda header, looked_at: time.sleep(5))
        result = run_job(Job(1, path, path.stat().st_size))
    finally:
        restore_logging()
    assert (result.reason, result.error) == (ReasonCode.STAGE_FAILED, "TimeoutError")


def test_a_disk_that_takes_nothing_ends_the_run_and_quarantines_no_file(tmp_path: Path) -> None:
    path = write_files(tmp_path / "in", [make_instance()])[0]
    start_worker(Subjects(RING, LINKS), tmp_path / "nowhere", 60)
    try:
        with pytest.raises(EnvironmentProblemError, match="cannot be written: No such file"):
            run_job(Job(1, path, path.stat().st_size))
    finally:
        restore_logging()


def lost(path: Path) -> int:
    return -1


class KilledBySubjectTwo(Subjects):
    """Kills the worker, as the system does when memory runs out, on one person's files."""

    def assign(self, patient_id: RawPatientId) -> SubjectAssignment | None:
        if patient_id == "PID000002":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().assign(patient_id)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_holds_the_file_that_killed_it_and_no_other(
    tmp_path: Path, workers: int
) -> None:
    objects_in = [*make_series(n_slices=4), make_instance(subject=2), make_instance(study=2)]
    paths = write_files(tmp_path / "in", objects_in)
    jobs = [Job(n, path, 1) for n, path in enumerate(paths)]
    batch = run_jobs(jobs, KilledBySubjectTwo(RING, LINKS), tmp_path / "out", workers)
    held = [(o.file_no, o.reason) for o in batch.outcomes if o.state is not FileState.ACCEPTED]
    assert held == [(4, ReasonCode.STAGE_FAILED)]
    assert len(tree(tmp_path / "out")) == 5


def test_what_the_source_said_is_kept_per_person_for_the_scan(tmp_path: Path) -> None:
    files = deliver(write_files(tmp_path / "in", [make_instance(), make_instance(study=2)]))
    batch = deidentify_batch(files, LINKS, RING, tmp_path / "out", workers=1)
    (person,) = batch.identifiers.values()
    values = {i.value for i in person.identifiers}
    assert values >= {"PID000001", "19650412", "20250306", "ACC001001", "ACC001002"}
    assert "PID000001" not in repr(batch)


def test_leftovers_of_a_killed_run_do_not_get_in(tmp_path: Path) -> None:
    stale = tmp_path / "out" / ".staged" / "000000001.part"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    path = write_files(tmp_path / "in", [make_instance()])[0]
    run_jobs([Job(1, path, 1)], Subjects(RING, site=SITE), tmp_path / "out", 1)
    assert len(tree(tmp_path / "out")) == 1


def sleep_and_tell(path: Path) -> int:
    path.with_suffix(f".{os.getpid()}").touch()
    time.sleep(60)
    return 0


_KILLED_RUN = """
import sys, threading
from pathlib import Path
from schemas.run.pool import run_in_order
from tests.unit.deidentify import test_store as here

def main() -> None:
    if sys.argv[2] == "threads":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    files = [Path(sys.argv[1], name) for name in "ab"]
    started = run_in_order(
        here.sleep_and_tell, files, workers=2, on_death=here.lost, together=lambda p: p
    )
    list(started)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("threads", ["none", "threads"])
def test_no_worker_outlives_a_run_that_was_killed(tmp_path: Path, threads: str) -> None:
    command = [sys.executable, "-c", _KILLED_RUN, str(tmp_path), threads]
    with subprocess.Popen(command) as run:
        workers = wait_for(lambda: [int(p.suffix[1:]) for p in tmp_path.iterdir()], 2)
        run.kill()
    wait_for(lambda: [p for p in workers if not Path("/proc", str(p)).exists()], 2)


def wait_for(found: Callable[[], list[int]], number: int) -> list[int]:
    """Wait until so many are found, at most half a minute."""
    until = time.monotonic() + 30
    while len(now := found()) < number:
        assert time.monotonic() < until
        time.sleep(0.05)
    return now
