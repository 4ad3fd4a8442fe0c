"""Find the proven volumes of a batch's exams: those of tonight and those of earlier nights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import SubStack, group_by_series, split_series
from schemas.handover.workbench import Workbench
from schemas.identifiers import SeriesUid
from schemas.records import SeriesLabel, VolumeRecord
from schemas.tables.record_tables import records_from_table
from schemas.tables.warehouse import rows_with
from schemas.tables.warehouse_index import batches_with
from tasks.measure.exams import Key, MeasuredPart, exam_parts


def batch_stacks(instances: Sequence[InstanceFeatures]) -> list[SubStack]:
    """Return the sub-stacks of all series."""
    return [s for members in group_by_series(instances).values() for s in split_series(members)]


def batch_exams(
    bench: Workbench,
    stacks: Sequence[SubStack],
    labels: Sequence[SeriesLabel],
    volumes: Sequence[VolumeRecord],
) -> list[list[MeasuredPart]]:
    """Return the volumes of the exams that got new instances, whole, with their files."""
    wanted = {stack.series_uid for stack in stacks}
    known = {key_of(volume) for volume in volumes}
    earlier = [v for v in _earlier(bench, wanted) if key_of(v) not in known]
    every = [*volumes, *earlier]
    return exam_parts(stacks, labels, every, _places(bench, every))


def key_of(volume: VolumeRecord) -> Key:
    """Return series and digest."""
    return volume.series_uid, volume.sub_stack_digest


def _earlier(bench: Workbench, series: set[str]) -> list[VolumeRecord]:
    found: dict[Key, VolumeRecord] = {}
    if not series:  # a night of forms alone
        return []
    for folder in batches_with(bench.zones, bench.site, series):
        path = folder / "volume.parquet"
        if path.is_file():
            table = rows_with(path, "series_uid", series)
            found |= {key_of(v): v for v in records_from_table(table, VolumeRecord)}
    return list(found.values())


def _places(bench: Workbench, volumes: Iterable[VolumeRecord]) -> dict[Key, Path]:
    found: dict[Key, Path] = {}
    for volume in volumes:
        if volume.file_name is None:
            continue
        uid = SeriesUid(volume.series_uid)
        folders = (bench.nifti / uid, bench.zones.nifti_series(bench.site, uid))
        paths = (folder / volume.file_name for folder in folders)
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            found[key_of(volume)] = path
    return found
