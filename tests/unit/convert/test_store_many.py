"""A worker that dies takes one sub-stack with it, whatever else it had to convert."""

from __future__ import annotations

import mmap
import os
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from schemas.dicom.features import read_features
from schemas.dicom.sub_stacks import split_series
from schemas.run import pool as store_pool
from tasks.convert import store_series
from tasks.convert.proof import prove
from tasks.convert.store import convert_many, worker_memory
from tasks.convert.store_series import SeriesJob
from tests.builders import make_series, write_files


def job_of(tmp_path: Path, series: int) -> SeriesJob:
    slices = make_series(n_slices=4, series=series)
    second = make_series(n_slices=4, series=series, EchoTime=9.0)
    for data in second:
        data.SOPInstanceUID += ".2"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    every = [*slices, *second]
    files = write_files(tmp_path / f"in{series}", every)
    paths = {str(d.SOPInstanceUID): path for d, path in zip(every, files, strict=True)}
    return SeriesJob(paths, tuple(read_features(d) for d in every), tmp_path / "out")


def eat_memory() -> None:
    bytearray(1 << 36)


@pytest.mark.parametrize(
    ("end", "code"), [(os.abort, "WORKER_DIED"), (eat_memory, "WORKER_FAILED")]
)
def test_a_death_costs_its_own_sub_stack_and_says_so(
    end: Any, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job_of(tmp_path, number) for number in (1, 2, 3)]
    victim = split_series(jobs[1].features)[0].digest

    def spiteful(stack: Any, *rest: Any) -> Any:
        if stack.digest == victim:
            end()
        return prove(stack, *rest)

    # Workers are forked from this process, whatever threads it has, and so have the spiteful one.
    monkeypatch.setattr(store_pool, "_context", lambda _: get_context("fork"))
    monkeypatch.setattr(store_series, "prove", spiteful)
    records = [r for found in convert_many(jobs, tmp_path / "scratch", workers=1) for r in found]
    assert {r.codes for r in records if r.sub_stack_digest == victim} == {(code,)}
    others = [r for r in records if r.sub_stack_digest != victim]
    assert len(others) == 5
    assert all(r.round_trip_ok and r.file_name for r in others)


def test_small_series_give_the_same_records_together_and_apart(tmp_path: Path) -> None:
    jobs = [job_of(tmp_path, number) for number in (1, 2, 3)]
    together = convert_many(jobs, tmp_path / "scratch", workers=1)
    apart = [convert_many([job], tmp_path / "scratch", workers=1)[0] for job in jobs]
    assert together == apart


def test_what_the_run_itself_holds_is_not_taken_from_its_workers(tmp_path: Path) -> None:
    jobs = [job_of(tmp_path, 1)]
    with mmap.mmap(-1, worker_memory(jobs[0].n_bytes)):
        (records,) = convert_many(jobs, tmp_path / "scratch", workers=1)
    assert [r.codes for r in records] == [(), ()]
