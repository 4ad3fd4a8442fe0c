"""A scanned header that answers like a pydicom Dataset where features are harvested.

What the scanner leaves to pydicom stays there, and so does a header that is asked for
something this view does not know: it never says that such a thing is absent. Slices of one
series differ in a few attributes only: the fields that were read from others are taken over
from a slice before (`FeatureHarvest`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

from schemas.dicom.by_series import BySeries
from schemas.dicom.elements import PIXEL_DATA, encoding_of
from schemas.dicom.feature_values import private_vr
from schemas.dicom.features import FRAMES, InstanceFeatures, read_features, reread_features
from schemas.dicom.header_scan import Likeness, ScannedHeader, scan_header
from schemas.dicom.header_values import ATTRIBUTES, UNKNOWN, NotPlainError, plain_value
from schemas.dicom.known_header import Followed, KnownHeader
from schemas.dicom.unlabelled_text import UNLABELLED_TEXTS, is_unlabelled, repaired_text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_CHARSET = 0x00080005
#: Longer values of VR UN stay bytes in pydicom, public ones too.
_TOO_LONG_TO_LOOK_UP = 0xFFFF
#: Every field depends on it, whichever is read.
_EVERY_FIELD = "every field"
_Asked = tuple[str, bytes] | None


class HeaderElements(Protocol):
    """What a view reads: the attributes that are there, VR and bytes of each.

    `private` has the tags of private groups by group, in file order; `syntax` is the transfer
    syntax. Numbers of binary VRs are little endian.
    """

    @property
    def places(self) -> Container[int]: ...
    @property
    def private(self) -> Mapping[int, Sequence[int]]: ...
    @property
    def syntax(self) -> str: ...
    def element(self, tag: int) -> tuple[str, bytes]: ...


class HeaderView:
    """Top-level attributes by keyword; as a Dataset, an absent one raises AttributeError.

    `asked` keeps what was looked up: the bytes of each attribute that is there, and the fields
    it was looked up for. `is_plain` turns false with the first value that only the full parser
    can read: then nothing that was harvested from this view counts.

    Parameters
    ----------
    scanned : HeaderElements
        The header.
    repairs : bool
        Whether descriptions in an unlabelled character set are read as they were meant.
    """

    def __init__(self, scanned: HeaderElements, *, repairs: bool = False) -> None:
        self._scanned = scanned
        self._repairs = repairs
        self._field = _EVERY_FIELD
        self.asked: dict[int, set[str]] = {}
        self.is_plain = True
        self.file_meta = SimpleNamespace(TransferSyntaxUID=scanned.syntax)
        self._charset = (self._look_up(_CHARSET) or ("", b""))[1]
        # Under a label with a NUL in it pydicom reads no text, not even ASCII.
        self._plain("CS", self._charset)

    def reads_field(self, name: str) -> None:
        """Take note of which field is read from now on."""
        self._field = name

    def _look_up(self, tag: int) -> _Asked:
        if tag not in self._scanned.places:
            return None
        self.asked.setdefault(tag, set()).add(self._field)
        return self._scanned.element(tag)

    def __getattr__(self, keyword: str) -> Any:
        tag, expected = self._tag_of(keyword)
        found = self._look_up(tag)
        if found is None:
            raise AttributeError(keyword)
        vr = found[0]
        # Who does not say writes UN, or nothing in implicit VR; pydicom looks both up.
        if vr == UNKNOWN and len(found[1]) < _TOO_LONG_TO_LOOK_UP:
            vr = ""
        if vr not in ("", expected):
            self.is_plain = False
        if self._repairs and keyword in UNLABELLED_TEXTS and not found[1].isascii():
            repaired = self._repaired(found[1])
            if repaired is not None:
                return repaired
        return self._plain(vr or expected, found[1])

    def __contains__(self, keyword: str) -> bool:
        tag, expected = self._tag_of(keyword)
        if tag == PIXEL_DATA:
            # The scanner gives up on a header without it.
            return True
        found = self._look_up(tag) is not None
        if found and expected == "SQ":
            self.is_plain = False
        return found

    def _tag_of(self, keyword: str) -> tuple[int, str]:
        known = ATTRIBUTES.get(keyword)
        if known is None:
            # Not absent: nobody told this view where it would stand.
            self.is_plain = False
            raise AttributeError(keyword)
        return known

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of an attribute, `default` when it is absent."""
        return getattr(self, keyword, default)

    def private_block(self, group: int, creator: str) -> PrivateBlock:
        """Return elements of a private creator by offset; KeyError when there is none."""
        tags = [tag for tag in self._scanned.private.get(group, ()) if tag & 0xFFFF < 0x100]
        found = [(tag, self._look_up(tag)) for tag in tags]
        creators = [(tag, element) for tag, element in found if _may_be(element, creator)]
        if not creators:
            raise KeyError(creator)
        tag, element = creators[0]
        usual = len(creators) == 1 and tag & 0xFFFF >= 0x10 and element is not None
        if not usual or (element and element[0] not in ("", UNKNOWN, "LO")):
            self.is_plain = False
        return PrivateBlock(self, group << 16 | (tag & 0xFF) << 8, creator)

    def private_value(self, tag: int, creator: str) -> Any:
        """Return the value of a private attribute; KeyError when it is absent."""
        found = self._look_up(tag)
        if found is None:
            raise KeyError(tag)
        vr = found[0]
        if vr in ("", UNKNOWN):
            vr = private_vr(creator, tag & 0xFF)
        return self._plain(vr, found[1])

    def _repaired(self, value: bytes) -> str | None:
        label = self._charset.decode("latin-1").strip(" \0")
        text = repaired_text(value, label) if is_unlabelled(label) else None
        if text is not None and "\\" in text:
            self.is_plain = False
        return text

    def _plain(self, vr: str, value: bytes) -> Any:
        if vr == "SQ":
            self.is_plain = False
            return None
        try:
            return plain_value(vr, value, self._charset if vr in ("LO", "SH") else b"")
        except NotPlainError:
            self.is_plain = False
            return None


