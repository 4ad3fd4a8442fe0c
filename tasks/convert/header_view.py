"""A scanned header that answers like a pydicom Dataset where features are harvested.

What the scanner leaves to pydicom stays there. Slices of one series differ in a few
attributes only: when all others are the same bytes as in the slice before, its features are
taken over (`FeatureHarvest`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from schemas.features import PER_SLICE, InstanceFeatures, features_of_sibling, read_features
from tasks.convert.header_scan import ScannedHeader
from tasks.convert.header_values import ATTRIBUTES, converted, plain_value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, PrivateBlock

_CHARSET = 0x00080005
#: Attributes in sequences: the full parser reads headers that have them.
_FRAME_GROUPS = (0x52009229, 0x52009230)
_UIH_GROUP, _UIH_FRAMES = 0x0065, 0x51
#: See `schemas.features.read_b_value`.
_B_VALUE_OFFSETS = (0x03, 0x09, 0x0C, 0x39)
_KEYWORD_OF = {ATTRIBUTES[keyword][0]: keyword for keyword in PER_SLICE}
_Asked = tuple[bytes, bytes] | None


class HeaderView:
    """Top-level attributes by keyword; as a Dataset, an absent one raises AttributeError.

    `asked` keeps what was looked up: VR and bytes of each attribute, None for an absent one.
    """

    def __init__(self, scanned: ScannedHeader) -> None:
        self._scanned = scanned
        self.file_meta = SimpleNamespace(TransferSyntaxUID=scanned.syntax)
        self.asked: dict[int, _Asked] = {_CHARSET: _bytes_of(scanned, _CHARSET)}
        self.asked_private: dict[int, tuple[tuple[int, _Asked], ...]] = {}
        self._charsets: tuple[str, ...] | None = None
        if _CHARSET in scanned.places:
            self._charsets = _charsets(*scanned.element(_CHARSET), not scanned.explicit)

    def __getattr__(self, keyword: str) -> Any:
        tag = ATTRIBUTES.get(keyword, (None, ""))[0]
        if tag is None:
            raise AttributeError(keyword)
        found = self.asked[tag] = _bytes_of(self._scanned, tag)
        if found is None:
            raise AttributeError(keyword)
        return self._convert(tag, found)

    def __contains__(self, keyword: str) -> bool:
        tag = ATTRIBUTES[keyword][0] if keyword in ATTRIBUTES else None
        if tag is None:
            return False
        self.asked[tag] = _bytes_of(self._scanned, tag)
        return tag in self._scanned.places

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of an attribute, `default` when it is absent."""
        return getattr(self, keyword, default)

    def private_block(self, group: int, creator: str) -> PrivateBlock:
        """Return the block of a private creator; KeyError when there is none."""
        found = self.asked_private.get(group)
        if found is None:
            found = self.asked_private[group] = _private(self._scanned, group)
        if not any(_may_be(value, creator) for tag, value in found if tag & 0xFFFF < 0x100):
            raise KeyError(creator)
        block = _PlainBlock.of(found, creator) if self._scanned.explicit else None
        return cast("PrivateBlock", block) if block else self._full_block(found, group, creator)

    def _full_block(
        self, found: tuple[tuple[int, _Asked], ...], group: int, creator: str
    ) -> PrivateBlock:
        from pydicom.dataelem import RawDataElement
        from pydicom.dataset import Dataset
        from pydicom.tag import BaseTag

        implicit = not self._scanned.explicit
        raw = {}
        for tag, element in found:
            vr, value = element or (b"", b"")
            name = vr.decode("ascii") or None
            raw[BaseTag(tag)] = RawDataElement(
                BaseTag(tag), name, len(value), value, 0, implicit, True
            )
        return Dataset(cast(Any, raw)).private_block(group, creator)

    def _convert(self, tag: int, found: tuple[bytes, bytes]) -> Any:
        vr, value = found
        explicit = self._scanned.explicit
        return converted(tag, vr.decode("ascii"), value, not explicit, self._charsets)


