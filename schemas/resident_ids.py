"""A resident ID number in one form, so that one person has one token at every site."""

from __future__ import annotations

import re
import unicodedata

_OLD = re.compile(r"\d{15}", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"


def normalise_resident_id(text: str) -> str:
    """Return the number without widths, spaces and hyphens, in capitals and 18 digits.

    The 15 digits of GB 11643-1989 get their century and check digit (GB 11643-1999, annex A;
    ISO 7064 MOD 11-2). Numbers of other documents only lose widths, spaces and hyphens.
    """
    tidied = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).upper()
    if not _OLD.fullmatch(tidied):
        return tidied
    body = f"{tidied[:6]}19{tidied[6:]}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + _CHECK_DIGITS[total % 11]
