"""One image of a series as the bytes of a DICOM file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from tasks.simulate.images.geometry import plane_of, sheet_position, tiles_down_and_across
from tasks.simulate.images.headers import SeriesContext, ae_title, preamble, series_header
from tasks.simulate.images.image_types import image_type
from tasks.simulate.images.packing import add_pixels, transfer_syntax
from tasks.simulate.images.phantom import (
    Labels,
    Pixels,
    render,
    scout_values,
    tissue_labels,
    tissue_values,
)
from tasks.simulate.images.private_blocks import add_frame_block
from tasks.simulate.images.secondary_capture import to_dose_report
from tasks.simulate.images.vendors import Frame
from tasks.simulate.people.hospitals import Packing, Scanner, Tiles
from tasks.simulate.people.protocols import SeriesPlan
from tasks.simulate.people.subjects import clock
from tasks.simulate.people.text_encoding import copy_of, encoded
from tasks.simulate.people.views import View
from tasks.simulate.random_streams import stream

_IMPLEMENTATION_UID = UID("1.2.156.999999.1")


@dataclass(frozen=True)
class SeriesTemplate:
    """What the images of a series share; who only plans an export never pays for the encoding."""

    context: SeriesContext
    values: Dataset
    preamble: bytes
    ae_title: str

    @cached_property
    def header(self) -> Dataset:
        """The shared elements as raw bytes, encoded once."""
        scanner = self.context.scanner
        return encoded(self.values, scanner.charset, implicit_vr=scanner.implicit_vr)

    @property
    def labels(self) -> Labels:
        """The tissue of every voxel; series of one person and geometry share it."""
        return tissue_labels(self.context.plan, self.context.subject.lesion_seed)


def make_template(context: SeriesContext) -> SeriesTemplate:
    """Return the shared part of a series; planting identifiers happens here."""
    return SeriesTemplate(
        context=context,
        values=series_header(context),
        preamble=preamble(context),
        ae_title=ae_title(context),
    )


def sop_uid(context: SeriesContext, frame: Frame) -> str:
    """Return the SOPInstanceUID of one image."""
    number = 1 if context.enhanced else frame.instance_number
    return f"{context.series_uid}.{number}"


def frame_label(plan: SeriesPlan, frame: Frame) -> str:
    """Return the canonical label of one image: what its sub-stack will be called."""
    if plan.name_key == "MR_T1_IPOP":
        return ("MR_T1_OP", "MR_T1_IP")[frame.echo_index]
    return plan.phases[frame.phase_index].label


def image_dataset(template: SeriesTemplate, frame: Frame, seed: int) -> Dataset:
    """Return the dataset of one image, without file meta."""
    context = template.context
    scanner = context.scanner
    data = copy_of(template.header, scanner.charset, implicit_vr=scanner.implicit_vr)
    data.SOPInstanceUID = sop_uid(context, frame)
    data.InstanceNumber = frame.instance_number
    data.ImageType = image_type(scanner.vendor, context.plan)
    _add_times(data, context, frame)
    if context.plan.name_key == "DOSE_REPORT":
        to_dose_report(data, context)
        return data
    _add_geometry(data, context.plan, frame)
    _add_contrasts(data, context.plan, frame)
    add_frame_block(data, context.scanner, context.plan, frame)
    add_pixels(data, [frame_pixels(template, frame, seed)], scanner.packing)
    return data


def image_bytes(template: SeriesTemplate, frame: Frame, seed: int) -> bytes:
    """Return one image as a DICOM file."""
    return file_bytes(template, image_dataset(template, frame, seed))


def file_bytes(template: SeriesTemplate, data: Dataset) -> bytes:
    """Return a dataset as a DICOM file with this site's preamble and file meta."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    coded = data["PixelData"].is_undefined_length if "PixelData" in data else True
    scanner = template.context.scanner
    native = replace(scanner, packing=Packing.NATIVE)
    meta.TransferSyntaxUID = transfer_syntax(scanner if coded or _whole(scanner) else native)
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    meta.ImplementationVersionName = "SIMULATED"
    meta.SourceApplicationEntityTitle = template.ae_title
    data.file_meta = meta
    data.preamble = template.preamble
    stream_out = BytesIO()
    dcmwrite(stream_out, data, enforce_file_format=True)
    return stream_out.getvalue()


