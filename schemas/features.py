"""What the later stages know of an instance: typed header values, no free text.

Harvested once from the raw header, while de-identifying; the same record comes from any
folder of DICOM when a stage runs alone. Descriptions are reduced to technique words
(`schemas.descriptors`) before they enter a record, so a name can never travel in one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, MutableSequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schemas.descriptors import clean_descriptor, read_agent_class
from schemas.functional_groups import read_frame_values

if TYPE_CHECKING:
    # Loading pydicom takes longer than reading the headers of a series without it.
    from pydicom.dataset import Dataset

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
    file_meta = getattr(header, "file_meta", None)
    found = InstanceFeatures(
        subject_id=subject_id,
        study_uid=_text(header, "StudyInstanceUID"),
        series_uid=_text(header, "SeriesInstanceUID"),
        sop_uid=_text(header, "SOPInstanceUID"),
        sop_class_uid=_text(header, "SOPClassUID"),
        frame_of_reference_uid=_text(header, "FrameOfReferenceUID"),
        transfer_syntax_uid=_text(file_meta, "TransferSyntaxUID") if file_meta else None,
        modality=_code(header, "Modality"),
        manufacturer=vendor_of(_text(header, "Manufacturer")),
        model=_model(header),
        patient_sex=_sex(header),
        patient_age_years=_age_years(header),
        study_date=_date(header, "StudyDate"),
        series_date=_date(header, "SeriesDate"),
        acquisition_date=_date(header, "AcquisitionDate") or _date(header, "AcquisitionDateTime"),
        study_time_s=_time_s(header, "StudyTime"),
        series_time_s=_time_s(header, "SeriesTime"),
        acquisition_time_s=_acquisition_time_s(header),
        content_time_s=_time_s(header, "ContentTime"),
        contrast_start_time_s=_contrast_start_time_s(header),
        trigger_time_ms=_number(header, "TriggerTime"),
        series_number=_integer(header, "SeriesNumber"),
        instance_number=_integer(header, "InstanceNumber"),
        acquisition_number=_integer(header, "AcquisitionNumber"),
        temporal_position=_integer(header, "TemporalPositionIdentifier"),
        images_in_acquisition=_integer(header, "ImagesInAcquisition"),
        series_instances=_integer(header, "NumberOfSeriesRelatedInstances"),
        image_type=_codes(header, "ImageType"),
        scanning_sequence=_codes(header, "ScanningSequence"),
        sequence_variant=_codes(header, "SequenceVariant"),
        scan_options=_codes(header, "ScanOptions"),
        mr_acquisition_type=_code(header, "MRAcquisitionType"),
        field_strength_raw=_number(header, "MagneticFieldStrength"),
        repetition_time_ms=_number(header, "RepetitionTime"),
        echo_time_ms=_number(header, "EchoTime"),
        inversion_time_ms=_number(header, "InversionTime"),
        flip_angle_deg=_number(header, "FlipAngle"),
        echo_train_length=_integer(header, "EchoTrainLength"),
        b_value=read_b_value(header),
        rows=_integer(header, "Rows"),
        columns=_integer(header, "Columns"),
        number_of_frames=_integer(header, "NumberOfFrames"),
        samples_per_pixel=_integer(header, "SamplesPerPixel"),
        bits_allocated=_integer(header, "BitsAllocated"),
        pixel_spacing_mm=_numbers(header, "PixelSpacing", 2),
        slice_thickness_mm=_number(header, "SliceThickness"),
        spacing_between_slices_mm=_number(header, "SpacingBetweenSlices"),
        position_lps=_numbers(header, "ImagePositionPatient", 3),
        orientation_lps=_numbers(header, "ImageOrientationPatient", 6),
        gantry_tilt_deg=_number(header, "GantryDetectorTilt"),
        agent_class=_agent_class(header),
        series_description=clean_descriptor(_text(header, "SeriesDescription") or ""),
        protocol_name=clean_descriptor(_text(header, "ProtocolName") or ""),
        sequence_name=clean_descriptor(_text(header, "SequenceName") or ""),
    )
    return _with_frames(found, header)


def features_of_sibling(
    known: InstanceFeatures, header: Dataset, changed: Collection[str]
) -> InstanceFeatures:
    """Return the features of a header that differs from a known one in these attributes only.

    Parameters
    ----------
    known : InstanceFeatures
        Of the other header.
    header : Dataset
        The header at hand.
    changed : collection of str
        Keywords, all of `PER_SLICE`.
    """
    values: dict[str, Any] = {}
    for keyword in changed:
        name, read = PER_SLICE[keyword]
        values[name] = read(header)
    return replace(known, **values)


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
        number = _as_number(value[0] if isinstance(value, MutableSequence) else value)
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
    if value is None or isinstance(value, bytes) or _holds_items(value):
        return None
    return str(value).strip() or None


def _holds_items(value: object) -> bool:
    """Return whether a value is that of a DICOM sequence, or empty."""
    if not isinstance(value, MutableSequence):
        return False
    return not (value and isinstance(value[0], str | int | float))


def _code(header: Dataset, keyword: str) -> str | None:
    codes = _codes(header, keyword)
    return codes[0] if codes else None


def _codes(header: Dataset, keyword: str) -> tuple[str, ...]:
    value = _raw(header, keyword)
    values: Iterable[object] = value if isinstance(value, MutableSequence) else [value]
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
    if isinstance(value, MutableSequence):
        value = value[0] if value else None
    return None if value is None else _as_number(value)


def _integer(header: Dataset, keyword: str) -> int | None:
    number = _number(header, keyword)
    return None if number is None or number != int(number) else int(number)


def _numbers(header: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    value = _raw(header, keyword)
    if not isinstance(value, MutableSequence) or len(value) != count:
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
    """Return the class that the agent's text or its code names.

    Notes
    -----
    Contrast Bolus Agent Sequence (0018,0012), DICOM PS3.3 C.7.6.4 and CID 12.
    """
    named = read_agent_class(_text(header, "ContrastBolusAgent") or "")
    if named is not None:
        return named
    classes = {
        read_agent_class(_text(item, "CodeMeaning") or "") or _AGENT_CODES.get(_code_value(item))
        for item in _items(header, "ContrastBolusAgentSequence")
    } - {None}
    return classes.pop() if len(classes) == 1 else None


#: SNOMED CT codes of agents in DICOM PS3.16 CID 12 and 13.
_AGENT_CODES = {"440223009": "gadoxetate"}


def _code_value(item: Dataset) -> str:
    return _text(item, "CodeValue") or ""


def _contrast_start_time_s(header: Dataset) -> float | None:
    """Return the start of injection; enhanced objects keep it in an administration profile."""
    start_s = _time_s(header, "ContrastBolusStartTime")
    if start_s is not None:
        return start_s
    starts = {
        _time_s(profile, "ContrastBolusStartTime")
        for agent in _items(header, "ContrastBolusAgentSequence")
        for profile in _items(agent, "ContrastAdministrationProfileSequence")
    } - {None}
    return starts.pop() if len(starts) == 1 else None


def _items(header: Dataset, keyword: str) -> Iterable[Dataset]:
    value = _raw(header, keyword)
    return value if isinstance(value, MutableSequence) and _holds_items(value) else ()


#: Attributes that slices of one series differ in, and the one field that each decides.
PER_SLICE: Mapping[str, tuple[str, Callable[[Dataset], object]]] = {
    "SOPInstanceUID": ("sop_uid", lambda header: _text(header, "SOPInstanceUID")),
    "InstanceNumber": ("instance_number", lambda header: _integer(header, "InstanceNumber")),
    "ImagePositionPatient": (
        "position_lps",
        lambda header: _numbers(header, "ImagePositionPatient", 3),
    ),
    "ImageOrientationPatient": (
        "orientation_lps",
        lambda header: _numbers(header, "ImageOrientationPatient", 6),
    ),
    "EchoTime": ("echo_time_ms", lambda header: _number(header, "EchoTime")),
    "DiffusionBValue": ("b_value", read_b_value),
    "ContentTime": ("content_time_s", lambda header: _time_s(header, "ContentTime")),
    "AcquisitionTime": ("acquisition_time_s", _acquisition_time_s),
    "TriggerTime": ("trigger_time_ms", lambda header: _number(header, "TriggerTime")),
    "AcquisitionNumber": (
        "acquisition_number",
        lambda header: _integer(header, "AcquisitionNumber"),
    ),
    "TemporalPositionIdentifier": (
        "temporal_position",
        lambda header: _integer(header, "TemporalPositionIdentifier"),
    ),
}