class PrivateBlock:
    """The private attributes of one creator: each is read when it is asked for, no other."""

    def __init__(self, view: HeaderView, first: int, creator: str) -> None:
        self._view, self._first, self._creator = view, first, creator

    def __getitem__(self, offset: int) -> SimpleNamespace:
        return SimpleNamespace(value=self._view.private_value(self._first | offset, self._creator))


def _may_be(element: _Asked, creator: str) -> bool:
    return element is not None and element[1].strip(b" \0") == creator.encode("ascii")


class FeatureHarvest:
    """Headers and features of one file after another; a slice like one before costs little.

    Parameters
    ----------
    repairs : bool
        As in `HeaderView`.
    """

    def __init__(self, *, repairs: bool = False) -> None:
        self._repairs = repairs
        self._known: BySeries[_Known] = BySeries()

    def read(self, start: bytes) -> tuple[ScannedHeader, InstanceFeatures] | None:
        """Return the header and what `read_features` gives; None where only the full parser can.

        Parameters
        ----------
        start : bytes
            As for `scan_header`.
        """
        for known in self._known.of(start):
            followed = known.header.follow(start)
            fields = None if followed is None else known.changed_fields(followed.changed)
            if followed is None or fields is None:
                continue
            self._known.keep(start, known, known.header.n_bytes)
            scanned = known.scanned_as(start, followed)
            view = HeaderView(scanned, repairs=self._repairs)
            features = reread_features(known.features, cast("Dataset", view), fields)
            return (scanned, features) if view.is_plain else None
        return self._read_whole(start)

    def _read_whole(self, start: bytes) -> tuple[ScannedHeader, InstanceFeatures] | None:
        scanned = scan_header(start)
        if scanned is None:
            return None
        view = HeaderView(scanned, repairs=self._repairs)
        features = read_features(cast("Dataset", view), on_field=view.reads_field)
        if not view.is_plain:
            return None
        header = KnownHeader(start, scanned.places.values(), encoding_of(scanned.syntax))
        known = _Known(header, replace(scanned, start=b""), view.asked, features)
        self._known.keep(start, known, header.n_bytes)
        return scanned, features


@dataclass(frozen=True)
class _Known:
    """A header that was read whole, to read others like it by it."""

    header: KnownHeader
    scanned: ScannedHeader
    asked: Mapping[int, set[str]]
    features: InstanceFeatures

    def scanned_as(self, start: bytes, followed: Followed) -> ScannedHeader:
        """Return the header of a file that follows."""
        likeness = Likeness(self.scanned, followed.changed)
        private, syntax = self.scanned.private, self.scanned.syntax
        return ScannedHeader(start, followed.places, private, syntax, likeness)

    def changed_fields(self, changed: Iterable[int]) -> set[str] | None:
        """Return the fields that may differ with these attributes; None if any may."""
        fields = {field for tag in changed for field in self.asked.get(tag, ())}
        return None if fields & {FRAMES, _EVERY_FIELD} else fields
