"""Numbers as exporters write them, read as numbers and written anew as DICOM has them.

Viewers, converters and spreadsheets write `-1024,0`, `800.0` where a whole number belongs, or
0.569999992847443 in 17 characters; dropping such a value makes the next reader take the
default for it. What can be read in one way only is read; what cannot is nobody's guess.
"""

from __future__ import annotations

import math
import re
from struct import calcsize, error, pack, unpack

BINARY_CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q"} | {
    "FL": "f",
    "FD": "d",
}
_LONGEST_TEXT = 64
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d{1,3})?")
#: Either a decimal number or a number of thousands: nobody can tell which is meant.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_PADDING = "\0 \t\r\n"
_IS_LIMIT = 1 << 31


def read_number(text: str) -> float | None:
    """Return the number a text is, or None when it is none, or could be two.

    Blanks and NULs around it, a plus sign, an exponent, a comma for the point and any number
    of digits are read. `1,024` may be one or a thousand: it is not read.
    """
    text = text.strip(_PADDING)
    if len(text) > _LONGEST_TEXT or _NUMBER.fullmatch(text) is None or _THOUSANDS.fullmatch(text):
        return None
    number = float(text.replace(",", "."))
    return number if math.isfinite(number) else None


def read_numbers(value: bytes) -> tuple[float, ...] | None:
    r"""Return the numbers of a text value field (`\` between them), None when one is none."""
    texts = value.decode("ascii", "replace").strip(_PADDING)
    numbers = [read_number(text) for text in texts.split("\\")] if texts else []
    found = tuple(number for number in numbers if number is not None)
    return found if len(found) == len(numbers) else None


def unpack_numbers(vr: str, value: bytes, *, little: bool) -> tuple[float, ...] | None:
    """Return the finite numbers of a binary value field, None when its length is no multiple."""
    code = BINARY_CODES[vr]
    count, rest = divmod(len(value), calcsize("=" + code))
    if rest:
        return None
    numbers = unpack(f"{'<' if little else '>'}{count}{code}", value)
    return numbers if all(math.isfinite(n) for n in numbers) else None


def write_numbers(vr: str, numbers: tuple[float, ...], *, little: bool) -> bytes | None:
    """Return numbers as a value field of a VR, None when the VR cannot hold them.

    Parameters
    ----------
    vr : str
        DS, IS or a binary VR. A DS has at most 16 characters (PS3.5 6.2): of a number that
        needs more, as many digits are kept as fit, nine at the least: it differs by less than
        one part in 10^8, while single precision, which volumes have, keeps one in 10^7.
    numbers : tuple of float
        Finite.
    little : bool
        Byte order of binary values.
    """
    if vr == "DS":
        return "\\".join(map(_decimal_text, numbers)).encode("ascii")
    if vr not in ("FL", "FD") and any(n != int(n) for n in numbers):
        return None
    if vr == "IS":
        fits = all(-_IS_LIMIT <= n < _IS_LIMIT for n in numbers)
        return "\\".join(str(int(n)) for n in numbers).encode("ascii") if fits else None
    values = numbers if vr in ("FL", "FD") else tuple(int(n) for n in numbers)
    try:
        return pack(f"{'<' if little else '>'}{len(values)}{BINARY_CODES[vr]}", *values)
    except (error, OverflowError):
        return None


def _decimal_text(number: float) -> str:
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(number)
