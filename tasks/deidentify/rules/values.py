"""Typed reading of value fields: numbers, dates, times and ages (DICOM PS3.5 table 6.2-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from pydicom._uid_dict import UID_dictionary

from schemas.dicom.number_texts import BINARY_CODES, read_numbers, unpack_numbers, write_numbers
from tasks.deidentify.rules.word_shapes import is_a_day

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"[+-]?\d{1,11}")
_NUMBER_TEXTS = ("DS", "IS")
_WIDE_FLOATS = ("FL", "FD")
_PRINTABLE = re.compile(rb"[ -~]+")
#: Digits and punctuation read as a float are less than this, capitals read as a double more.
_LEAST_FLOAT, _MOST_DOUBLE = 1e-3, 1e5
_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})")
_DATETIME = re.compile(r"(\d{8}|\d{4}[.\-/]\d{2}[.\-/]\d{2})(?:[T ]?(\d.*))?")
#: Hours, minutes and seconds, together or with colons; a fraction of any length; a zone.
_TIME = re.compile(
    r"(?:(\d{1,2}):(\d{2})(?::(\d{2}))?|(\d{2})(?:(\d{2})(\d{2})?)?)"
    r"(?:(?<=\d\d)[.,](\d{1,12}))?(?: ?(?:Z|[+-]\d{2}:?\d{2}))?",
    re.ASCII,
)
_DICOM_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?", re.ASCII)
_DAY_DIGITS = 8
_AGE = re.compile(r"(\d{1,3})([DWMY])")
OLDEST_AGE_YEARS = 89
_UNITS_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI"]
) | {"UR", "UT"}
UID_FORM = re.compile(r"[0-2](\.\d+)+")


def is_number(vr: str) -> bool:
    """Return whether values of this VR are numbers, binary or in text."""
    return vr in BINARY_CODES or vr in _NUMBER_TEXTS


def numbers_of(vr: str, value: bytes, *, little: bool) -> tuple[float, ...] | None:
    """Return the numbers of a value field, or None when it does not hold finite numbers.

    Of a text any form counts that can be read in one way only (`schemas.dicom.number_texts`);
    a whole number may be written with a point and zeros behind it.
    """
    if vr in BINARY_CODES:
        return unpack_numbers(vr, value, little=little)
    numbers = read_numbers(value)
    whole = vr != "IS" or all(n == int(n) for n in numbers or ())
    return numbers if whole else None


@dataclass(frozen=True)
class KeptNumbers:
    """Numbers of a value field and how they go out: under which VR, as which bytes."""

    numbers: tuple[float, ...]
    vr: str
    value: bytes


def keep_numbers(
    file_vr: str | None, allowed: str, value: bytes, *, little: bool
) -> KeptNumbers | None:
    """Return the numbers of an element and the value field that states them in DICOM's form.

    What is in that form already goes out as it came, padding apart; anything else is written
    anew under the VR that the attribute has.

    Parameters
    ----------
    file_vr : str or None
        The VR in the file; None or UN where the file does not tell.
    allowed : str
        The VRs of the attribute, `|` between them; the last is meant where the file is silent.
    value : bytes
        The value field.
    little : bool
        Byte order of binary values.
    """
    names = allowed.split("|")
    silent = file_vr in (None, "UN")
    read_as = names[-1] if silent else str(file_vr)
    if read_as in names and not (silent and read_as in _WIDE_FLOATS and read_numbers(value)):
        if read_as in BINARY_CODES:
            numbers = unpack_numbers(read_as, value, little=little)
            if numbers is not None and not _is_text_in_floats(read_as, numbers, value):
                return KeptNumbers(numbers, read_as, value)
        elif (texts := _in_standard_form(read_as, value)) is not None:
            numbers = tuple(float(t) for t in texts)
            return KeptNumbers(numbers, read_as, "\\".join(texts).encode("ascii"))
    return _written_anew(read_as, names, value, little=little)


def _is_text_in_floats(vr: str, numbers: tuple[float, ...], value: bytes) -> bool:
    """Return whether the bytes of floats are a text: a day in eight digits is a tiny double.

    No measured number is as small or as large as those and has letters and digits alone in its
    bytes too.
    """
    if vr not in _WIDE_FLOATS or _PRINTABLE.fullmatch(value) is None:
        return False
    return any(abs(n) < _LEAST_FLOAT or (vr == "FD" and abs(n) > _MOST_DOUBLE) for n in numbers)


def _in_standard_form(vr: str, value: bytes) -> tuple[str, ...] | None:
    pattern = _WHOLE if vr == "IS" else _DECIMAL
    texts = texts_of(value)
    return texts if all(pattern.fullmatch(t) and len(t) <= 16 for t in texts) else None


def _written_anew(
    read_as: str, names: list[str], value: bytes, *, little: bool
) -> KeptNumbers | None:
    if not is_number(read_as) and read_as not in TEXT_VRS:
        return None
    binary = read_as in BINARY_CODES and read_as not in names
    numbers = unpack_numbers(read_as, value, little=little) if binary else read_numbers(value)
    if numbers is None:
        return None
    for vr in names:
        written = write_numbers(vr, numbers, little=little)
        if written is not None:
            return KeptNumbers(numbers, vr, written)
    return None


def texts_of(value: bytes) -> tuple[str, ...]:
    """Return the values of an ASCII value field; a byte above ASCII becomes U+FFFD."""
    text = value.decode("ascii", "replace").strip("\0 ")
    return tuple(part.strip() for part in text.split("\\")) if text else ()


def read_date(text: str) -> date | None:
    """Return the calendar date of a DA value (also in the old dotted form), or None."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        return date(*(int(g) for g in match.groups()))
    except ValueError:
        return None


