"""What the later stages know of an instance: typed header values, no free text.

Harvested once from the raw header, while de-identifying; the same record comes from any
folder of DICOM when a stage runs alone. Descriptions are reduced to technique words
(`schemas.descriptors`) before they enter a record, so a name can never travel in one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as SqItems

from schemas.descriptors import clean_descriptor, read_agent_class
from schemas.functional_groups import read_frame_values

_CODE = re.compile(r"[A-Z0-9_ \-]{1,40}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+()-]{0,31}")
_TIME = re.compile(r"(\d{2})(\d{2})?(\d{2})?(\.\d{1,6})?")


@dataclass(frozen=True, kw_only=True)
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
    patient_age_years: float | None = None
    study_date: str | None = None
    series_date: str | None = None
    acquisition_date: str | None = None
    study_time_s: float | None = None
    series_time_s: float | None = None
    acquisition_time_s: float | None = None
    content_time_s: float | None = None
    contrast_start_time_s: float | None = None
    trigger_time_ms: float | None = None
    series_number: int | None = None
    instance_number: int | None = None
    acquisition_number: int | None = None
    temporal_position: int | None = None
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
    agent_class: str | None = None
    series_description: str = ""
    protocol_name: str = ""
    sequence_name: str = ""
    # Of a multi-frame object or a grid of slices: one value per frame, flat (three numbers of
    # a position after another); empty where no frame has one. See `schemas.frames`.
    frame_number: int | None = None
    grid_across: int | None = None
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


def read_features(header: Dataset, *, subject_id: str | None = None) -> InstanceFeatures:
    """Harvest the features of one header; a value that cannot be read is absent, not an error.

    Parameters
    ----------
    header : Dataset
        A DICOM header, raw or de-identified; pixel data is not looked at.
    subject_id : str, optional
        The pseudonym; without it the record has no subject.
    """
    read = {name: field.read(header) for name, field in _fields().items()}
    return _with_frames(InstanceFeatures(subject_id=subject_id, **read), header)


def fields_of_tags(tags: Iterable[int]) -> tuple[str, ...]:
    """Return the fields that read any of these attributes; private ones may tell a b-value."""
    keywords = {keyword_for_tag(tag) for tag in tags if tag >> 16 & 1 == 0}
    private = any(tag >> 16 & 1 for tag in tags)
    return tuple(
        name
        for name, field in _fields().items()
        if keywords & set(field.keywords) or (private and name == "b_value")
    )


def reread_features(
    known: InstanceFeatures, header: Dataset, fields: Iterable[str]
) -> InstanceFeatures:
    """Return `known` with some fields read from another header of a single-frame object.

    What frames say of themselves is not read again: multi-frame objects need `read_features`.
    """
    return replace(known, **{name: _fields()[name].read(header) for name in fields})


def _with_frames(found: InstanceFeatures, header: Dataset) -> InstanceFeatures:
    """Add what each frame says of itself; a value of the object itself goes before a frame's."""
    values = read_frame_values(header)
    if not values:
        return found
    known = {name for name in values if getattr(found, name) not in (None, ())}
    return replace(found, **{name: v for name, v in values.items() if name not in known})


def vendor_of(manufacturer: str | None) -> str | None:
    """Return the vendor's one name in this project, or None for one we do not know."""
    text = (manufacturer or "").upper()
    for needle, vendor in (
        ("SIEMENS", "Siemens"),
        ("GE MEDICAL", "GE"),
        ("GE HEALTHCARE", "GE"),
        ("PHILIPS", "Philips"),
        ("UIH", "UIH"),
        ("UNITED IMAGING", "UIH"),
        ("CANON", "Canon"),
        ("TOSHIBA", "Canon"),
        ("NEUSOFT", "Neusoft"),
        ("HITACHI", "Hitachi"),
        ("FUJIFILM", "Fujifilm"),
    ):
        if needle in text:
            return vendor
    return None


def read_b_value(header: Dataset) -> float | None:
    """Return the b-value in s/mm2 from the public or the vendor's private attribute.

    Sources: DICOM PS3.3 C.8.13.5.9 (0018,9087); Siemens (0019,100C); GE (0043,1039), where
    1e9 may be added to the value; Philips (2001,1003); UIH (0065,1009). Private attributes
    are found by their creator, wherever its block lies.
    """
    public = _number(header, "DiffusionBValue")
    if public is not None:
        return public
    for group, creator, offset in (
        (0x0019, "SIEMENS MR HEADER", 0x0C),
        (0x0043, "GEMS_PARM_01", 0x39),
        (0x2001, "Philips Imaging DD 001", 0x03),
        (0x0065, "Image Private Header", 0x09),
    ):
        try:
            value = header.private_block(group, creator)[offset].value
        except Exception:  # noqa: S112 - no such block, or one that cannot be decoded
            continue
        number = _as_number(value[0] if isinstance(value, MultiValue | list) else value)
        if number is not None and number >= 0:
            return number % 1e9 if creator == "GEMS_PARM_01" else number
    return None


def _raw(header: Dataset | None, keyword: str) -> object:
    # A broken element raises on access (wrong VR, undecodable, absurd length); for a record
    # of optional values that is the same as absent. The object itself is judged elsewhere.
    try:
        return getattr(header, keyword, None)
    except Exception:
        return None


def _text(header: Dataset | None, keyword: str) -> str | None:
    value = _raw(header, keyword)
    if value is None or isinstance(value, SqItems | bytes):
        return None
    return str(value).strip() or None


def _code(header: Dataset, keyword: str) -> str | None:
    codes = _codes(header, keyword)
    return codes[0] if codes else None


