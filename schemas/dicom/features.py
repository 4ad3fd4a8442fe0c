"""What the later stages know of an instance: typed header values, no free text.

Harvested once from the raw header, while de-identifying; the same record comes from any
folder of DICOM when a stage runs alone. Descriptions are reduced to technique words
(`schemas.dicom.descriptors`) before they enter a record, so a name can never travel in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

from schemas.dicom.device_identity import COIL_KEYWORDS, DEVICE_KEYWORDS, coil_id, device_id
from schemas.dicom.feature_values import (
    acquisition_date,
    acquisition_time_s,
    agent_class,
    code_of,
    codes_of,
    contrast_start_time_s,
    date_of,
    integer_of,
    manufacturer,
    may_tell_private_field,
    model,
    number_of,
    numbers_of,
    patient_sex,
    read_b_value,
    read_mosaic_tiles,
    text_of,
    time_s_of,
    transfer_syntax,
    words_of,
)
from schemas.dicom.functional_groups import read_frame_values
from schemas.record_copies import Copies

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


#: Fields that private attributes may tell.
PRIVATE_FIELDS = ("b_value", "mosaic_tiles")


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceFeatures:
    """Header facts of one instance.

    Lengths are in mm, times of day in seconds since midnight, durations in ms as DICOM has
    them. `position_lps` and `orientation_lps` are ImagePositionPatient and
    ImageOrientationPatient (DICOM LPS). UIDs and dates are the de-identified ones when the
    record comes out of de-identification, and as delivered when a stage runs alone. Absent
    or unreadable values are None, never a default.
    """

    subject_id: str | None
    study_uid: str | None
    series_uid: str | None
    sop_uid: str | None
    sop_class_uid: str | None
    frame_of_reference_uid: str | None = None
    transfer_syntax_uid: str | None = None
    modality: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    patient_sex: str | None = None
    study_date: str | None = None
    series_date: str | None = None
    acquisition_date: str | None = None
    acquisition_time_s: float | None = None
    content_time_s: float | None = None
    contrast_start_time_s: float | None = None
    trigger_time_ms: float | None = None
    series_number: int | None = None
    instance_number: int | None = None
    acquisition_number: int | None = None
    temporal_position: int | None = None
    images_in_acquisition: int | None = None
    series_instances: int | None = None
    image_type: tuple[str, ...] = ()
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    scan_options: tuple[str, ...] = ()
    mr_acquisition_type: str | None = None
    field_strength_raw: float | None = None
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    echo_train_length: int | None = None
    b_value: float | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    samples_per_pixel: int | None = None
    bits_allocated: int | None = None
    pixel_spacing_mm: tuple[float, ...] = ()
    slice_thickness_mm: float | None = None
    spacing_between_slices_mm: float | None = None
    position_lps: tuple[float, ...] = ()
    orientation_lps: tuple[float, ...] = ()
    gantry_tilt_deg: float | None = None
    patient_position: str | None = None
    agent_class: str | None = None
    # What a CT image was made from and with: kilovolts of the tube, reconstruction kernel.
    kvp: float | None = None
    convolution_kernel: tuple[str, ...] = ()
    body_part: str | None = None
    # Of what livercohort itself has just written: codes under the project's key and the site.
    device_id: str | None = None
    coil_id: str | None = None
    series_description: str = ""
    protocol_name: str = ""
    sequence_name: str = ""
    # Of a multi-frame object or a grid of slices: one value per frame, flat (three numbers of
    # a position after another); empty where no frame has one. See `schemas.dicom.frames`.
    frame_number: int | None = None
    grid_across: int | None = None
    # Slices that a Siemens mosaic shows beside each other in one image.
    mosaic_tiles: int | None = None
    frame_positions_lps: tuple[float, ...] = ()
    frame_orientations_lps: tuple[float, ...] = ()
    frame_pixel_spacings_mm: tuple[float, ...] = ()
    frame_types: tuple[str, ...] = ()
    frame_echo_times_ms: tuple[float, ...] = ()
    frame_b_values: tuple[float, ...] = ()
    frame_trigger_times_ms: tuple[float, ...] = ()
    frame_times_s: tuple[float, ...] = ()
    frame_temporal_positions: tuple[int, ...] = ()
    frame_acquisition_numbers: tuple[int, ...] = ()


_COPIES = Copies(InstanceFeatures)
#: Stands for what frames say, among the names of fields.
FRAMES = "frames"
#: Fields that hold a code in what livercohort wrote, and anything in what was delivered.
_OF_WRITTEN = frozenset({"device_id", "coil_id"})


def read_features(
    header: Dataset,
    *,
    subject_id: str | None = None,
    just_written: bool = False,
    on_field: Callable[[str], None] = lambda _: None,
) -> InstanceFeatures:
    """Harvest the features of one header; a value that cannot be read is absent, not an error.

    Parameters
    ----------
    header : Dataset
        A DICOM header, raw or de-identified; pixel data is not looked at.
    subject_id : str, optional
        The pseudonym; without it the record has no subject.
    just_written : bool
        Whether this is what the caller itself rebuilt. Of any other object, whatever it says of
        itself, scanner and coil are not read.
    on_field : callable, optional
        Told the name of each field before it is read, `FRAMES` before what frames say: so a
        header that counts what it is asked for knows which field depends on which attribute.
    """
    read = {}
    for name, field in _fields().items():
        if name in _OF_WRITTEN and not just_written:
            continue
        on_field(name)
        read[name] = field.read(header)
    on_field(FRAMES)
    return _with_frames(InstanceFeatures(subject_id=subject_id, **read), header)


def fields_of_tags(tags: Iterable[int]) -> tuple[str, ...]:
    """Return the fields that read any of these attributes; private ones may tell some."""
    found = {name for tag in tags for name in _fields_of_tag(tag)}
    return tuple(name for name in _fields() if name in found)


@lru_cache(maxsize=4096)
def _fields_of_tag(tag: int) -> tuple[str, ...]:
    from pydicom.datadict import keyword_for_tag

    told = PRIVATE_FIELDS if may_tell_private_field(tag) else ()
    if tag >> 16 & 1:
        return told
    keyword = keyword_for_tag(tag)
    return (*told, *(name for name, field in _fields().items() if keyword in field.keywords))


def reread_features(
    known: InstanceFeatures, header: Dataset, fields: Iterable[str]
) -> InstanceFeatures:
    """Return `known` with some fields read from another header of a single-frame object.

    What frames say of themselves is not read again: multi-frame objects need `read_features`.
    """
    return _COPIES.changed(known, read_fields(header, fields))


def read_fields(header: Dataset, fields: Iterable[str]) -> dict[str, Any]:
    """Return some fields as `read_features` would read them, by name."""
    readers = _fields()
    return {name: readers[name].read(header) for name in fields}


def _with_frames(found: InstanceFeatures, header: Dataset) -> InstanceFeatures:
    """Add what each frame says of itself; a value of the object itself goes before a frame's."""
    values = read_frame_values(header)
    if not values:
        return found
    known = {name for name in values if getattr(found, name) not in (None, ())}
    return replace(found, **{name: v for name, v in values.items() if name not in known})


