"""Single values of a DICOM header: typed, or absent where they cannot be read.

Headers answer by keyword: a pydicom Dataset, or a scanned header that stands in for one, so
nothing here loads pydicom, which takes longer than reading the headers of a series without it.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, MutableSequence
from typing import TYPE_CHECKING, NamedTuple

from schemas.dicom.descriptors import clean_descriptor, read_agent_class

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class PrivatePlace(NamedTuple):
    """Where a vendor tells something: group, creator, element in its block.

    `vr` is what implicit VR and UN do not say, and what the vendor writes in explicit VR.
    """

    group: int
    creator: str
    offset: int
    vr: str


#: Where a private attribute tells the b-value.
_B_VALUES = (
    PrivatePlace(0x0019, "SIEMENS MR HEADER", 0x0C, "IS"),
    PrivatePlace(0x0043, "GEMS_PARM_01", 0x39, "IS"),
    PrivatePlace(0x2001, "Philips Imaging DD 001", 0x03, "FL"),
    PrivatePlace(0x0065, "Image Private Header", 0x09, "FD"),
)
_MOSAIC_TILES = PrivatePlace(0x0019, "SIEMENS MR HEADER", 0x0A, "US")
_PRIVATE_VRS = {(p.creator, p.offset): p.vr for p in (*_B_VALUES, _MOSAIC_TILES)}
_DOUBLE = struct.Struct("<d")
_CODE = re.compile(r"[A-Z0-9_ \-]{1,40}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+()-]{0,31}")
_TIME = re.compile(r"(\d{2})(\d{2})?(\d{2})?(\.\d{1,6})?")
#: SNOMED CT codes of agents in DICOM PS3.16 CID 12 and 13.
_AGENT_CODES = {"440223009": "gadoxetate"}


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
    public = number_of(header, "DiffusionBValue")
    if public is not None:
        return public
    for group, creator, offset, vr in _B_VALUES:
        try:
            value = header.private_block(group, creator)[offset].value
        except Exception:  # noqa: S112 - no such block, or one that cannot be decoded
            continue
        if isinstance(value, bytes) and vr == "FD" and len(value) == _DOUBLE.size:
            # pydicom does not know this one either, and leaves it as it stands.
            value = _DOUBLE.unpack(value)[0]
        number = _as_number(value[0] if isinstance(value, MutableSequence) else value)
        if number is not None and number >= 0:
            return number % 1e9 if creator == "GEMS_PARM_01" else number
    return None


def read_mosaic_tiles(header: Dataset) -> int | None:
    """Return how many slices a Siemens mosaic shows, (0019,100A); None for another image."""
    if "MOSAIC" not in codes_of(header, "ImageType"):
        return None
    group, creator, offset, _ = _MOSAIC_TILES
    try:
        value = header.private_block(group, creator)[offset].value
    except Exception:
        # No such block, or one that cannot be decoded.
        return None
    number = _as_number(value)
    return int(number) if number is not None and number >= 1 and number == int(number) else None


def private_vr(creator: str, offset: int) -> str:
    """Return the VR of a private attribute that features are read from; empty for any other."""
    return _PRIVATE_VRS.get((creator, offset), "")


def may_tell_private_field(tag: int) -> bool:
    """Return whether an attribute may tell a private b-value or tiles, or whose its block is."""
    places = (*_B_VALUES, _MOSAIC_TILES)
    offsets = {place.offset for place in places if tag >> 16 == place.group}
    return bool(offsets) and (tag & 0xFFFF < 0x100 or tag & 0xFF in offsets)


def _raw(header: Dataset | None, keyword: str) -> object:
    # A broken element raises on access (wrong VR, undecodable, absurd length); for a record
    # of optional values that is the same as absent. The object itself is judged elsewhere.
    try:
        return getattr(header, keyword, None)
    except Exception:
        return None


def text_of(header: Dataset | None, keyword: str) -> str | None:
    """Return a text without its padding; None for bytes and sequences."""
    value = _raw(header, keyword)
    if value is None or isinstance(value, bytes) or _holds_items(value):
        return None
    return str(value).strip() or None


def _holds_items(value: object) -> bool:
    """Return whether a value is that of a DICOM sequence, or empty."""
    if not isinstance(value, MutableSequence):
        return False
    return not (value and isinstance(value[0], str | int | float))


def code_of(header: Dataset, keyword: str) -> str | None:
    """Return the first coded value."""
    codes = codes_of(header, keyword)
    return codes[0] if codes else None


def codes_of(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the coded values that are well formed, upper case."""
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


