"""Names drawn into pixels in many ways: declared, not declared, denied."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tasks.simulate.answer_key import Kind
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults.fault_tools import beside, files_of, frame_of, note, template_of
from tasks.simulate.images.drawn_text import TextStyle, text_pixels
from tasks.simulate.images.packing import add_pixels
from tasks.simulate.images.pixels import file_bytes, frame_pixels, image_dataset

_FAULT = "burned_in_styles"
_SERIES = 992
# A style, and what the header says of it: declared, not a word, denied.
_STYLES: tuple[tuple[TextStyle, str | None], ...] = (
    (TextStyle("Latin, small, at the edge", 8.0, 0.03, 0.03), "YES"),
    (TextStyle("Latin, large, over the anatomy", 15.0, 0.45, 0.12), None),
    (TextStyle("Han, at the edge", 12.0, 0.86, 0.04, han=True), None),
    (TextStyle("Han, large, over the anatomy", 22.0, 0.40, 0.15, han=True), "NO"),
    (TextStyle("Latin, a quarter turn", 10.0, 0.08, 0.96, angle_deg=90.0), None),
    (TextStyle("Han, aslant", 14.0, 0.25, 0.30, angle_deg=30.0, han=True), None),
    (TextStyle("Latin, faint", 10.0, 0.55, 0.10, level=1220), None),
    (TextStyle("Han, dark on bright", 15.0, 0.55, 0.30, level=0, han=True), None),
    (TextStyle("Latin, cut by the edge", 10.0, 0.94, 0.55), "NO"),
)


def _burned_in_styles(export: Export, seed: int) -> None:
    files = files_of(export, "CT_ART")
    for number, (style, declared) in enumerate(_STYLES, start=1):
        file = files[number % len(files)]
        context = template_of(file).context
        person = context.subject.person
        text, kind = (
            (person.name_han, Kind.NAME_HAN)
            if style.han
            else (f"{person.surname_pinyin} {context.exam.patient_id}", Kind.NAME_PINYIN)
        )
        context.ledger.plant(text, kind, f"pixels: {style.name}")
        if not style.han:
            patient_id = context.exam.patient_id
            context.ledger.plant(patient_id, Kind.PATIENT_ID, f"pixels: {style.name}")
        annotated = replace(
            file, path=beside(file, f"annotated_{number}.dcm"), state="quarantined",
            content=partial(_annotated, file, number, text, style, declared, seed),
            reason="BURNED_IN_ANNOTATION" if declared == "YES" else "TEXT_IN_PIXELS",
            fault=_FAULT,
        )  # fmt: skip
        export.files.append(annotated)
    # One series: what is read in one of its images holds all that no header has held before.
    note(export, _FAULT, files[0], code="TEXT_IN_PIXELS")


def _annotated(
    file: ExportFile, number: int, text: str, style: TextStyle, declared: str | None, seed: int
) -> bytes:
    template, frame = template_of(file), frame_of(file)
    data = image_dataset(template, frame, seed)
    pixels = frame_pixels(template, frame, seed).copy()
    shape = (pixels.shape[0], pixels.shape[1])
    pixels[text_pixels(text, shape, style)] = style.level
    add_pixels(data, [pixels], template.context.scanner.packing)
    data.SeriesInstanceUID = f"{template.context.exam.study_uid}.{_SERIES}"
    data.SOPInstanceUID = f"{data.SeriesInstanceUID}.{number}"
    data.SeriesNumber, data.InstanceNumber = _SERIES, number
    if declared is not None:
        data.BurnedInAnnotation = declared
    return file_bytes(template, data)


PIXEL_TEXT_FAULTS = {_FAULT: (2, _burned_in_styles)}
