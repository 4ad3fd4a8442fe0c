"""Faults of single images: broken, repeated, lost, with text in the picture, of nobody.

They hit series that no criterion depends on, so that the true eligibility stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tasks.simulate.answer_key import Kind
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults.fault_tools import (
    beside,
    files_of,
    frame_of,
    note,
    replace_file,
    template_of,
)
from tasks.simulate.images.burned_text import text_mask
from tasks.simulate.images.packing import add_pixels
from tasks.simulate.images.pixels import file_bytes, frame_pixels, image_dataset
from tasks.simulate.images.secondary_capture import plant_capture, to_screen_save

_STRANGER_ID = "Z000777031"
_LOST_FRACTION = 0.4
_WHITE = 4095

Apply = Callable[[Export, int], None]


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
    plant_capture(template.context, "screen save")

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        to_screen_save(data, template.context)
        return file_bytes(template, data)

    held = ExportFile(
        beside(file, "screen_save.dcm"), content, "quarantined", "SECONDARY_OR_DERIVED"
    )
    _add_held(export, file, held, "secondary_capture")


def _burned_in(export: Export, seed: int) -> None:
    file = files_of(export, "CT_ART")[2]
    template, frame = template_of(file), frame_of(file)
    plant_capture(template.context, "annotation")

    def content() -> bytes:
        data = image_dataset(template, frame, seed)
        pixels = frame_pixels(template, frame, seed).copy()
        shape = (pixels.shape[0], pixels.shape[1])
        person = template.context.subject.person
        pixels[text_mask(person.name_glued, shape, row=3, column=3)] = _WHITE
        pixels[text_mask(template.context.exam.patient_id, shape, row=10, column=3)] = _WHITE
        add_pixels(data, [pixels], template.context.scanner.packing)
        data.SeriesInstanceUID = f"{template.context.exam.study_uid}.991"
        data.SOPInstanceUID = f"{data.SeriesInstanceUID}.1"
        data.SeriesNumber, data.InstanceNumber = 991, 1
        data.BurnedInAnnotation = "YES"
        return file_bytes(template, data)

    held = ExportFile(beside(file, "annotated.dcm"), content, "quarantined", "BURNED_IN_ANNOTATION")
    _add_held(export, file, held, "burned_in")


def _add_held(export: Export, file: ExportFile, held: ExportFile, fault: str) -> None:
    export.files.append(replace(held, fault=fault))
    note(export, fault, file, code=held.reason)


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


# Name -> index of the site that has it, and what it does on the first night.
IMAGE_FAULTS: dict[str, tuple[int, Apply]] = {
    "broken_file": (0, _broken_file),
    "text_named_dcm": (0, _text_named_dcm),
    "no_linkage": (0, _no_linkage),
    "uid_reused": (0, _uid_reused),
    "duplicate_instance": (1, _duplicate_instance),
    "secondary_capture": (1, _secondary_capture),
    "missing_slice": (2, _missing_slice),
    "burned_in": (2, _burned_in),
}