def shift_date(text: str, shift_days: int) -> str | None:
    """Return a DA value moved back by whole days, or None when it is not a date."""
    day = read_date(text)
    try:
        return None if day is None else f"{day - timedelta(days=shift_days):%Y%m%d}".zfill(8)
    except OverflowError:
        return None


def shift_datetime(text: str, shift_days: int) -> str | None:
    """Return a DT value with its date moved back, its time of day kept and its zone dropped."""
    day, time_of_day = _parts_of_datetime(text)
    shifted = shift_date(day, shift_days)
    return None if shifted is None or time_of_day is None else shifted + time_of_day


def date_of_datetime(text: str) -> date | None:
    """Return the calendar date of a DT value, or None when it has none."""
    day, time_of_day = _parts_of_datetime(text)
    return None if time_of_day is None else read_date(day)


def _parts_of_datetime(text: str) -> tuple[str, str | None]:
    """Return the date of a DT value, and its time of day in DICOM's form, None when it is none."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        return "", None
    return match.group(1), read_time(match.group(2)) if match.group(2) else ""


def read_time(text: str) -> str | None:
    """Return a time of day in the form of a TM value (HHMMSS.FFFFFF), or None when it is none.

    Colons, a single digit of the hour before one, a comma for the point and a zone are read;
    the zone is dropped, since the local time is what counts. Of a longer fraction six digits
    stay (PS3.5 6.2): cut off and not rounded, so that no second becomes the next. Where it begins
    with a day of the calendar in eight digits, none does.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    colon, plain = match.groups()[:3], match.groups()[3:6]
    hours, minutes, seconds = (part or "" for part in (colon if colon[0] else plain))
    if int(hours) > 23 or int(minutes or 0) > 59 or int(seconds or 0) > 60:
        return None
    fraction = match.group(7)
    if fraction and not seconds:
        return None
    if fraction and len(fraction) >= _DAY_DIGITS and is_a_day(int(fraction[:_DAY_DIGITS])):
        fraction = ""
    if _DICOM_TIME.fullmatch(text):
        return text
    return f"{hours:0>2}{minutes}{seconds}" + (f".{fraction[:6]}" if fraction else "")


def cap_age(text: str) -> str | None:
    """Return an AS value with every age over 89 years as 090Y, or None when it is no age."""
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    years = int(match.group(1)) / _UNITS_PER_YEAR[match.group(2)]
    if years >= OLDEST_AGE_YEARS + 1:
        return "090Y"
    return f"{int(match.group(1)):03d}{match.group(2)}"


def age_at(birth: date, day: date) -> str | None:
    """Return the age in completed years as an AS value, capped; None before birth."""
    years = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    return cap_age(f"{years:03d}Y") if 0 <= years <= 130 else None


def is_registered_uid(text: str) -> bool:
    """Return whether DICOM itself registers the UID (PS3.6 table A-1): it names nobody."""
    return text.strip() in UID_dictionary