@dataclass(frozen=True)
class _Field:
    """How a field is read, and from which attributes."""

    read: Callable[[Dataset], Any]
    keywords: tuple[str, ...]


def _each(read: Callable[..., Any], **keywords: str) -> dict[str, _Field]:
    return {name: _Field(partial(read, keyword=k), (k,)) for name, k in keywords.items()}


@cache
def _fields() -> dict[str, _Field]:
    return {
        **_each(
            text_of,
            study_uid="StudyInstanceUID",
            series_uid="SeriesInstanceUID",
            sop_uid="SOPInstanceUID",
            sop_class_uid="SOPClassUID",
            frame_of_reference_uid="FrameOfReferenceUID",
        ),
        **_each(
            code_of,
            modality="Modality",
            mr_acquisition_type="MRAcquisitionType",
            patient_position="PatientPosition",
            body_part="BodyPartExamined",
        ),
        **_each(date_of, study_date="StudyDate", series_date="SeriesDate"),
        **_each(
            time_s_of,
            content_time_s="ContentTime",
        ),
        **_each(
            number_of,
            trigger_time_ms="TriggerTime",
            field_strength_raw="MagneticFieldStrength",
            repetition_time_ms="RepetitionTime",
            echo_time_ms="EchoTime",
            inversion_time_ms="InversionTime",
            flip_angle_deg="FlipAngle",
            slice_thickness_mm="SliceThickness",
            spacing_between_slices_mm="SpacingBetweenSlices",
            gantry_tilt_deg="GantryDetectorTilt",
            kvp="KVP",
        ),
        **_each(
            integer_of,
            series_number="SeriesNumber",
            instance_number="InstanceNumber",
            acquisition_number="AcquisitionNumber",
            temporal_position="TemporalPositionIdentifier",
            images_in_acquisition="ImagesInAcquisition",
            series_instances="NumberOfSeriesRelatedInstances",
            echo_train_length="EchoTrainLength",
            rows="Rows",
            columns="Columns",
            number_of_frames="NumberOfFrames",
            samples_per_pixel="SamplesPerPixel",
            bits_allocated="BitsAllocated",
        ),
        **_each(
            codes_of,
            image_type="ImageType",
            scanning_sequence="ScanningSequence",
            sequence_variant="SequenceVariant",
            scan_options="ScanOptions",
            convolution_kernel="ConvolutionKernel",
        ),
        **_each(partial(numbers_of, count=2), pixel_spacing_mm="PixelSpacing"),
        **_each(partial(numbers_of, count=3), position_lps="ImagePositionPatient"),
        **_each(partial(numbers_of, count=6), orientation_lps="ImageOrientationPatient"),
        **_each(
            words_of,
            series_description="SeriesDescription",
            protocol_name="ProtocolName",
            sequence_name="SequenceName",
        ),
        "device_id": _Field(device_id, DEVICE_KEYWORDS),
        "coil_id": _Field(coil_id, COIL_KEYWORDS),
        "transfer_syntax_uid": _Field(transfer_syntax, ()),
        "manufacturer": _Field(manufacturer, ("Manufacturer",)),
        "model": _Field(model, ("ManufacturerModelName",)),
        "patient_sex": _Field(patient_sex, ("PatientSex",)),
        "acquisition_date": _Field(acquisition_date, ("AcquisitionDate", "AcquisitionDateTime")),
        "acquisition_time_s": _Field(
            acquisition_time_s, ("AcquisitionTime", "AcquisitionDateTime")
        ),
        "b_value": _Field(read_b_value, ("DiffusionBValue",)),
        "mosaic_tiles": _Field(read_mosaic_tiles, ("ImageType",)),
        "agent_class": _Field(agent_class, ("ContrastBolusAgent", "ContrastBolusAgentSequence")),
        "contrast_start_time_s": _Field(
            contrast_start_time_s, ("ContrastBolusStartTime", "ContrastBolusAgentSequence")
        ),
    }
