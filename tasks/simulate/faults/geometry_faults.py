"""Faults of slices and geometry by name, each with what converters are known to make of it.

Every file of such a series is a sound DICOM object and is accepted, unless its entry says
otherwise; what is wrong shows only when the slices are put together. They hit series that no
criterion depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from pydicom.dataset import Dataset

from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults.fault_tools import (
    beside,
    files_of,
    frame_of,
    note,
    replace_file,
    template_of,
)
from tasks.simulate.images.pixels import file_bytes, image_dataset
from tasks.simulate.people.subjects import clock

Apply = Callable[[Export, int], None]
Change = Callable[[Dataset, ExportFile], None]

_JITTER_MM = 0.04
_ALTERNATION_DEG = 1.0
_GANTRY_TILT_DEG = 18.5
_WIDER = 1.5
_SHORTER_BY = 5
_CLOCK_AHEAD_S = 37 * 60.0
_MIDDLE = 6
_EXTRA_NUMBER = 900
# SeriesTime, SeriesDescription, ProtocolName.
_OF_THE_SERIES = (0x00080031, 0x0008103E, 0x00181030)


def _changed(file: ExportFile, change: Change, seed: int, fault: str) -> ExportFile:
    """Return the file with a change to its data set before it is written."""
    template, frame = template_of(file), frame_of(file)

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        change(data, file)
        return file_bytes(template, data)

    return replace(file, content=content, fault=fault)


def _on_every_slice(name: str, code: str, change: Change, *labels: str) -> Apply:
    def apply(export: Export, seed: int) -> None:
        files = files_of(export, *labels)
        for file in files:
            replace_file(export, file, _changed(file, change, seed, name))
        note(export, name, files[0], code=code)

    return apply


def _slice_index(file: ExportFile) -> int:
    return frame_of(file).slice_index


def _texts(*values: float) -> list[str]:
    return [f"{value + 0.0:.10g}" for value in values]


def _move(data: Dataset, offset_mm: float) -> None:
    x, y, z = (float(value) for value in data.ImagePositionPatient)
    data.ImagePositionPatient = _texts(x, y, z + offset_mm)
    data.SliceLocation = f"{z + offset_mm:.10g}"


def _drop_geometry(data: Dataset, _file: ExportFile) -> None:
    del data.ImagePositionPatient
    del data.ImageOrientationPatient


def _jitter(data: Dataset, file: ExportFile) -> None:
    # Grows along the stack: each step is a little too long, the sum is a drift.
    _move(data, _JITTER_MM * _slice_index(file))
    _move(data, _JITTER_MM if _slice_index(file) % 2 else 0.0)


def _alternate(data: Dataset, file: ExportFile) -> None:
    angle = math.radians(_ALTERNATION_DEG if _slice_index(file) % 2 else 0.0)
    data.ImageOrientationPatient = _texts(1, 0, 0, 0, math.cos(angle), math.sin(angle))


def _tilt(data: Dataset, _file: ExportFile) -> None:
    angle = math.radians(_GANTRY_TILT_DEG)
    data.ImageOrientationPatient = _texts(1, 0, 0, 0, math.cos(angle), -math.sin(angle))
    data.GantryDetectorTilt = f"{_GANTRY_TILT_DEG}"


def _widen(data: Dataset, file: ExportFile) -> None:
    beyond = max(0, _slice_index(file) - _MIDDLE)
    _move(data, beyond * (_WIDER - 1.0) * template_of(file).context.plan.spacing_mm)


def _own_series(data: Dataset, file: ExportFile) -> None:
    data.SeriesInstanceUID = f"{data.SeriesInstanceUID}.9.{frame_of(file).instance_number}"


def _late_clock(data: Dataset, file: ExportFile) -> None:
    context = template_of(file).context
    if "ContrastBolusStartTime" in data:
        start_s = context.exam.start_s + context.injection_s + _CLOCK_AHEAD_S
        data.ContrastBolusStartTime = clock(start_s)


def _clock_error(export: Export, seed: int) -> None:
    hit = template_of(files_of(export, "MR_T1_PVP", "MR_T1_DYN")[0]).context.exam
    files = [f for f in export.files if f.template and f.template.context.exam is hit]
    for file in files:
        replace_file(export, file, _changed(file, _late_clock, seed, "clock_error"))
    note(export, "clock_error", files[0], study_uid=hit.study_uid, ahead_s=_CLOCK_AHEAD_S)


def _first_slice_missing(export: Export, _seed: int) -> None:
    file = files_of(export, "CT_NC")[0]
    export.files.remove(file)
    note(export, "first_slice_missing", file, code=None)


def _zero_byte_slice(export: Export, _seed: int) -> None:
    file = files_of(export, "CT_DEL")[_MIDDLE]
    empty = replace(
        file, content=lambda: b"", state="quarantined", reason="EMPTY_FILE",
        fault="zero_byte_slice",
    )  # fmt: skip
    replace_file(export, file, empty)
    note(export, "zero_byte_slice", file, code="MISSING_SLICE")


def _slice_without_pixels(export: Export, seed: int) -> None:
    file = files_of(export, "CT_NC")[_MIDDLE]

    def change(data: Dataset, _file: ExportFile) -> None:
        del data.PixelData

    held = replace(
        _changed(file, change, seed, "slice_without_pixels"), state="quarantined",
        reason="NO_PIXEL_DATA",
    )  # fmt: skip
    replace_file(export, file, held)
    note(export, "slice_without_pixels", file, code="MISSING_SLICE")


def _add_beside(export: Export, name: str, code: str, seed: int, change: Change) -> None:
    file = files_of(export, "CT_DEL")[_MIDDLE]

    def renumbered(data: Dataset, of: ExportFile) -> None:
        data.SOPInstanceUID = f"{data.SeriesInstanceUID}.{_EXTRA_NUMBER}"
        change(data, of)

    extra = replace(
        _changed(file, renumbered, seed, name), path=beside(file, f"{name}.dcm"),
    )  # fmt: skip
    export.files.append(extra)
    note(export, name, file, twin=extra.path, code=code)


def _duplicate_position(export: Export, seed: int) -> None:
    def change(data: Dataset, _file: ExportFile) -> None:
        data.AcquisitionTime = data.ContentTime

    _add_beside(export, "duplicate_position", "DUPLICATE_POSITION", seed, change)


def _localizer_inside(export: Export, seed: int) -> None:
    def change(data: Dataset, file: ExportFile) -> None:
        plan = template_of(file).context.plan
        width, height = plan.columns * plan.pixel_mm / 2, plan.rows * plan.pixel_mm / 2
        data.InstanceNumber = _EXTRA_NUMBER
        data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        data.ImageOrientationPatient = _texts(1, 0, 0, 0, 0, -1)
        data.ImagePositionPatient = _texts(-width, 0, height)

    _add_beside(export, "localizer_inside", "LOCALIZER", seed, change)


def _unequal_phases(export: Export, seed: int) -> None:
    native = files_of(export, "CT_NC")
    target = template_of(native[0]).context
    late = [
        f for f in export.files
        if f.template and f.template.context.exam is target.exam
        and f.template.context.plan.name_key == "CT_DEL"
    ]  # fmt: skip

    def join(data: Dataset, _file: ExportFile) -> None:
        data.SeriesInstanceUID = target.series_uid
        data.SeriesNumber = target.plan.number
        for tag in _OF_THE_SERIES:
            # The raw bytes: the texts are encoded as the site encodes them.
            data[tag] = template_of(native[0]).header.get_item(tag)
        data.InstanceNumber = data.InstanceNumber + len(native)

    for file in late[:-_SHORTER_BY]:
        replace_file(export, file, _changed(file, join, seed, "unequal_phases"))
    for file in late[-_SHORTER_BY:]:
        export.files.remove(file)
    other = template_of(late[0]).context.series_uid
    note(export, "unequal_phases", native[0], other_series_uid=other, code="UNEQUAL_PHASES")


# Name -> index of the site that has it, and what it does.
GEOMETRY_FAULTS: dict[str, tuple[int, Apply]] = {
    "first_slice_missing": (0, _first_slice_missing),
    "zero_byte_slice": (1, _zero_byte_slice),
    "slice_without_pixels": (2, _slice_without_pixels),
    "duplicate_position": (0, _duplicate_position),
    "localizer_inside": (1, _localizer_inside),
    "unequal_phases": (2, _unequal_phases),
    "no_geometry": (0, _on_every_slice("no_geometry", "NO_GEOMETRY", _drop_geometry, "CT_NC")),
    "slice_jitter": (1, _on_every_slice("slice_jitter", "AFFINE_REFITTED", _jitter, "CT_DEL")),
    "alternating_orientation": (
        2,
        _on_every_slice(
            "alternating_orientation", "MIXED_ORIENTATION", _alternate, "CT_NC", "CT_DEL"
        ),
    ),
    "gantry_tilt": (0, _on_every_slice("gantry_tilt", "GANTRY_TILT", _tilt, "CT_NC", "CT_DEL")),
    "variable_spacing": (
        1,
        _on_every_slice("variable_spacing", "UNEVEN_SPACING", _widen, "CT_NC", "CT_DEL"),
    ),
    "uid_per_slice": (
        2,
        _on_every_slice("uid_per_slice", "UID_PER_SLICE", _own_series, "CT_NC", "CT_DEL"),
    ),
    "clock_error": (1, _clock_error),
}
