"""Chinese text that a header holds without saying so, read as it was meant.

Hospital systems write GB18030 or UTF-8 under the label ISO_IR 100, or under none. Western
letters are left alone: only pairs of bytes of the Chinese range are taken for Chinese.
"""

from __future__ import annotations

import re

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from schemas.descriptors import clean_descriptor

_TEXTS = ("SeriesDescription", "ProtocolName", "ContrastBolusAgent")
_UNLABELLED = frozenset({"", "ISO_IR 6", "ISO_IR 100", "ISO 2022 IR 6", "ISO 2022 IR 100"})
#: Runs of high bytes as GB2312 writes Chinese: whole pairs, both bytes from A1 up.
_CHINESE = re.compile(rb"(?:[\x00-\x7f]|(?:[\xa1-\xf7][\xa1-\xfe])+(?![\x80-\xff]))*")


def repair_texts(header: Dataset) -> None:
    """Replace the descriptions of a raw header whose character set label is missing or wrong.

    Parameters
    ----------
    header : Dataset
        A header just read, whose elements have not been decoded yet; changed in place.

    Notes
    -----
    DICOM PS3.3 C.12.1.1.2, Specific Character Set.
    """
    label = header.get("SpecificCharacterSet", "")
    if not isinstance(label, str) or label.strip() not in _UNLABELLED:
        return
    for keyword in _TEXTS:
        raw: object = header.get_item(Tag(keyword)) if keyword in header else None
        value = raw.value if isinstance(raw, RawDataElement) else None
        text = decode_unlabelled(value) if value and not value.isascii() else None
        if text is not None:
            setattr(header, keyword, text)


def decode_unlabelled(value: bytes) -> str | None:
    """Return the text of bytes that are UTF-8 or Chinese in GB2312; None for anything else.

    Some bytes are both: the GB2312 of `平扫` is also UTF-8, of two phonetic letters. Then the
    reading with more technique words counts, and UTF-8 when that settles nothing.
    """
    body = value.strip(b"\0 ")
    codecs = ["utf-8"] if _CHINESE.fullmatch(body) is None else ["utf-8", "gb18030"]
    readings = [text for codec in codecs if (text := _decode(body, codec)) is not None]
    return max(readings, key=lambda text: len(clean_descriptor(text).split()), default=None)


def _decode(body: bytes, codec: str) -> str | None:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return None
