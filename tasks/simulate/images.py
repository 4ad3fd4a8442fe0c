"""One image of a series as the bytes of a DICOM file."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tasks.simulate.headers import SeriesContext, ae_title, preamble, series_header
from tasks.simulate.phantom import Labels, render, tissue_labels, tissue_values
from tasks.simulate.protocols import SeriesPlan
from tasks.simulate.random_streams import stream
from tasks.simulate.subjects import clock
from tasks.simulate.text_encoding import copy_of, encoded
from tasks.simulate.vendors import Frame, add_frame_block, image_type

_IMPLEMENTATION_UID = UID("1.2.156.999999.1")
# Row and column direction of the localizer's three planes and of all other images (LPS).
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
_SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@dataclass(frozen=True)
class SeriesTemplate:
    """What the images of a series share, encoded once."""

    context: SeriesContext
    header: Dataset
    labels: Labels
    preamble: bytes
    ae_title: str


def make_template(context: SeriesContext) -> SeriesTemplate:
    """Return the shared part of a series; planting identifiers happens here."""
    scanner = context.scanner
    header = encoded(series_header(context), scanner.charset, implicit_vr=scanner.implicit_vr)
    return SeriesTemplate(
        context=context,
        header=header,
        labels=tissue_labels(context.plan, context.subject.lesion_seed),
        preamble=preamble(context),
        ae_title=ae_title(context),
    )


def sop_uid(context: SeriesContext, frame: Frame) -> str:
    """Return the SOPInstanceUID of one image."""
    return f"{context.series_uid}.{frame.instance_number}"


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
    _add_geometry(data, context.plan, frame)
    _add_contrasts(data, context.plan, frame)
    add_frame_block(data, context.scanner, context.plan, frame)
    _add_pixels(data, template, frame, seed)
    return data


def image_bytes(template: SeriesTemplate, frame: Frame, seed: int) -> bytes:
    """Return one image as a DICOM file."""
    return file_bytes(template, image_dataset(template, frame, seed))


def file_bytes(template: SeriesTemplate, data: Dataset) -> bytes:
    """Return a dataset as a DICOM file with this site's preamble and file meta."""
    implicit = template.context.scanner.implicit_vr
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = UID(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    meta.ImplementationVersionName = "SIMULATED"
    meta.SourceApplicationEntityTitle = template.ae_title
    data.file_meta = meta
    data.preamble = template.preamble
    stream_out = BytesIO()
    dcmwrite(stream_out, data, enforce_file_format=True)
    return stream_out.getvalue()


def _add_times(data: Dataset, context: SeriesContext, frame: Frame) -> None:
    plan = context.plan
    start = context.acquisition_s(frame.phase_index)
    seconds = start
    if plan.modality == "CT":
        seconds += 0.25 * frame.slice_index
    elif plan.physics.acquisition_type == "2D":
        seconds += 0.3 * frame.slice_index
    if frame.b_value is not None:
        volume = plan.b_values.index(frame.b_value)
        seconds += plan.physics.repetition_time_ms / 1000 * volume
    data.AcquisitionTime = clock(seconds)
    # Written when the image was reconstructed: later, and no guide to the phase.
    data.ContentTime = clock(seconds + 41.5)
    data.AcquisitionNumber = frame.phase_index + 1
    if len(plan.phases) > 1:
        data.TemporalPositionIdentifier = frame.phase_index + 1
        data.NumberOfTemporalPositions = len(plan.phases)
        data.TriggerTime = f"{(start - context.acquisition_s(0)) * 1000:.10g}"


def _add_geometry(data: Dataset, plan: SeriesPlan, frame: Frame) -> None:
    width = plan.columns * plan.pixel_mm / 2
    height = plan.rows * plan.pixel_mm / 2
    orientation, position = _AXIAL, (-width, -height, frame.slice_index * plan.spacing_mm - 40.0)
    if plan.localizer:
        orientation, position = (
            (_AXIAL, (-width, -height, 0.0)),
            (_CORONAL, (-width, 0.0, height)),
            (_SAGITTAL, (0.0, -width, height)),
        )[frame.slice_index]
    data.ImagePositionPatient = [_decimal(value) for value in position]
    data.ImageOrientationPatient = [_decimal(value) for value in orientation]
    data.SliceLocation = _decimal(position[2])
    data.PixelSpacing = [_decimal(plan.pixel_mm)] * 2


def _add_contrasts(data: Dataset, plan: SeriesPlan, frame: Frame) -> None:
    if plan.modality == "MR":
        data.EchoTime = _decimal(plan.physics.echo_times_ms[frame.echo_index])
        data.EchoNumbers = frame.echo_index + 1


def _add_pixels(data: Dataset, template: SeriesTemplate, frame: Frame, seed: int) -> None:
    plan = template.context.plan
    values = tissue_values(
        frame_label(plan, frame),
        plan.phases[frame.phase_index].contrast_phase,
        frame.b_value,
        template.context.subject.story.reference_class,
    )
    chance = stream(seed, "pixels", data.SOPInstanceUID)
    pixels = render(template.labels[frame.slice_index], values, chance, is_ct=plan.modality == "CT")
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = plan.rows, plan.columns
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    data.add_new("PixelData", "OW", pixels.tobytes())


def _decimal(value: float) -> str:
    return f"{value:.10g}"
