"""Look at many series in workers that may die."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.inspection import PIXELS_TABLE, PixelRow
from schemas.run.pool import Loss, run_isolated
from schemas.run.zones import Zones
from schemas.tables.record_tables import records_from_table
from tasks.inspect.records import InspectJob, Looked
from tasks.inspect.rules import InspectionRules
from tasks.inspect.store_worker import look, start_worker
from tasks.inspect.warm import WARM

#: Address space of a worker: the runtime reserves much more than it uses.
_WORKER_BASE_BYTES = 4 << 30
_SECONDS_PER_FILE = 0.2
_COMMITTED = "committed"
Look = Callable[[InspectJob], Looked]


def look_at(
    jobs: Sequence[InspectJob],
    rules: InspectionRules,
    models: Mapping[str, bytes],
    *,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
    look_with: Look = look,
) -> list[Looked | Loss]:
    """Look at each series; what has no result says why.

    Parameters
    ----------
    jobs : sequence of InspectJob
        One for each series.
    rules, models
        In force, and checked.
    workers : int
        Series at a time.
    progress : callable, optional
        Told `(done, all)` after each series.
    look_with : callable
        What runs in a worker.
    """
    found: dict[int, Looked | Loss] = {}
    # The longest first: none is left when the other workers have ended.
    order = sorted(range(len(jobs)), key=lambda place: -_bytes_of(jobs[place]))
    outcomes = run_isolated(
        look_with,
        [jobs[place] for place in order],
        workers=workers,
        warm=WARM,
        start=(start_worker, (rules, models)),
        timeout_s=partial(_seconds, rules),
        memory_bytes=_memory,
    )
    for index, outcome in outcomes:
        found[order[index]] = outcome
        if progress is not None:
            progress(len(found), len(jobs))
    return [found[index] for index in range(len(jobs))]


def _seconds(rules: InspectionRules, job: InspectJob) -> float:
    each = rules["seconds_per_frame"] if job.every_frame else _SECONDS_PER_FILE
    return rules["seconds_per_series"] + each * job.n_images


def _memory(job: InspectJob) -> int:
    return _WORKER_BASE_BYTES + 8 * max(_sizes(job), default=0)


def _bytes_of(job: InspectJob) -> int:
    return sum(_sizes(job))


def _sizes(job: InspectJob) -> list[int]:
    return [file.path.stat().st_size for file in job.files if file.path.is_file()]


def known_pixels(zones: Zones, digests: set[str]) -> list[PixelRow]:
    """Return the instances of committed batches of all sites that have one of the digests."""
    if not digests:
        return []
    wanted = pc.field("digest").isin(pa.array(sorted(digests), pa.string()))
    found: list[PixelRow] = []
    for path in sorted(zones.warehouse.glob(f"batches/*/[!.]*/{PIXELS_TABLE}.parquet")):
        # What a held batch brought is in no release, and may come again.
        if json.loads(path.with_name("batch.json").read_bytes())["state"] == _COMMITTED:
            found += records_from_table(pq.read_table(path, filters=wanted), PixelRow)
    return found


def remove(folder: Path, series_uid: str, sop_uids: Sequence[str]) -> None:
    """Take held objects away from those that are about to be released."""
    for uid in sop_uids:
        (folder / series_uid / f"{uid}.dcm").unlink(missing_ok=True)
