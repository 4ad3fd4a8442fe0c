"""The folder that takes volumes: whether it may, and what of earlier runs must go from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.records import VolumeRecord
from tasks.convert.codes import Code
from tasks.convert.store_outputs import PROVENANCE, VOLUME_SUFFIXES
from tasks.convert.store_series import SeriesJob

SCRATCH_PREFIX = ".scratch-"
#: What `schemas.run.atomic_files` and the compressor write beside a file before it is whole.
PART_SUFFIX = ".part"
#: What a full disk looks like from outside.
_PERHAPS_NO_SPACE = frozenset({Code.WORKER_FAILED, Code.CONVERTER_FAILED, Code.CONVERTER_CRASHED})
#: Converted, compressed and written anew for the converter.
_COPIES_OF_A_SERIES = 3


def require_destination(src: Path, dst: Path) -> None:
    """Make the destination.

    Raises
    ------
    BadInputError
        If it is no folder or lies inside the source.
    """
    if dst.resolve().is_relative_to(src.resolve()):
        raise BadInputError("the destination lies inside the source", hint="Name another folder.")
    if any(place.exists() and not place.is_dir() for place in (dst, *dst.parents)):
        raise BadInputError("the destination is not a folder", hint="Name another folder.")
    dst.mkdir(parents=True, exist_ok=True)


def require_same_source(dst: Path, jobs: Sequence[SeriesJob]) -> None:
    """Refuse a destination with volumes of which no series is in the source.

    A source that changed keeps some of its series; with none of them it is another one, and
    the volumes that are there are not for this run to remove.

    Raises
    ------
    BadInputError
        If it is such a destination.
    """
    held = _held(dst)
    current = {stack.digest for job in jobs for stack in job.stacks} if held else ()
    if not held or not held.isdisjoint(current):
        return
    series = {f.series_uid for job in jobs for f in job.features}
    if series.isdisjoint(_series_of(dst / f"{digest}{PROVENANCE}") for digest in held):
        raise BadInputError(
            f"the destination holds {len(held)} volumes of another source",
            hint="Name an empty folder, or remove the volumes first.",
        )


def _held(dst: Path) -> set[str]:
    return {path.name.removesuffix(PROVENANCE) for path in dst.glob(f"*{PROVENANCE}")}


def _series_of(provenance: Path) -> str | None:
    try:
        return str(json.loads(provenance.read_bytes())["record"]["series_uid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_stale(dst: Path, volumes: Iterable[VolumeRecord]) -> int:
    """Remove volumes that the source no longer gives; return how many there were."""
    stale = _held(dst) - {v.sub_stack_digest for v in volumes if v.file_name}
    for digest in sorted(stale):
        # The provenance last: a run that is killed here finds the rest by it.
        for suffix in (*VOLUME_SUFFIXES, PROVENANCE):
            (dst / f"{digest}{suffix}").unlink(missing_ok=True)
    return len(stale)


def remove_leftovers(dst: Path) -> None:
    """Remove scratch folders and half-written files of a run that was killed."""
    for path in dst.glob(".*"):
        if path.is_dir() and path.name.startswith(SCRATCH_PREFIX):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name.endswith(PART_SUFFIX):
            path.unlink()


def require_space(
    dst: Path, jobs: Sequence[SeriesJob], records: Sequence[Sequence[VolumeRecord]]
) -> None:
    """Tell a full disk from series that failed by themselves.

    Raises
    ------
    EnvironmentProblemError
        If a series failed and there is less space than converting it takes.
    """
    needed = [
        _COPIES_OF_A_SERIES * job.n_bytes
        for job, found in zip(jobs, records, strict=True)
        if _any_code(found, _PERHAPS_NO_SPACE)
    ]
    if needed and shutil.disk_usage(dst).free < max(needed):
        raise EnvironmentProblemError(
            "the disk of the destination is full",
            hint="Free space and run again: volumes that are finished are kept.",
        )


def _any_code(records: Iterable[VolumeRecord], codes: Collection[Code]) -> bool:
    return any(Code(code) in codes for record in records for code in record.codes)
