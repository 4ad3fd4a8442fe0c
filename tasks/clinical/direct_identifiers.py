"""What may stand in linkage.csv alone: names, hospital numbers, identity and phone numbers."""

from __future__ import annotations

import re
from functools import cache

from stdnum.iso7064 import mod_11_2

from tasks.clinical.form_contracts import read_conventions
from tasks.clinical.text import split_unit, tidy

_RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])", re.ASCII)
#: A long number that a spreadsheet has turned into a power of ten.
_POWER_OF_TEN = re.compile(r"(?P<digits>[1-9](?:\.\d+)?)[eE]\+?(?P<exponent>\d{1,2})", re.ASCII)
#: Region and birth date are the first 14 of 18 digits.
_RESIDENT_EXPONENT, _TO_THE_BIRTHDAY = 17, 14
_SHORTEST = 11
_MOBILE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)", re.ASCII)


def identifier_kind_of_heading(heading: str) -> str | None:
    """Return which direct identifier a column holds by its heading, or None."""
    return _forbidden_headings().get(split_unit(heading)[0])


def identifier_kind_of_value(text: str) -> str | None:
    """Return which direct identifier stands in a value, or None.

    An 18-digit resident number counts when its check digit is valid (GB 11643, ISO 7064
    MOD 11-2), and also when a spreadsheet has turned it into a power of ten that still names
    region and birth date. A mobile number has 11 digits and begins with 13 to 19.
    """
    if len(text) < _SHORTEST:
        return None
    tidied = tidy(text)
    power = _POWER_OF_TEN.fullmatch(tidied)
    if power is not None:
        digits, exponent = power["digits"].replace(".", ""), int(power["exponent"])
        if exponent == _RESIDENT_EXPONENT and len(digits) >= _TO_THE_BIRTHDAY:
            return "resident_id_18"
        tidied = digits.ljust(exponent + 1, "0") if exponent < _RESIDENT_EXPONENT else ""
    if any(mod_11_2.is_valid(match.upper()) for match in _RESIDENT_ID.findall(tidied)):
        return "resident_id_18"
    return "mobile_11" if _MOBILE.search(tidied) else None


@cache
def _forbidden_headings() -> dict[str, str]:
    return {
        split_unit(heading)[0]: column.field
        for column in read_conventions().direct_identifiers.columns
        for heading in column.headers
    }
