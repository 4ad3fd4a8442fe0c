"""A scanned header that answers like a pydicom Dataset where features are harvested.

What the scanner leaves to pydicom stays there. Slices of one series differ in a few
attributes only: when all others are the same bytes as in a slice before, its features are
taken over (`FeatureHarvest`).
"""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from schemas.dicom.features import PRIVATE_FIELDS, InstanceFeatures, read_features, reread_features
from tasks.convert.header_layout import HeaderLayout, Watched
from tasks.convert.header_scan import PIXEL_DATA, ScannedHeader, scan_header
from tasks.convert.header_values import ATTRIBUTES, NotPlainError, plain_value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_CHARSET = 0x00080005
#: Attributes in sequences: the full parser reads headers that have them.
_IN_SEQUENCES = (0x52009229, 0x52009230, 0x00180012)
_UIH_GROUP, _UIH_FRAMES = 0x0065, 0x51
#: See `read_b_value` and `read_mosaic_tiles` of `schemas.dicom.feature_values`.
_PRIVATE_OFFSETS = (0x03, 0x09, 0x0A, 0x0C, 0x39)
#: What implicit VR does not say; the vendors' conformance statements do.
_PRIVATE_VRS = {
    ("SIEMENS MR HEADER", 0x0A): "US",
    ("SIEMENS MR HEADER", 0x0C): "IS",
    ("GEMS_PARM_01", 0x39): "IS",
    ("Philips Imaging DD 001", 0x03): "FL",
}
#: Attributes that slices of one series differ in, and the one field that each decides.
_PER_SLICE = {
    "SOPInstanceUID": "sop_uid",
    "InstanceNumber": "instance_number",
    "ImagePositionPatient": "position_lps",
    "ImageOrientationPatient": "orientation_lps",
    "EchoTime": "echo_time_ms",
    "DiffusionBValue": "b_value",
    "ContentTime": "content_time_s",
    "AcquisitionTime": "acquisition_time_s",
    "TriggerTime": "trigger_time_ms",
    "AcquisitionNumber": "acquisition_number",
    "TemporalPositionIdentifier": "temporal_position",
}
_FIELD_OF = {ATTRIBUTES[keyword][0]: field for keyword, field in _PER_SLICE.items()}
_Asked = tuple[bytes, bytes] | None
#: Slices of one series may be laid out in a few ways, the first of a volume unlike the others.
_MAX_KNOWN = 3


