"""A scanned header that answers like a pydicom Dataset where features are harvested.

Values are converted by pydicom itself, once for each different run of bytes: in a series
most attributes are the same in every file. What the scanner leaves to pydicom stays there.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast

from pydicom.charset import convert_encodings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset, PrivateBlock
from pydicom.tag import BaseTag

from tasks.convert.header_scan import ScannedHeader

_CHARSET = 0x00080005
#: Attributes in sequences: the full parser reads headers that have them.
_FRAME_GROUPS = (0x52009229, 0x52009230)
_UIH_GROUP, _UIH_FRAMES = 0x0065, 0x51
#: See `schemas.features.read_b_value`.
_B_VALUE_OFFSETS = (0x03, 0x09, 0x0C, 0x39)
_DEFAULT_ENCODING = ("iso8859",)
_MEMORY = 1 << 14


@lru_cache(maxsize=_MEMORY)
def _converted(
    tag: int, vr: str | None, value: bytes, implicit: bool, encoding: tuple[str, ...]
) -> Any:
    raw = RawDataElement(BaseTag(tag), vr, len(value), value, 0, implicit, True)
    return convert_raw_data_element(raw, encoding=list(encoding)).value


@lru_cache(maxsize=_MEMORY)
def _tag(keyword: str) -> int | None:
    return tag_for_keyword(keyword)


class HeaderView:
    """Top-level attributes by keyword; as a Dataset, an absent one raises AttributeError."""

    def __init__(self, scanned: ScannedHeader) -> None:
        self._scanned = scanned
        self.file_meta = SimpleNamespace(TransferSyntaxUID=scanned.syntax)
        self._encoding: tuple[str, ...] = _DEFAULT_ENCODING
        if _CHARSET in scanned.places:
            names = self._value(_CHARSET)
            self._encoding = tuple(convert_encodings(names))

    def __getattr__(self, keyword: str) -> Any:
        tag = _tag(keyword)
        if tag is None or tag not in self._scanned.places:
            raise AttributeError(keyword)
        return self._value(tag)

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self._scanned.places

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of an attribute, `default` when it is absent."""
        return getattr(self, keyword, default)

    def private_block(self, group: int, creator: str) -> PrivateBlock:
        """Return the block of a private creator; KeyError when there is none."""
        # Of hundreds of private attributes only these are ever asked for.
        tags = [
            tag
            for tag in self._scanned.places
            if tag >> 16 == group and (tag & 0xFFFF < 0x100 or tag & 0xFF in _B_VALUE_OFFSETS)
        ]
        if not tags:
            raise KeyError(creator)
        implicit = not self._scanned.explicit
        raw = {}
        for tag in tags:
            vr, value = self._scanned.element(tag)
            base = BaseTag(tag)
            raw[base] = RawDataElement(base, vr or None, len(value), value, 0, implicit, True)
        return Dataset(cast(Any, raw)).private_block(group, creator)

    def _value(self, tag: int) -> Any:
        vr, value = self._scanned.element(tag)
        return _converted(tag, vr or None, value, not self._scanned.explicit, self._encoding)


def view_of(scanned: ScannedHeader) -> Dataset | None:
    """Return the view, typed as what it stands for; None where frames need the full parser."""
    places = scanned.places
    if any(tag in places for tag in _FRAME_GROUPS):
        return None
    if any(tag >> 16 == _UIH_GROUP and tag & 0xFF == _UIH_FRAMES for tag in places):
        return None
    try:
        return cast(Dataset, HeaderView(scanned))
    except Exception:
        # A character set that is none: pydicom warns or guesses, and is asked.
        return None
