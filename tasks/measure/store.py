"""Read proven volumes and measure them, in workers that may die; a loss costs one exam's values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from schemas.measurements import Measurement
from schemas.run.pool import Loss, run_isolated
from schemas.run.work import Warm
from tasks.measure.exams import MeasuredPart
from tasks.measure.measuring import failed, measure_exam
from tasks.measure.store_stream import StreamedVoxels
from tasks.measure.volume import Volume, turned_volume

_SUFFIX = ".nii.gz"
_WARM = Warm(("tasks.measure.store",))
#: Less than this is measured sooner than workers start.
_FEW_BYTES = 8 << 20
_BASE_TIME_S, _BYTES_PER_S = 60.0, 1e6
_BASE_BYTES, _EXPANDED = 2 << 30, 12
#: Rows of a DICOM picture run along the first axis of the file, columns along the second.
_AXIS_OF = {"ROW": "i", "COL": "j"}


def measure_exams(
    exams: Sequence[Sequence[MeasuredPart]],
    *,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Measurement]:
    """Return the measurements of all exams; which worker does which changes nothing."""
    sizes = [[_size(part.path) for part in exam] for exam in exams]
    found: dict[int, list[Measurement]] = {}
    if sum(map(sum, sizes)) <= _FEW_BYTES:
        found = {number: measure_exam(exam, read_volume) for number, exam in enumerate(exams)}
    else:
        of_item = {id(exam): size for exam, size in zip(exams, sizes, strict=True)}
        outcomes = run_isolated(
            _measure,
            exams,
            workers=workers,
            warm=_WARM,
            timeout_s=lambda exam: _BASE_TIME_S + sum(of_item[id(exam)]) / _BYTES_PER_S,
            memory_bytes=lambda exam: _BASE_BYTES + _EXPANDED * max(of_item[id(exam)], default=0),
        )
        for number, outcome in outcomes:
            found[number] = failed(exams[number]) if isinstance(outcome, Loss) else outcome
            if progress is not None:
                progress(len(found), len(exams))
    return [row for number in sorted(found) for row in found[number]]


def read_volume(part: MeasuredPart) -> Volume:
    """Return the volume of one NIfTI, unscaled, with the phase encoding its sidecar states.

    Its voxels go by when it is told what will be asked of them (`Voxels.expect`).
    """
    voxels = StreamedVoxels(part.path)
    return turned_volume(
        voxels,
        voxels.turn,
        slope=voxels.facts.slope,
        intercept=voxels.facts.intercept,
        encoding=_encoding(part.path),
    )


def _encoding(path: Path) -> str | None:
    try:
        said = json.loads(path.with_name(path.name.removesuffix(_SUFFIX) + ".json").read_bytes())
    except (OSError, ValueError):
        return None
    found = said.get("PhaseEncodingDirection") or said.get("PhaseEncodingAxis")
    return str(found or _AXIS_OF.get(said.get("InPlanePhaseEncodingDirectionDICOM"), "")) or None


def _measure(exam: Sequence[MeasuredPart]) -> list[Measurement]:
    return measure_exam(exam, read_volume)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
