"""Files that a worker replays: what fails holds them, and what is said of them is so."""

from __future__ import annotations

import gzip
import hashlib
import logging
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest
from pydicom import dcmread

from schemas.identifiers import Sha256
from schemas.states import ReasonCode
from tasks.deidentify import mapped_uids, store_worker, template
from tasks.deidentify import replay as replay_module
from tasks.deidentify.job_records import Job, JobResult
from tasks.deidentify.plan import plan
from tasks.deidentify.rules.profile import Action
from tasks.deidentify.store_worker import Subjects, run_job, start_worker
from tests.builders import make_series, to_bytes
from tests.unit.deidentify.helpers import RING, SITE


class PlantedError(Exception):
    """What no code expects."""


def _fail(*args: object, **kwargs: object) -> None:
    raise PlantedError("Zhang^Weiming 88123456")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[], JobResult]]:
    """Two files of a series have been learned; returns what becomes of the third.

    It has a UID and numbers of its own, whose outcome is known without a plan, and a date.
    """
    paths = [tmp_path / f"{number}" for number in range(3)]
    series = list(make_series(n_slices=3))
    series[2].ContentDate = "20250307"
    for path, raw in zip(paths, map(to_bytes, series), strict=True):
        path.write_bytes(raw)
    staging = tmp_path / "staging"
    staging.mkdir()
    start_worker(Subjects(RING, site=SITE), staging, 60.0)
    jobs = [Job(number, path, path.stat().st_size) for number, path in enumerate(paths)]
    assert all(run_job(job).reason is None for job in jobs[:2])
    yield lambda: run_job(jobs[2])
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (replay_module, "is_admitted_instance"),
        (replay_module, "read_fields"),
        (replay_module, "reread_facts"),
        (template, "harvest_element"),
        (template, "plan_element"),
        (template, "outcome_of"),
        (template, "element_parts"),
        (template, "Scanner"),
        (mapped_uids, "is_registered_uid"),
        (plan, "texts_of"),
    ],
)
def test_a_fault_while_replaying_holds_the_object(
    module: ModuleType,
    name: str,
    worker: Callable[[], JobResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, _fail)
    result = worker()
    assert result.reason is ReasonCode.STAGE_FAILED
    assert result.error == "PlantedError"
    assert "Zhang" not in repr(result)


@pytest.mark.parametrize("action", [Action.DATE], ids=str)
def test_a_fault_in_a_rule_while_replaying_holds_the_object(
    action: Action, worker: Callable[[], JobResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plan._ACTORS, action, _fail)
    assert worker().reason is ReasonCode.STAGE_FAILED


@pytest.mark.parametrize("side", [16, 200])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_digests_are_those_of_the_bytes_whichever_way_they_were_made(
    side: int, packed: bool, tmp_path: Path
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    start_worker(Subjects(RING, site=SITE), staging, 60.0)
    pixels = (bytes(range(200)) * (side * side))[: 2 * side * side]
    slices = make_series(
        n_slices=4, Rows=side, Columns=side, BitsStored=16, HighBit=15, PixelData=pixels
    )
    for number, data in enumerate(slices):
        path, raw = tmp_path / f"{number}", to_bytes(data)
        path.write_bytes(gzip.compress(raw) if packed else raw)
        told = Sha256(hashlib.sha256(path.read_bytes()).hexdigest())
        # Hashed when it was received, or never before; of either the same is said.
        for sha256 in (told, None):
            result = run_job(Job(number, path, path.stat().st_size, sha256))
            assert (result.reason, result.source_sha256) == (None, told)
            assert result.staged is not None
            written = Path(result.staged).read_bytes()
            assert result.output_sha256 == hashlib.sha256(written).hexdigest()
            found = dcmread(BytesIO(written)).PixelData
            assert found == pixels
            assert result.pixel_sha256 == hashlib.sha256(found).hexdigest()
    changed = run_job(Job(9, path, path.stat().st_size, Sha256("0" * 64)))
    assert (changed.reason, changed.source_sha256) == (ReasonCode.STAGE_FAILED, told)
    logging.disable(logging.NOTSET)


def test_of_a_file_that_holds_nothing_the_digest_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_bytes(b"no image")
    start_worker(Subjects(RING, site=SITE), tmp_path, 60.0)
    for number, name in enumerate(("empty", "text")):
        path = tmp_path / name
        result = run_job(Job(number, path, path.stat().st_size))
        assert result.reason in (ReasonCode.EMPTY_FILE, ReasonCode.NOT_DICOM)
        assert result.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    missing = run_job(Job(2, tmp_path / "missing", 0))
    assert (missing.reason, missing.source_sha256) == (ReasonCode.STAGE_FAILED, "")
    logging.disable(logging.NOTSET)


def test_without_a_fault_the_third_file_is_replayed_and_written(
    worker: Callable[[], JobResult],
) -> None:
    result = worker()
    assert result.reason is None
    assert result.staged is not None
    assert hashlib.sha256(Path(result.staged).read_bytes()).hexdigest() == result.output_sha256


@pytest.mark.parametrize("stated", [0, 5, 10, 99])
def test_a_file_is_read_whole_whatever_size_it_had_a_moment_before(
    stated: int, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with (tmp_path / "file").open("rb") as stream:
        assert store_worker._read_all(stream.fileno(), stated) == b"0123456789"
