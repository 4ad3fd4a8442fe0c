"""Chinese text that a header holds without saying so, read as it was meant.

Hospital systems write GB18030 or UTF-8 under the label ISO_IR 100, or under none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.dicom.descriptors import decode_descriptor

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: The texts of which technique words are read.
UNLABELLED_TEXTS = ("SeriesDescription", "ProtocolName", "ContrastBolusAgent")
_UNLABELLED = frozenset({"", "ISO_IR 6", "ISO_IR 100", "ISO 2022 IR 6", "ISO 2022 IR 100"})


def is_unlabelled(label: str) -> bool:
    """Return whether a character set label says nothing of texts that are not Western."""
    return label.strip() in _UNLABELLED


def repaired_text(value: bytes, label: str) -> str:
    """Return the text of bytes beyond ASCII under such a label."""
    return decode_descriptor(value, label)


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
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    label = header.get("SpecificCharacterSet", "")
    if not isinstance(label, str) or not is_unlabelled(label):
        return
    for keyword in UNLABELLED_TEXTS:
        raw: object = header.get_item(Tag(keyword)) if keyword in header else None
        value = raw.value if isinstance(raw, RawDataElement) else None
        if value and not value.isascii():
            setattr(header, keyword, repaired_text(value, label))