def number_of(header: Dataset, keyword: str) -> float | None:
    """Return a finite number, the first of several."""
    value = _raw(header, keyword)
    if isinstance(value, MutableSequence):
        value = value[0] if value else None
    return None if value is None else _as_number(value)


def integer_of(header: Dataset, keyword: str) -> int | None:
    """Return a whole number."""
    number = number_of(header, keyword)
    return None if number is None or number != int(number) else int(number)


def numbers_of(header: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Return numbers if there are exactly `count`, else nothing."""
    value = _raw(header, keyword)
    if not isinstance(value, MutableSequence) or len(value) != count:
        return ()
    numbers = [_as_number(v) for v in value]
    return tuple(n for n in numbers if n is not None) if None not in numbers else ()


def date_of(header: Dataset, keyword: str) -> str | None:
    """Return a plausible date as YYYYMMDD; the dots of old systems are left out (PS3.5 6.2)."""
    text = (text_of(header, keyword) or "").replace(".", "")[:8]
    return text if re.fullmatch(r"(18|19|20|21)\d{6}", text) else None


def time_s_of(header: Dataset, keyword: str, *, skip: int = 0) -> float | None:
    """Return a time of day in s since midnight, `skip` characters left out in front."""
    match = _TIME.match((text_of(header, keyword) or "")[skip:].replace(":", ""))
    if match is None:
        return None
    hours, minutes, seconds = (int(g) if g else 0 for g in match.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return hours * 3600 + minutes * 60 + seconds + float(match.group(4) or 0)


def acquisition_time_s(header: Dataset) -> float | None:
    """Return the time of acquisition in s since midnight."""
    time_s = time_s_of(header, "AcquisitionTime")
    return time_s_of(header, "AcquisitionDateTime", skip=8) if time_s is None else time_s


def model(header: Dataset) -> str | None:
    """Return the scanner model if it is a plain name."""
    text = text_of(header, "ManufacturerModelName") or ""
    return text if _MODEL.fullmatch(text) else None


def patient_sex(header: Dataset) -> str | None:
    """Return M or F."""
    sex = code_of(header, "PatientSex")
    return sex if sex in ("M", "F") else None


def agent_class(header: Dataset) -> str | None:
    """Return the class that the agent's text or its code names.

    Notes
    -----
    Contrast Bolus Agent Sequence (0018,0012), DICOM PS3.3 C.7.6.4 and CID 12.
    """
    named = read_agent_class(text_of(header, "ContrastBolusAgent") or "")
    if named is not None:
        return named
    classes = {
        read_agent_class(text_of(item, "CodeMeaning") or "") or _AGENT_CODES.get(_code_value(item))
        for item in _items(header, "ContrastBolusAgentSequence")
    } - {None}
    return classes.pop() if len(classes) == 1 else None


def _code_value(item: Dataset) -> str:
    return text_of(item, "CodeValue") or ""


def contrast_start_time_s(header: Dataset) -> float | None:
    """Return the start of injection; enhanced objects keep it in an administration profile."""
    start_s = time_s_of(header, "ContrastBolusStartTime")
    if start_s is not None:
        return start_s
    starts = {
        time_s_of(profile, "ContrastBolusStartTime")
        for agent in _items(header, "ContrastBolusAgentSequence")
        for profile in _items(agent, "ContrastAdministrationProfileSequence")
    } - {None}
    return starts.pop() if len(starts) == 1 else None


def _items(header: Dataset, keyword: str) -> Iterable[Dataset]:
    value = _raw(header, keyword)
    return value if isinstance(value, MutableSequence) and _holds_items(value) else ()


def acquisition_date(header: Dataset) -> str | None:
    """Return the day of acquisition, of its own attribute or of the combined one."""
    return date_of(header, "AcquisitionDate") or date_of(header, "AcquisitionDateTime")


def transfer_syntax(header: Dataset) -> str | None:
    """Return the transfer syntax that the file meta information names."""
    file_meta = getattr(header, "file_meta", None)
    return text_of(file_meta, "TransferSyntaxUID") if file_meta else None


def manufacturer(header: Dataset) -> str | None:
    """Return the vendor's one name in this project."""
    return vendor_of(text_of(header, "Manufacturer"))


def words_of(header: Dataset, keyword: str) -> str:
    """Return the technique words of a description; nothing else of it."""
    return clean_descriptor(text_of(header, keyword) or "")
