"""Screens and papers sent beside images: secondary captures with the person's name on them."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from tasks.simulate.answer_key import Kind
from tasks.simulate.images.burned_text import text_mask
from tasks.simulate.images.headers import SeriesContext

_SHAPE = (96, 128)
_DARK, _WHITE = 24, 255


def plant_capture(context: SeriesContext, what: str) -> None:
    """Note for the answer key what a screen or paper shows of a person."""
    place = f"pixels: {what}"
    context.ledger.plant(context.subject.person.name_glued, Kind.NAME_PINYIN, place)
    context.ledger.plant(context.exam.patient_id, Kind.PATIENT_ID, place)


def to_screen_save(data: Dataset, context: SeriesContext) -> None:
    """Turn an image into a screen that somebody saved beside it."""
    _to_capture(data, (context.subject.person.name_glued, context.exam.patient_id))
    data.SeriesInstanceUID = f"{context.exam.study_uid}.990"
    data.SOPInstanceUID = f"{data.SeriesInstanceUID}.1"
    data.SeriesNumber, data.InstanceNumber = 990, 1
    data.SeriesDescription = "Screen Save"
    data.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]


def to_dose_report(data: Dataset, context: SeriesContext) -> None:
    """Turn a data set into the page of doses that a CT console draws."""
    plan, person = context.plan, context.subject.person
    _to_capture(
        data,
        (
            "DOSE REPORT", person.name_glued, context.exam.patient_id,
            f"{context.exam.date:%Y%m%d}", "CTDIVOL 12 4", f"DLP {410 + plan.number}",
        ),
    )  # fmt: skip


def _to_capture(data: Dataset, lines: tuple[str, ...]) -> None:
    pixels = np.full((*_SHAPE, 3), _DARK, dtype=np.uint8)
    for index, line in enumerate(lines):
        pixels[text_mask(line, _SHAPE, row=8 + 12 * index, column=6)] = _WHITE
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.ConversionType = "WSD"
    data.BurnedInAnnotation = "YES"
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
    data.PlanarConfiguration = 0
    data.PixelRepresentation = 0
    data.Rows, data.Columns = _SHAPE
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.add_new("PixelData", "OW", pixels.tobytes())
    for keyword in ("RescaleIntercept", "RescaleSlope", "RescaleType"):
        if keyword in data:
            delattr(data, keyword)
