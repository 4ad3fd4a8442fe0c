"""What a person typed: searched before it is kept, and refused by kind, never by value. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tasks.deidentify.identifiers import IdentifierKind
from tasks.deidentify.search.residual_scan import Dictionary, search_generic

_MOBILE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)")
#: As long as the shortest hospital numbers; a count, a measure or a year is shorter.
_LONG_NUMBER = re.compile(r"\d{7,}")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
#: A label is enough: what stands behind it is meant to identify, whatever it looks like.
_LABELLED = re.compile(
    r"(姓名|患者名|联系人|家属|住院号|门诊号|病案号|身份证|电话|手机|出生日期|patient\s*name|mrn|phone)\s*[:：=]?\s*\S",
    re.IGNORECASE,
)


def identifying_kinds(
    text: str, dictionary: Dictionary, *, is_reference: bool = False
) -> tuple[str, ...]:
    """Return the kinds of what identifies somebody in a text, sorted; empty when it is clean.

    Parameters
    ----------
    text : str
        Free text. Full-width letters and digits count as plain ones.
    dictionary : Dictionary
        What is known of every person. It cannot know a name that no source ever had: that is
        why free text also never leaves the restricted zone.
    is_reference : bool
        Whether it names a document: its number may be long, as long as it is nobody's.
    """
    plain = unicodedata.normalize("NFKC", text)
    return tuple(sorted(set(_kinds(plain, dictionary, is_reference=is_reference))))


def _kinds(text: str, dictionary: Dictionary, *, is_reference: bool) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    for match in dictionary.search(data, dictionary.owner_of(text)) | search_generic(data):
        yield str(match.kind)
    if _MOBILE.search(text):
        yield str(IdentifierKind.PHONE)
    if not is_reference and _LONG_NUMBER.search(text):
        yield "number of seven or more digits"
    if _MAIL.search(text):
        yield "mail address"
    if _LABELLED.search(text):
        yield "labelled identifier"