def _whole(scanner: Scanner) -> bool:
    """Whether the packing is of the whole data set, not of its pixels."""
    return scanner.packing is Packing.DEFLATED


def frame_seconds(context: SeriesContext, frame: Frame) -> float:
    """Return when an image was acquired, seconds since midnight."""
    plan = context.plan
    seconds = context.acquisition_s(frame.phase_index)
    if plan.modality == "CT":
        seconds += 0.25 * frame.slice_index
    elif plan.physics.acquisition_type == "2D":
        seconds += 0.3 * frame.slice_index
    if frame.b_value is not None:
        volume = plan.b_values.index(frame.b_value)
        seconds += plan.physics.repetition_time_ms / 1000 * volume
    return seconds


def _add_times(data: Dataset, context: SeriesContext, frame: Frame) -> None:
    plan, seconds = context.plan, frame_seconds(context, frame)
    start = context.acquisition_s(frame.phase_index)
    data.AcquisitionTime = clock(seconds)
    # Written when the image was reconstructed: later, and no guide to the phase.
    data.ContentTime = clock(seconds + 41.5)
    data.AcquisitionNumber = frame.phase_index + 1
    if len(plan.phases) > 1:
        data.TemporalPositionIdentifier = frame.phase_index + 1
        data.NumberOfTemporalPositions = len(plan.phases)
        data.TriggerTime = f"{(start - context.acquisition_s(0)) * 1000:.10g}"


def _add_geometry(data: Dataset, plan: SeriesPlan, frame: Frame) -> None:
    plane = plane_of(plan, frame.slice_index)
    position = sheet_position(plan) if plan.tiles is Tiles.MOSAIC else plane.position
    data.ImagePositionPatient = [_decimal(value) for value in position]
    data.ImageOrientationPatient = [_decimal(value) for value in plane.orientation]
    along = sum(p * n for p, n in zip(plane.position, plane.normal, strict=True))
    data.SliceLocation = _decimal(along + 0.0)
    data.PixelSpacing = [_decimal(plan.pixel_mm)] * 2


def _add_contrasts(data: Dataset, plan: SeriesPlan, frame: Frame) -> None:
    if plan.modality == "MR":
        data.EchoTime = _decimal(plan.physics.echo_times_ms[frame.echo_index])
        data.EchoNumbers = frame.echo_index + 1


def frame_pixels(template: SeriesTemplate, frame: Frame, seed: int) -> Pixels:
    """Return the stored pixels of one image; tiles show all slices of a volume."""
    context = template.context
    plan = context.plan
    values = _values(context, frame)
    chance = stream(seed, "pixels", context.series_uid, frame.instance_number)
    wanted = range(plan.n_slices) if plan.tiles else (frame.slice_index,)
    slices = [
        render(template.labels[i], values, chance, is_ct=plan.modality == "CT") for i in wanted
    ]
    return _side_by_side(slices, plan.tiles) if plan.tiles else slices[0]


def _side_by_side(slices: list[Pixels], tiles: Tiles) -> Pixels:
    rows, columns = slices[0].shape
    down, across = tiles_down_and_across(len(slices), tiles)
    sheet = np.zeros((rows * down, columns * across), dtype="<u2")
    for index, one in enumerate(slices):
        top, left = index // across * rows, index % across * columns
        sheet[top : top + rows, left : left + columns] = one
    return sheet


def _values(context: SeriesContext, frame: Frame) -> NDArray[np.float64]:
    plan = context.plan
    if plan.view is View.SCOUT:
        return scout_values()
    phase = plan.phases[frame.phase_index]
    label = frame_label(plan, frame)
    if label == "REFORMAT" and plan.modality == "CT":
        label = "CT_CE"  # the label says only that it is a reformat, not what it shows
    return tissue_values(label, phase, frame.b_value, context.subject.story.reference_class)


def _decimal(value: float) -> str:
    return f"{value:.10g}"
