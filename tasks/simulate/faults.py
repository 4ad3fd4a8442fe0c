"""Faults by name: each changes an export in one known way and says what should become of it.

Faults hit series that no criterion depends on, so that the true eligibility stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from schemas.errors import BadInputError
from tasks.simulate.answer_key import Kind
from tasks.simulate.burned_text import text_mask
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.fault_tools import beside, files_of, frame_of, note, replace_file, template_of
from tasks.simulate.geometry_faults import GEOMETRY_FAULTS
from tasks.simulate.images import SeriesTemplate, file_bytes, image_dataset

LATE_EDC_FORM = "late_edc_form"
_STRANGER_ID = "Z000777031"
_LOST_FRACTION = 0.4
_WHITE = 4095


def require_known(names: tuple[str, ...]) -> None:
    """Refuse a fault nobody has written.

    Raises
    ------
    BadInputError
        If a name is not one of `ALL_FAULTS`.
    """
    unknown = sorted(set(names) - set(ALL_FAULTS))
    if unknown:
        raise BadInputError(f"unknown fault {', '.join(unknown)}", expected=", ".join(ALL_FAULTS))


def home_of(name: str, n_sites: int) -> int:
    """Return the index of the site that has this fault; with few sites the last one has more."""
    return min(_FAULTS[name][0], n_sites - 1)


def apply_faults(export: Export, names: tuple[str, ...], seed: int) -> None:
    """Apply faults to a site's first night, in their fixed order."""
    for name in ALL_FAULTS:
        if name in names:
            _FAULTS[name][1](export, seed)


def _broken_file(export: Export, _seed: int) -> None:
    file = files_of(export, "CT_DEL")[-1]

    def content() -> bytes:
        whole = file.content()
        plan = template_of(file).context.plan
        return whole[: len(whole) - int(plan.rows * plan.columns * 2 * _LOST_FRACTION)]

    broken = replace(
        file, content=content, state="quarantined", reason="TRUNCATED", fault="broken_file"
    )
    replace_file(export, file, broken)
    note(export, "broken_file", file, code="TRUNCATED")


def _duplicate_instance(export: Export, _seed: int) -> None:
    file = files_of(export, "MR_T2_FS")[3]
    # Either of the two may count as the duplicate: their bytes are the same.
    twin = replace(
        file, path=beside(file, "copy_of_an_image.dcm"), state="duplicate",
        fault="duplicate_instance",
    )  # fmt: skip
    export.files.append(twin)
    note(export, "duplicate_instance", file, twin=twin.path)


def _missing_slice(export: Export, _seed: int) -> None:
    file = files_of(export, "CT_NC")[5]
    export.files.remove(file)
    note(export, "missing_slice", file, code="MISSING_SLICE")


def _secondary_capture(export: Export, seed: int) -> None:
    file = files_of(export, "CT_PVP")[0]
    template, frame = template_of(file), frame_of(file)

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        _to_secondary_capture(data, template)
        return file_bytes(template, data)

    export.files.append(
        ExportFile(
            beside(file, "screen_save.dcm"),
            content,
            "quarantined",
            "SECONDARY_OR_DERIVED",
            "secondary_capture",
        )
    )
    note(export, "secondary_capture", file, code="SECONDARY_OR_DERIVED")


def _to_secondary_capture(data: Dataset, template: SeriesTemplate) -> None:
    context = template.context
    shape = (96, 128)
    lines = (context.subject.person.name_glued, context.exam.patient_id)
    pixels = np.full((*shape, 3), 24, dtype=np.uint8)
    for index, line in enumerate(lines):
        pixels[text_mask(line, shape, row=10 + 12 * index, column=6)] = 255
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SeriesInstanceUID = f"{context.exam.study_uid}.990"
    data.SOPInstanceUID = f"{data.SeriesInstanceUID}.1"
    data.SeriesNumber, data.InstanceNumber = 990, 1
    data.SeriesDescription = "Screen Save"
    data.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    data.ConversionType = "WSD"
    data.BurnedInAnnotation = "YES"
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
    data.PlanarConfiguration = 0
    data.Rows, data.Columns = shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.add_new("PixelData", "OW", pixels.tobytes())
    for keyword in ("RescaleIntercept", "RescaleSlope", "RescaleType"):
        if keyword in data:
            delattr(data, keyword)


