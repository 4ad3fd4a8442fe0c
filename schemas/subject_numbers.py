"""A study subject number as it is keyed, the same in linkage and forms."""

from __future__ import annotations

import re
import unicodedata

from schemas.identifiers import SubjectNo

_SUBJECT_NO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,30}[A-Za-z0-9])?", re.ASCII)
_SPREADSHEET_NUMBER = re.compile(r"\d+\.\d+|\d+(?:\.\d+)?[eE]\+?\d+", re.ASCII)


def normalise_subject_no(text: str) -> SubjectNo | None:
    """Return a study subject number as it is keyed, or None when it is not usable.

    Widths (NFKC) and outer spaces are mended; case and leading zeros are kept. A number that a
    spreadsheet has turned into a decimal or a power of ten is not usable.
    """
    tidied = unicodedata.normalize("NFKC", text).strip()
    if not _SUBJECT_NO.fullmatch(tidied) or _SPREADSHEET_NUMBER.fullmatch(tidied):
        return None
    return SubjectNo(tidied)