def _codes(header: Dataset, keyword: str) -> tuple[str, ...]:
    value = _raw(header, keyword)
    values: Iterable[object] = value if isinstance(value, MultiValue | list) else [value]
    texts = (str(v).strip().upper() for v in values if v is not None)
    return tuple(t for t in texts if _CODE.fullmatch(t))


def _as_number(value: object) -> float | None:
    try:
        number = float(str(value))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _number(header: Dataset, keyword: str) -> float | None:
    value = _raw(header, keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    return None if value is None else _as_number(value)


def _integer(header: Dataset, keyword: str) -> int | None:
    number = _number(header, keyword)
    return None if number is None or number != int(number) else int(number)


def _numbers(header: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    value = _raw(header, keyword)
    if not isinstance(value, MultiValue | list) or len(value) != count:
        return ()
    numbers = [_as_number(v) for v in value]
    return tuple(n for n in numbers if n is not None) if None not in numbers else ()


def _date(header: Dataset, keyword: str) -> str | None:
    text = (_text(header, keyword) or "")[:8]
    return text if re.fullmatch(r"(18|19|20|21)\d{6}", text) else None


def _time_s(header: Dataset, keyword: str, *, skip: int = 0) -> float | None:
    match = _TIME.match((_text(header, keyword) or "")[skip:].replace(":", ""))
    if match is None:
        return None
    hours, minutes, seconds = (int(g) if g else 0 for g in match.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return hours * 3600 + minutes * 60 + seconds + float(match.group(4) or 0)


def _acquisition_time_s(header: Dataset) -> float | None:
    time_s = _time_s(header, "AcquisitionTime")
    return _time_s(header, "AcquisitionDateTime", skip=8) if time_s is None else time_s


def _acquisition_date(header: Dataset) -> str | None:
    return _date(header, "AcquisitionDate") or _date(header, "AcquisitionDateTime")


def _transfer_syntax(header: Dataset) -> str | None:
    file_meta = getattr(header, "file_meta", None)
    return _text(file_meta, "TransferSyntaxUID") if file_meta else None


def _manufacturer(header: Dataset) -> str | None:
    return vendor_of(_text(header, "Manufacturer"))


def _words(header: Dataset, keyword: str) -> str:
    return clean_descriptor(_text(header, keyword) or "")


def _model(header: Dataset) -> str | None:
    text = _text(header, "ManufacturerModelName") or ""
    return text if _MODEL.fullmatch(text) else None


def _sex(header: Dataset) -> str | None:
    sex = _code(header, "PatientSex")
    return sex if sex in ("M", "F") else None


def _age_years(header: Dataset) -> float | None:
    match = re.fullmatch(r"(\d{3})([DWMY])", _text(header, "PatientAge") or "")
    if match is None:
        return None
    per_year = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match.group(2)]
    return min(int(match.group(1)) / per_year, 90.0)


def _agent_class(header: Dataset) -> str | None:
    return read_agent_class(_text(header, "ContrastBolusAgent") or "")


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
            _text,
            study_uid="StudyInstanceUID",
            series_uid="SeriesInstanceUID",
            sop_uid="SOPInstanceUID",
            sop_class_uid="SOPClassUID",
            frame_of_reference_uid="FrameOfReferenceUID",
        ),
        **_each(_code, modality="Modality", mr_acquisition_type="MRAcquisitionType"),
        **_each(_date, study_date="StudyDate", series_date="SeriesDate"),
        **_each(
            _time_s,
            study_time_s="StudyTime",
            series_time_s="SeriesTime",
            content_time_s="ContentTime",
            contrast_start_time_s="ContrastBolusStartTime",
        ),
        **_each(
            _number,
            trigger_time_ms="TriggerTime",
            field_strength_raw="MagneticFieldStrength",
            repetition_time_ms="RepetitionTime",
            echo_time_ms="EchoTime",
            inversion_time_ms="InversionTime",
            flip_angle_deg="FlipAngle",
            slice_thickness_mm="SliceThickness",
            spacing_between_slices_mm="SpacingBetweenSlices",
            gantry_tilt_deg="GantryDetectorTilt",
        ),
        **_each(
            _integer,
            series_number="SeriesNumber",
            instance_number="InstanceNumber",
            acquisition_number="AcquisitionNumber",
            temporal_position="TemporalPositionIdentifier",
            echo_train_length="EchoTrainLength",
            rows="Rows",
            columns="Columns",
            number_of_frames="NumberOfFrames",
            samples_per_pixel="SamplesPerPixel",
            bits_allocated="BitsAllocated",
        ),
        **_each(
            _codes,
            image_type="ImageType",
            scanning_sequence="ScanningSequence",
            sequence_variant="SequenceVariant",
            scan_options="ScanOptions",
        ),
        **_each(partial(_numbers, count=2), pixel_spacing_mm="PixelSpacing"),
        **_each(partial(_numbers, count=3), position_lps="ImagePositionPatient"),
        **_each(partial(_numbers, count=6), orientation_lps="ImageOrientationPatient"),
        **_each(
            _words,
            series_description="SeriesDescription",
            protocol_name="ProtocolName",
            sequence_name="SequenceName",
        ),
        "transfer_syntax_uid": _Field(_transfer_syntax, ()),
        "manufacturer": _Field(_manufacturer, ("Manufacturer",)),
        "model": _Field(_model, ("ManufacturerModelName",)),
        "patient_sex": _Field(_sex, ("PatientSex",)),
        "patient_age_years": _Field(_age_years, ("PatientAge",)),
        "acquisition_date": _Field(_acquisition_date, ("AcquisitionDate", "AcquisitionDateTime")),
        "acquisition_time_s": _Field(
            _acquisition_time_s, ("AcquisitionTime", "AcquisitionDateTime")
        ),
        "b_value": _Field(read_b_value, ("DiffusionBValue",)),
        "agent_class": _Field(_agent_class, ("ContrastBolusAgent",)),
    }