class _PlainBlock:
    """The block of a private creator whose elements are plain values of explicit VR."""

    def __init__(self, elements: dict[int, object]) -> None:
        self._elements = elements

    @classmethod
    def of(cls, found: tuple[tuple[int, _Asked], ...], creator: str) -> _PlainBlock | None:
        """Return the block, None where pydicom must look at it."""
        creators = [e for e in found if e[0] & 0xFFFF < 0x100 and _may_be(e[1], creator)]
        ((tag, element), *others) = creators
        if others or tag & 0xFFFF < 0x10 or element is None or element[0] != b"LO":
            return None
        number, elements = tag & 0xFF, dict[int, object]()
        for other, value in found:
            if other & 0xFFFF >= 0x100 and (other >> 8) & 0xFF == number and value is not None:
                plain = plain_value(value[0].decode("ascii"), value[1])
                if plain is None:
                    return None
                elements[other & 0xFF] = SimpleNamespace(value=plain)
        return cls(elements)

    def __getitem__(self, offset: int) -> object:
        return self._elements[offset]


def _may_be(element: _Asked, creator: str) -> bool:
    return element is not None and element[1].strip(b" \0") == creator.encode("ascii")


def _bytes_of(scanned: ScannedHeader, tag: int) -> _Asked:
    place = scanned.places.get(tag)
    if place is None:
        return None
    vr, offset, length = place
    return vr, scanned.start[offset : offset + length]


def _private(scanned: ScannedHeader, group: int) -> tuple[tuple[int, _Asked], ...]:
    """Return creators of a group and the elements that may be a b-value, in file order."""
    # Of hundreds of private attributes only these are ever asked for.
    return tuple(
        (tag, _bytes_of(scanned, tag))
        for tag in scanned.private.get(group, ())
        if tag & 0xFFFF < 0x100 or tag & 0xFF in _B_VALUE_OFFSETS
    )


def _charsets(vr: str, value: bytes, implicit: bool) -> tuple[str, ...]:
    name = value.strip(b" \0")
    if name in (b"ISO_IR 100", b"ISO_IR 6", b"ISO_IR 192", b"GB18030", b"GBK"):
        return (_PYTHON_NAMES[name],)
    from pydicom.charset import convert_encodings

    return tuple(convert_encodings(converted(_CHARSET, vr, value, implicit, None)))


_PYTHON_NAMES = {
    b"ISO_IR 100": "latin_1",
    b"ISO_IR 6": "iso8859",
    b"ISO_IR 192": "utf_8",
    b"GB18030": "gb18030",
    b"GBK": "GBK",
}


def view_of(scanned: ScannedHeader) -> Dataset | None:
    """Return the view, typed as what it stands for; None where frames need the full parser."""
    places = scanned.places
    if any(tag in places for tag in _FRAME_GROUPS):
        return None
    if any(tag & 0xFF == _UIH_FRAMES for tag in scanned.private.get(_UIH_GROUP, ())):
        return None
    try:
        return cast("Dataset", HeaderView(scanned))
    except Exception:
        # A character set that is none: pydicom warns or guesses, and is asked.
        return None


class FeatureHarvest:
    """Features of one header after another; a slice like the one before costs a comparison."""

    def __init__(self) -> None:
        self._known: tuple[HeaderView, InstanceFeatures] | None = None

    def read(self, view: Dataset, scanned: ScannedHeader) -> InstanceFeatures:
        """Return what `read_features` gives of this view.

        Parameters
        ----------
        view : Dataset
            From `view_of`.
        scanned : ScannedHeader
            What the view shows.
        """
        if self._known is not None:
            before, features = self._known
            changed = _changed(before, scanned)
            if changed is not None:
                return features_of_sibling(features, view, changed)
        features = read_features(view)
        self._known = (cast("HeaderView", view), features)
        return features


def _changed(before: HeaderView, scanned: ScannedHeader) -> list[str] | None:
    """Return the keywords of slices in which a header differs; None where it is another series."""
    if before.file_meta.TransferSyntaxUID != scanned.syntax:
        return None
    changed = []
    for tag, value in before.asked.items():
        if _bytes_of(scanned, tag) != value:
            keyword = _KEYWORD_OF.get(tag)
            if keyword is None:
                return None
            changed.append(keyword)
    private = before.asked_private.items()
    if any(_private(scanned, group) != elements for group, elements in private):
        # Of private attributes only a b-value is ever asked for.
        changed.append("DiffusionBValue")
    return changed