def _burned_in(export: Export, seed: int) -> None:
    file = files_of(export, "CT_ART")[2]
    template, frame = template_of(file), frame_of(file)

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        shape = (int(data.Rows), int(data.Columns))
        pixels = np.frombuffer(data.PixelData, dtype="<u2").reshape(shape).copy()
        person = template.context.subject.person
        pixels[text_mask(person.name_glued, shape, row=3, column=3)] = _WHITE
        pixels[text_mask(template.context.exam.patient_id, shape, row=10, column=3)] = _WHITE
        data.add_new("PixelData", "OW", pixels.tobytes())
        data.SeriesInstanceUID = f"{template.context.exam.study_uid}.991"
        data.SOPInstanceUID = f"{data.SeriesInstanceUID}.1"
        data.SeriesNumber, data.InstanceNumber = 991, 1
        data.BurnedInAnnotation = "YES"
        return file_bytes(template, data)

    export.files.append(
        ExportFile(
            beside(file, "annotated.dcm"),
            content,
            "quarantined",
            "BURNED_IN_ANNOTATION",
            "burned_in",
        )
    )
    note(export, "burned_in", file, code="BURNED_IN_ANNOTATION")


def _text_named_dcm(export: Export, _seed: int) -> None:
    file = files_of(export, "CT_NC")[0]
    person = template_of(file).context.subject.person
    ledger = template_of(file).context.ledger
    name = ledger.plant(person.name_han, Kind.NAME_HAN, "text file named .dcm")
    phone = ledger.plant(person.mobile, Kind.MOBILE, "text file named .dcm")
    text = f"导出失败: {name} {phone}\n".encode()
    path = beside(file, "error_report.dcm")
    export.files.append(
        ExportFile(path, lambda: text, "quarantined", "NOT_DICOM", "text_named_dcm")
    )
    export.note_fault("text_named_dcm", path=path, code="NOT_DICOM")


def _no_linkage(export: Export, seed: int) -> None:
    file = files_of(export, "MR_T2_FS")[0]
    template, frame = template_of(file), frame_of(file)

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        data.PatientID = _STRANGER_ID
        data.StudyInstanceUID = f"{template.context.exam.study_uid}.7"
        data.SeriesInstanceUID = f"{data.StudyInstanceUID}.1"
        data.SOPInstanceUID = f"{data.SeriesInstanceUID}.1"
        return file_bytes(template, data)

    template.context.ledger.plant(_STRANGER_ID, Kind.PATIENT_ID, "PatientID without linkage")
    export.files.append(
        ExportFile(beside(file, "unlinked.dcm"), content, "quarantined", "NO_LINKAGE", "no_linkage")
    )
    note(export, "no_linkage", file, code="NO_LINKAGE")


def _uid_reused(export: Export, seed: int) -> None:
    file = files_of(export, "LOCALIZER")[0]
    template, frame = template_of(file), frame_of(file)

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        data.add_new("PixelData", "OW", bytes(len(data.PixelData)))
        return file_bytes(template, data)

    held = replace(file, state="quarantined", reason="UID_REUSED", fault="uid_reused")
    replace_file(export, file, held)
    path = beside(file, "same_uid_other_pixels.dcm")
    export.files.append(replace(held, path=path, content=content))
    note(export, "uid_reused", file, twin=path, code="UID_REUSED")


def _late_edc_form(export: Export, _seed: int) -> None:
    export.note_fault(LATE_EDC_FORM, form="pathology", arrives_on_night=2)


_Apply = Callable[[Export, int], None]
# Name -> index of the site that has it, and what it does.
_FAULTS: dict[str, tuple[int, _Apply]] = {
    "broken_file": (0, _broken_file),
    "text_named_dcm": (0, _text_named_dcm),
    "no_linkage": (0, _no_linkage),
    "uid_reused": (0, _uid_reused),
    "duplicate_instance": (1, _duplicate_instance),
    "secondary_capture": (1, _secondary_capture),
    LATE_EDC_FORM: (1, _late_edc_form),
    "missing_slice": (2, _missing_slice),
    "burned_in": (2, _burned_in),
    **GEOMETRY_FAULTS,
}
ALL_FAULTS: tuple[str, ...] = tuple(_FAULTS)
DEFAULT_FAULTS: tuple[str, ...] = (
    "broken_file", "text_named_dcm", "no_linkage", "duplicate_instance", "secondary_capture",
    LATE_EDC_FORM, "missing_slice", "burned_in",
)  # fmt: skip
