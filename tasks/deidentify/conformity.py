"""Compare what a validator says of an object as delivered and as written. Pure.

Lines of `dciodvfy` quote values of the object. Of a line only severity, the tags of its path and
the words before the first quotation are read, so that no value of a delivered object gets through.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from pydicom.datadict import keyword_for_tag

from schemas.conformity import ConformityRow

ERROR, WARNING = "Error", "Warning"
NOT_INSTALLED = "no validator was installed"
NOT_READ = "the validator could not read the object"
TOO_LARGE = "the object is too large to unpack"
FAILED = "the check failed"
_LINE = re.compile(r"(Error|Warning) - (?:<(/[^<>]*)> - )?(.*)")
_TAG = re.compile(r"\(([0-9a-f]{4}),([0-9a-f]{4})\)")
_WORDS = re.compile(r"[A-Za-z0-9 ,./()'-]{1,120}")
_OTHER = "other message"
#: The validator names the information object that it found on a line of its own.
_OBJECT = re.compile(r"[A-Z][A-Za-z]+")

#: (severity, path of keywords, message).
Kind = tuple[str, str, str]


def kinds_of(said: str) -> Counter[Kind] | None:
    """Return the errors and warnings of one run by kind; None when the object was not read."""
    lines = said.splitlines()
    if not any(_OBJECT.fullmatch(line) for line in lines):
        return None
    return Counter(kind for kind in map(_kind, lines) if kind is not None)


def compare(
    sop_uid: str, series_uid: str, validator: str, delivered: str, written: str
) -> ConformityRow:
    """Return what is new in the object written.

    Parameters
    ----------
    sop_uid, series_uid, validator : str
        As in `ConformityRow`.
    delivered, written : str
        What the validator printed of either (restricted: it quotes values).
    """
    before, after = kinds_of(delivered), kinds_of(written)
    if before is None or after is None:
        return ConformityRow(sop_uid, series_uid, validator, not_checked=NOT_READ)
    new = after - before
    return ConformityRow(
        sop_uid=sop_uid,
        series_uid=series_uid,
        validator=validator,
        delivered_errors=_number(before, ERROR),
        delivered_warnings=_number(before, WARNING),
        released_errors=_number(after, ERROR),
        released_warnings=_number(after, WARNING),
        new_errors=_number(new, ERROR),
        new_warnings=_number(new, WARNING),
        new_lines=tuple(" - ".join(filter(None, kind)) for kind in sorted(new)),
    )


def one_of_each(objects: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return series → the object that stands for it: the first SOPInstanceUID in order."""
    chosen: dict[str, str] = {}
    for series_uid, sop_uid in objects:
        chosen[series_uid] = min(sop_uid, chosen.get(series_uid, sop_uid))
    return dict(sorted(chosen.items()))


def _number(kinds: Counter[Kind], severity: str) -> int:
    return sum(n for (said, _, _), n in kinds.items() if said == severity)


def _kind(line: str) -> Kind | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    severity, path, message = found.groups()
    words = re.split(r"[<=\[]", message)[0].strip(" -").removesuffix(" - Module")
    places = [_keyword(group, element) for group, element in _TAG.findall(path or "")]
    return severity, "/".join(places), words if _WORDS.fullmatch(words) else _OTHER


def _keyword(group: str, element: str) -> str:
    return keyword_for_tag(int(group + element, 16)) or f"({group},{element})"
