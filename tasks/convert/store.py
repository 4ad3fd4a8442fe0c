"""Convert many series, each in a worker that may die; what is small shares one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.records import VolumeRecord
from schemas.sub_stacks import split_series
from tasks.convert.codes import Code
from tasks.convert.store_binary import find_binary
from tasks.convert.store_pool import Loss, run_isolated
from tasks.convert.store_series import (
    DEFAULT_TIMEOUT_S,
    SeriesJob,
    convert_series,
    failed_record,
    fresh_folder,
    sizes_of,
    time_limit_s,
)

_WORKER_BASE_BYTES = 2 << 30
#: A process of its own costs as much as a small series.
_BUNDLE_BYTES, _BUNDLES_PER_WORKER = 32 << 20, 3


def convert_many(
    jobs: Sequence[SeriesJob],
    scratch: Path,
    *,
    workers: int = 1,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[VolumeRecord]]:
    """Convert many series, each in a worker of its own that may die.

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
    records: dict[int, list[VolumeRecord]] = {}
    lost: list[_Part] = []
    with fresh_folder(scratch) as folder:
        pool = _Pool(folder, workers, timeout_s)
        for bundle, outcome in pool.run(_bundles(jobs, workers)):
            if isinstance(outcome, Loss) and sum(len(_parts(part)) for part in bundle) > 1:
                # One sub-stack ended the worker: the others need not pay for it.
                lost += [single for part in bundle for single in _parts(part)]
                continue
            for part, found in zip(bundle, _settled(bundle, outcome), strict=True):
                records[part.index] = found
            if progress is not None:
                progress(len(records), len(jobs))
        for bundle, outcome in pool.run([(part,) for part in lost]):
            for part, found in zip(bundle, _settled(bundle, outcome), strict=True):
                records.setdefault(part.index, []).extend(found)
    if progress is not None and lost:
        progress(len(jobs), len(jobs))
    return [sorted(records[i], key=lambda r: r.sub_stack_digest) for i in range(len(jobs))]


@dataclass(frozen=True)
class _Part:
    """What one worker converts: a series, or one sub-stack of it."""

    index: int
    job: SeriesJob
    only: str | None = None


_Bundle = Sequence[_Part]


def _bundles(jobs: Sequence[SeriesJob], workers: int) -> list[_Bundle]:
    """Return what each worker converts: a large series alone, small ones several together."""
    sizes = [sum(sizes_of(job.paths.values())) for job in jobs]
    limit = min(_BUNDLE_BYTES, sum(sizes) // (_BUNDLES_PER_WORKER * workers))
    bundles: list[list[_Part]] = []
    room = 0
    for index, (job, size) in enumerate(zip(jobs, sizes, strict=True)):
        if not bundles or size > room:
            bundles.append([])
            room = limit
        bundles[-1].append(_Part(index, job))
        room -= size
    return list(bundles)


@dataclass(frozen=True)
class _Pool:
    scratch: Path
    workers: int
    timeout_s: float

    def run(
        self, bundles: Sequence[_Bundle]
    ) -> Iterator[tuple[_Bundle, list[list[VolumeRecord]] | Loss]]:
        outcomes = run_isolated(
            _convert_bundle,
            [(bundle, self.scratch, self.timeout_s) for bundle in bundles],
            workers=self.workers,
            timeout_s=lambda item: sum(_job_time_limit_s(p.job, self.timeout_s) for p in item[0]),
            memory_bytes=lambda item: max(worker_memory(p.job.paths.values()) for p in item[0]),
        )
        for place, outcome in outcomes:
            yield bundles[place], outcome


def _parts(part: _Part) -> list[_Part]:
    return [_Part(part.index, part.job, stack.digest) for stack in split_series(part.job.features)]


def _settled(bundle: _Bundle, outcome: list[list[VolumeRecord]] | Loss) -> list[list[VolumeRecord]]:
    if isinstance(outcome, Loss):
        return [_lost_records(part, outcome) for part in bundle]
    return outcome


def _job_time_limit_s(job: SeriesJob, timeout_s: float) -> float:
    n_planes = sum(max(1, len(m.frame_positions_lps) // 3) for m in job.features)
    # The converter's own limit must come first: then its code tells what hung.
    return 1.5 * time_limit_s(list(job.paths.values()), n_planes, timeout_s)


def worker_memory(files: Iterable[Path]) -> int:
    """Return the address space a worker may use for these files."""
    return _WORKER_BASE_BYTES + 6 * sum(sizes_of(files))


def _convert_bundle(item: tuple[_Bundle, Path, float]) -> list[list[VolumeRecord]]:
    bundle, scratch, timeout_s = item
    return [_convert_part(part, scratch, timeout_s) for part in bundle]


def _convert_part(part: _Part, scratch: Path, timeout_s: float) -> list[VolumeRecord]:
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
    )


def _lost_records(part: _Part, loss: Loss) -> list[VolumeRecord]:
    code = {
        Loss.DIED: Code.WORKER_DIED,
        Loss.TIMEOUT: Code.WORKER_TIMEOUT,
        Loss.FAILED: Code.WORKER_FAILED,
    }[loss]
    stacks = split_series(part.job.features)
    return [failed_record(s, code) for s in stacks if part.only in (None, s.digest)]