class HeaderView:
    """Top-level attributes by keyword; as a Dataset, an absent one raises AttributeError.

    `asked` keeps what was looked up: VR and bytes of each attribute, None for an absent one.
    `is_plain` turns false with the first value that only the full parser can read: then
    nothing that was harvested from this view counts.
    """

    def __init__(self, scanned: ScannedHeader) -> None:
        self._scanned = scanned
        self.file_meta = SimpleNamespace(TransferSyntaxUID=scanned.syntax)
        self.asked: dict[int, _Asked] = {_CHARSET: _bytes_of(scanned, _CHARSET)}
        self.asked_private: dict[int, tuple[tuple[int, _Asked], ...]] = {}
        self.is_plain = True
        self._charset = (self.asked[_CHARSET] or (b"", b""))[1]

    def __getattr__(self, keyword: str) -> Any:
        tag, expected = ATTRIBUTES.get(keyword, (None, ""))
        if tag is None:
            raise AttributeError(keyword)
        found = self.asked[tag] = _bytes_of(self._scanned, tag)
        if found is None:
            raise AttributeError(keyword)
        vr = found[0].decode("ascii") or expected
        if vr != expected:
            self.is_plain = False
        return self._plain(vr, found[1])

    def __contains__(self, keyword: str) -> bool:
        tag = ATTRIBUTES[keyword][0] if keyword in ATTRIBUTES else None
        if tag is None:
            return False
        if tag == PIXEL_DATA:
            # The scanner gives up on a header without it.
            return True
        self.asked[tag] = _bytes_of(self._scanned, tag)
        return tag in self._scanned.places

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of an attribute, `default` when it is absent."""
        return getattr(self, keyword, default)

    def private_block(self, group: int, creator: str) -> dict[int, object]:
        """Return elements of a private creator by offset; KeyError when there is none."""
        found = self.asked_private.get(group)
        if found is None:
            found = self.asked_private[group] = _private(self._scanned, group)
        creators = [e for e in found if e[0] & 0xFFFF < 0x100 and _may_be(e[1], creator)]
        if not creators:
            raise KeyError(creator)
        tag, element = creators[0]
        usual = len(creators) == 1 and tag & 0xFFFF >= 0x10 and element is not None
        if not usual or (element and element[0] not in (b"", b"LO")):
            self.is_plain = False
        return {
            other & 0xFF: SimpleNamespace(value=self._private_value(creator, other, value))
            for other, value in found
            if (other >> 8) & 0xFF == tag & 0xFF and other & 0xFFFF >= 0x100
        }

    def _private_value(self, creator: str, tag: int, element: _Asked) -> object:
        vr, value = element or (b"", b"")
        known = _PRIVATE_VRS.get((creator, tag & 0xFF), "")
        return self._plain(vr.decode("ascii") or known, value)

    def _plain(self, vr: str, value: bytes) -> Any:
        try:
            return plain_value(vr, value, self._charset if vr in ("LO", "SH") else b"")
        except NotPlainError:
            self.is_plain = False
            return None


def _may_be(element: _Asked, creator: str) -> bool:
    return element is not None and element[1].strip(b" \0") == creator.encode("ascii")


def _bytes_of(scanned: ScannedHeader, tag: int) -> _Asked:
    place = scanned.places.get(tag)
    if place is None:
        return None
    vr, offset, length = place
    return vr, scanned.start[offset : offset + length]


def _private(scanned: ScannedHeader, group: int) -> tuple[tuple[int, _Asked], ...]:
    """Return creators of a group and the elements that are asked for, in file order."""
    # Of hundreds of private attributes only these are ever asked for.
    return tuple(
        (tag, _bytes_of(scanned, tag))
        for tag in scanned.private.get(group, ())
        if tag & 0xFFFF < 0x100 or tag & 0xFF in _PRIVATE_OFFSETS
    )


def view_of(scanned: ScannedHeader) -> HeaderView | None:
    """Return the view; None where only the full parser can read the header."""
    places = scanned.places
    if any(tag in places for tag in _IN_SEQUENCES):
        return None
    if any(tag & 0xFF == _UIH_FRAMES for tag in scanned.private.get(_UIH_GROUP, ())):
        return None
    return HeaderView(scanned)


class FeatureHarvest:
    """Headers and features of one file after another; a slice like one before costs little."""

    def __init__(self) -> None:
        #: What was read whole, the last that helped first.
        self._known: list[_Known] = []

    def read(self, start: bytes) -> tuple[ScannedHeader, InstanceFeatures] | None:
        """Return the header and what `read_features` gives; None where only the full parser can.

        Parameters
        ----------
        start : bytes
            As for `scan_header`.
        """
        for known in self._known:
            scanned = known.layout.follow(start)
            changed = None if scanned is None else known.changed(scanned)
            if scanned is not None and changed is not None:
                self._keep(known)
                view = HeaderView(scanned)
                features = reread_features(known.features, cast("Dataset", view), changed)
                return (scanned, features) if view.is_plain else None
        return self._read_whole(start)

    def _read_whole(self, start: bytes) -> tuple[ScannedHeader, InstanceFeatures] | None:
        scanned = scan_header(start)
        view = None if scanned is None else view_of(scanned)
        if scanned is None or view is None:
            return None
        features = read_features(cast("Dataset", view))
        if not view.is_plain:
            return None
        self._keep(_Known(scanned, view, features))
        return scanned, features

    def _keep(self, known: _Known) -> None:
        if known not in self._known[:1]:
            others = [other for other in self._known if other is not known]
            self._known = [known, *others[: _MAX_KNOWN - 1]]


class _Known:
    """A header that was read whole, to read others like it by it."""

    def __init__(
        self, scanned: ScannedHeader, view: HeaderView, features: InstanceFeatures
    ) -> None:
        self.view = view
        self.features = features
        self._scanned = scanned

    @cached_property
    def layout(self) -> HeaderLayout:
        # Made when the next header comes: many a known one is followed by none like it.
        return HeaderLayout(self._scanned)

    @cached_property
    def _watched(self) -> list[Watched]:
        private = (element for group in self.view.asked_private.values() for element in group)
        found = []
        for tag, element in (*self.view.asked.items(), *private):
            if element is not None:
                _, begin, length = self._scanned.places[tag]
                found.append((tag, begin, begin + length, element[1]))
        return found

    def changed(self, scanned: ScannedHeader) -> list[str] | None:
        """Return the fields in which a header of this layout differs; None for another series."""
        tags = self.layout.differing(scanned, self._watched)
        fields = [field for tag in tags for field in _fields_of(tag)]
        return None if None in fields else [field for field in fields if field is not None]


def _fields_of(tag: int) -> tuple[str | None, ...]:
    return PRIVATE_FIELDS if tag >> 16 & 1 else (_FIELD_OF.get(tag),)
