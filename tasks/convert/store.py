"""Convert many series in workers that may die."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.records import VolumeRecord
from schemas.run.pool import Loss, run_isolated
from tasks.convert.codes import Code
from tasks.convert.siblings import remark_on_siblings
from tasks.convert.store_binary import find_binary
from tasks.convert.store_series import (
    DEFAULT_TIMEOUT_S,
    SeriesJob,
    convert_series,
    failed_record,
    fresh_folder,
    time_limit_s,
)
from tasks.convert.warm import WARM

_WORKER_BASE_BYTES = 2 << 30


def convert_many(
    jobs: Sequence[SeriesJob],
    scratch: Path,
    *,
    workers: int = 1,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[VolumeRecord]]:
    """Convert many series in workers that may die; a death costs one sub-stack.

    Parameters
    ----------
    jobs : sequence of SeriesJob
    scratch : Path
        As in `convert_series`.
    workers : int
        Series at a time.
    timeout_s : float
        Longest wall time of one run of the converter; less for small series.
    progress : callable, optional
        Told `(done, all)` after each series.

    Returns
    -------
    list of list of VolumeRecord
        In the order of `jobs`. A series whose worker died or hung is set aside with
        WORKER_DIED or WORKER_TIMEOUT.
    """
    find_binary()
    scratch.mkdir(parents=True, exist_ok=True)
    # Split before workers are forked: they begin with the parts in memory.
    whole = [_Part(index, job) for index, job in enumerate(jobs) if job.stacks]
    records: dict[int, list[VolumeRecord]] = {i: [] for i, job in enumerate(jobs) if not job.stacks}
    lost: list[_Part] = []
    with fresh_folder(scratch) as folder:
        pool = _Pool(folder, workers, timeout_s)
        for part, outcome in pool.run(whole):
            if isinstance(outcome, Loss) and len(singles := _parts(part)) > 1:
                # One sub-stack ended the worker: the others need not pay for it.
                lost += singles
                continue
            records[part.index] = _settled(part, outcome)
            if progress is not None:
                progress(len(records), len(jobs))
        for part, outcome in pool.run(lost):
            records.setdefault(part.index, []).extend(_settled(part, outcome))
    if progress is not None and lost:
        progress(len(jobs), len(jobs))
    return _remarked(jobs, records)


def _remarked(
    jobs: Sequence[SeriesJob], records: Mapping[int, list[VolumeRecord]]
) -> list[list[VolumeRecord]]:
    """Return the records by job, with what shows only beside the other series of a study."""
    stacks = (stack for job in jobs for stack in job.stacks)
    found = remark_on_siblings(stacks, [r for i in range(len(jobs)) for r in records[i]])
    rest = iter(found)
    by_job = [[next(rest) for _ in records[i]] for i in range(len(jobs))]
    return [sorted(of_job, key=lambda r: r.sub_stack_digest) for of_job in by_job]


@dataclass(frozen=True)
class _Part:
    """What one worker converts: a series, or one sub-stack of it."""

    index: int
    job: SeriesJob
    only: str | None = None


@dataclass(frozen=True)
class _Pool:
    scratch: Path
    workers: int
    timeout_s: float

    def run(self, parts: Sequence[_Part]) -> Iterator[tuple[_Part, list[VolumeRecord] | Loss]]:
        outcomes = run_isolated(
            _convert_part,
            [(part, self.scratch, self.timeout_s) for part in parts],
            workers=self.workers,
            warm=WARM,
            timeout_s=lambda item: _job_time_limit_s(item[0].job, self.timeout_s),
            memory_bytes=lambda item: worker_memory(item[0].job.n_bytes),
        )
        for place, outcome in outcomes:
            yield parts[place], outcome


def _parts(part: _Part) -> list[_Part]:
    return [_Part(part.index, part.job, stack.digest) for stack in part.job.stacks]


def _settled(part: _Part, outcome: list[VolumeRecord] | Loss) -> list[VolumeRecord]:
    return _lost_records(part, outcome) if isinstance(outcome, Loss) else outcome


def _job_time_limit_s(job: SeriesJob, timeout_s: float) -> float:
    n_planes = sum(max(1, len(m.frame_positions_lps) // 3) for m in job.features)
    # The converter's own limit must come first: then its code tells what hung.
    return 1.5 * time_limit_s(job.n_bytes, n_planes, timeout_s)


def worker_memory(n_bytes: int) -> int:
    """Return the address space a worker may use for files of this size."""
    return _WORKER_BASE_BYTES + 6 * n_bytes


def _convert_part(item: tuple[_Part, Path, float]) -> list[VolumeRecord]:
    part, scratch, timeout_s = item
    job = part.job
    return convert_series(
        job.paths,
        job.features,
        job.out_dir,
        scratch,
        timeout_s,
        stated=job.stated,
        only=part.only,
        known_files=job.known,
        delivered=job.delivered,
        stacks=job.stacks,
    )


def _lost_records(part: _Part, loss: Loss) -> list[VolumeRecord]:
    code = {
        Loss.DIED: Code.WORKER_DIED,
        Loss.TIMEOUT: Code.WORKER_TIMEOUT,
        Loss.FAILED: Code.WORKER_FAILED,
    }[loss]
    return [failed_record(s, code) for s in part.job.stacks if part.only in (None, s.digest)]
