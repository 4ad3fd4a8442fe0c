"""What a series has in common, taken from one file and compared byte by byte.

The plain path (`objects`) decides every element of every file. Most elements are the same
bytes in all files of a series, so most of that work gives the same result again. A `Template`
keeps, from one file that went the plain path, its header and what became of it. Of a file that
follows (`schemas.dicom.known_header`) only the elements with other bytes are planned, by the
same rules. Whatever else differs (person, shape, what other decisions depend on, outcome of a
rule, length of the pixels) and whatever is not native pixels behind a preamble goes the plain
path, which is the reference: both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import NamedTuple

from schemas.dicom.elements import (
    PIXEL_DATA,
    Encoding,
    Header,
    Place,
    RawElement,
    Scanner,
    scan_items,
    vr_from_dictionary,
)
from schemas.dicom.encode import OutElement, element_parts, encode_start
from schemas.dicom.known_header import KnownHeader, can_be_known
from schemas.dicom.scan_errors import ScanError
from tasks.deidentify.as_it_came import Test, as_it_came, kept_as_it_came
from tasks.deidentify.deidentified import NotAsPlannedError
from tasks.deidentify.identifiers import Identifier, harvest_element
from tasks.deidentify.mapped_uids import MapUid, mapped_as_planned, uid_map
from tasks.deidentify.plan.actions import Context, Day, ElementAction
from tasks.deidentify.plan.admission import READ_BY_SERIES_CHECKS
from tasks.deidentify.plan.pixel_bytes import StatedPixels, stated_pixels
from tasks.deidentify.plan.plan import (
    BIRTH_DATE,
    MANUFACTURER,
    PATIENT_AGE,
    PERSON_NAMES,
    SPECIFIC_CHARACTER_SET,
    STUDY_DATE,
    is_removed_unread,
    plan_element,
)
from tasks.deidentify.plan.plan_private import is_creator, private_creators
from tasks.deidentify.plan.rebuild import file_meta, out_elements
from tasks.deidentify.rules.profile import ROOT, Action, tag_of
from tasks.deidentify.rules.values import read_date

_META_GROUP = 2
#: What decisions about other elements depend on: a file in which one differs does not follow.
_ALWAYS_ALIKE = READ_BY_SERIES_CHECKS | {
    SPECIFIC_CHARACTER_SET,
    BIRTH_DATE,
    STUDY_DATE,
    PATIENT_AGE,
    MANUFACTURER,
    *PERSON_NAMES,
    *(tag_of(k) for k in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")),
}
_DECIDED_BY_OTHERS = (Action.EMPTY, Action.PSEUDONYM, Action.STUDY, Action.FIXED)
_PER_FRAME_GROUPS, _UIH_GROUP, _UIH_FRAMES = 0x52009230, 0x0065, 0x51

_SOP_UID = tag_of("SOPInstanceUID")
#: Values of an attribute whose outcome is remembered, and bytes of the longest.
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 2, 256

Outcome = tuple[object, ...]
Days = tuple[tuple[date, date], ...]


class Became(NamedTuple):
    """What became of an element in which a file differs from its template.

    `value` is what was planned and `back` what a scan reads of `written`: none of them where the
    element is not written. `days` are pairs of a real day and the one that stands in its place.
    """

    value: bytes
    written: bytes | None
    back: RawElement | None
    days: Days
    identifiers: frozenset[Identifier]


#: Element, file and the place in it → what becomes of it; None for a value that must be planned.
_Shortcut = Callable[[RawElement, bytes, Place], Became | None]
_NOBODY = frozenset[Identifier]()


@dataclass(frozen=True)
class Source:
    """A file that went the plain path, as a template learns from it (restricted)."""

    data: bytes = field(repr=False)
    header: Header = field(repr=False)
    context: Context = field(repr=False)
    actions: Sequence[ElementAction] = field(repr=False)


class Written(NamedTuple):
    """The data set that was written up to the value of its pixels.

    `places` say where those elements stand that were planned, `elements` are all of it.
    """

    body: bytes
    places: Mapping[int, tuple[int, int]]
    elements: Mapping[int, RawElement]


@dataclass(frozen=True)
class Template:
    """What a series has in common (restricted: holds its header).

    `header` and `actions` are of the file that it was learned from, its pixels apart.
    """

    header: Header = field(repr=False)
    known: KnownHeader = field(repr=False)
    context: Context = field(repr=False)
    creators: Mapping[int, str] = field(repr=False)
    actions: Mapping[int, ElementAction] = field(repr=False)
    out: Mapping[int, OutElement] = field(repr=False)
    written: Written = field(repr=False)
    stated: StatedPixels
    n_pixel_bytes: int
    _became: dict[int, dict[bytes, Became]] = field(repr=False, default_factory=dict)
    _shortcuts: dict[int, _Shortcut | None] = field(repr=False, default_factory=dict)
    _starts: dict[int, tuple[bytes, bytes]] = field(repr=False, default_factory=dict)

    def may_differ(self, tag: int) -> bool:
        """Return whether a file in which this element is another can follow at all."""
        rule = self.context.profile.rules[ROOT].get(tag)
        decided = rule is not None and rule.action in _DECIDED_BY_OTHERS
        return not (decided or tag in _ALWAYS_ALIKE or is_creator(tag))

    def element(self, data: bytes, place: Place) -> RawElement | None:
        """Return an element of a file that follows; None if it does not scan."""
        tag, vr, start, begin, end, undefined = place
        if undefined or (vr or vr_from_dictionary(tag)) == "SQ":
            try:
                return Scanner(data, self.header.encoding).element(start, len(data), 0)[0]
            except ScanError:
                return None
        return RawElement(tag, vr, data[begin:end]) if end <= len(data) else None

    def header_with(self, elements: Mapping[int, RawElement]) -> Header:
        """Return the header of a file that follows."""
        known = self.header
        together = {**known.elements, **elements}
        return Header(known.transfer_syntax, known.encoding, together, known.meta)

    def became(self, element: RawElement, data: bytes, place: Place) -> Became | None:
        """Return what becomes of an element; None when a rule decides otherwise than it did.

        Values come again in a series: the last few of each attribute are remembered.

        Parameters
        ----------
        element : RawElement
        data : bytes
            The file.
        place : Place
            Where in it the element stands.
        """
        tag = element.tag
        if tag not in self._shortcuts:
            self._shortcuts[tag] = self._shortcut(tag, element.vr)
        shortcut = self._shortcuts[tag]
        known = None if shortcut is None else shortcut(element, data, place)
        if known is not None:
            return known
        of_tag = self._became.setdefault(tag, {})
        found = of_tag.get(element.value)
        if found is None:
            found = self._planned(element)
            if found is not None and len(element.value) <= _LONGEST_REMEMBERED:
                if len(of_tag) >= _MOST_REMEMBERED:
                    of_tag.clear()
                of_tag[element.value] = found
        return found

    def _shortcut(self, tag: int, vr: str | None) -> _Shortcut | None:
        """Return what tells of the values of an attribute what becomes of them, unplanned."""
        if is_removed_unread(tag, self.creators, self.context):
            return self._removed
        if tag not in self.written.places:
            return None
        test = as_it_came(tag, vr, self.context)
        if test is not None and vr is not None:
            return (
                partial(_kept, test)
                if self._is_as(kept_as_it_came(tag, vr, self.context))
                else None
            )
        map_uid = uid_map(tag, vr, self.context)
        if map_uid is not None and self._is_as(mapped_as_planned(tag, self.context)):
            return partial(self._mapped, map_uid)
        return None

    def _is_as(self, action: ElementAction) -> bool:
        return outcome_of(action) == outcome_of(self.actions[action.tag])

    def _removed(self, element: RawElement, data: bytes, place: Place) -> Became:
        return Became(b"", None, None, (), harvest_element(element, self.context.charset))

    def _mapped(
        self, map_uid: MapUid, element: RawElement, data: bytes, place: Place
    ) -> Became | None:
        mapped = map_uid(element.value)
        return None if mapped is None else self._as_written(mapped.out, (), mapped.identifiers)

    def _planned(self, element: RawElement) -> Became | None:
        action = plan_element(element, self.creators, self.context)
        if outcome_of(action) != outcome_of(self.actions[element.tag]):
            return None
        identifiers = harvest_element(element, self.context.charset)
        if action.out is None or element.tag not in self.written.places:
            return Became(b"", None, None, (), identifiers)
        return self._as_written(action.out, action.days, identifiers)

    def _as_written(
        self, out: OutElement, days: Sequence[Day], identifiers: frozenset[Identifier]
    ) -> Became:
        written = b"".join(element_parts(out, self.header.encoding))
        back = self._read_back(written, out)
        pairs = tuple([_written_day(day, back) for day in days])
        return Became(out.value, written, back, pairs, identifiers)

    def _read_back(self, written: bytes, out: OutElement) -> RawElement:
        """Scan what was written of an element; held unless it says what was planned."""
        encoding = self.header.encoding
        try:
            found = Scanner(written, encoding).elements(0, len(written), 0)
        except ScanError:
            found = []
        vr = out.vr if encoding.explicit else None
        planned = element_parts(out, encoding)[1]
        if [(e.tag, e.vr, e.value) for e in found] != [(out.tag, vr, planned)]:
            raise NotAsPlannedError("a scan reads other elements than were written")
        return found[0]

    def start(self, sop_uid: bytes | None) -> tuple[bytes, bytes, bytes]:
        """Return preamble and file meta of an object, in three parts; None is the UID it has."""
        if sop_uid is None:
            sop_uid = self.out[_SOP_UID].value
        around = self._starts.get(len(sop_uid))
        if around is None:
            mark = b"\xff" * len(sop_uid)
            out = {**self.out, _SOP_UID: replace(self.out[_SOP_UID], value=mark)}
            before, found, behind = encode_start(
                file_meta(out, self.header.transfer_syntax)
            ).partition(mark)
            if not found:
                raise NotAsPlannedError("file meta has no place for the UID")
            around = self._starts[len(sop_uid)] = (before, behind)
        return around[0], sop_uid, around[1]


def _kept(test: Test, element: RawElement, data: bytes, place: Place) -> Became | None:
    if not test(element.value):
        return None
    return Became(element.value, data[place.start : place.end], element, (), _NOBODY)


def _written_day(day: Day, back: RawElement) -> tuple[date, date]:
    """Pair a real day with the one that was written in its place, as a scan reads it."""
    found: RawElement | None = back
    for number, tag in zip(day.path[1::2], day.path[2::2], strict=True):
        items = () if found is None else found.items or scan_items(found.value) or ()
        item = items[number] if number < len(items) else ()
        found = next((e for e in item if e.tag == tag), None)
    text = "" if found is None else found.value.decode("ascii", "replace")
    after = read_date(text.rstrip("\0 ")[:8])
    if after is None:
        raise NotAsPlannedError("a date was not written as one")
    return day.real, after


def outcome_of(action: ElementAction) -> Outcome:
    """Return all of an action that counts, audit trail and marks are made of."""
    out = action.out
    return (
        action.tag,
        action.action,
        action.option,
        action.refused,
        action.lost,
        action.dropped_words,
        len(action.days),
        out is not None and (out.value != b"" or bool(out.items)),
        out is not None,
        *(outcome_of(a) for a in action.nested),
    )


def can_be_learned(source: Source) -> bool:
    """Return whether files like this one can be replayed: laid out for it, and one frame."""
    tags = {place.tag for place in source.header.places}
    grid = any(t >> 16 == _UIH_GROUP and t & 0xFF == _UIH_FRAMES for t in tags)
    pixels = source.header.elements.get(PIXEL_DATA)
    if grid or _PER_FRAME_GROUPS in tags or pixels is None or pixels.undefined_length:
        return False
    if len(pixels.value) % 2:
        return False
    return can_be_known(source.data, source.header.places)


def learn(source: Source) -> Template:
    """Make a template of a file that `can_be_learned` from."""
    header = source.header
    elements = {t: e for t, e in header.elements.items() if t != PIXEL_DATA}
    actions = {a.tag: a for a in source.actions if a.tag != PIXEL_DATA}
    out = out_elements(source.actions)
    # What marks the object is none of its own elements.
    planned = {tag for tag, o in out.items() if tag in actions and actions[tag].out is o}
    return Template(
        header=Header(header.transfer_syntax, header.encoding, elements, {}),
        known=KnownHeader(source.data, header.places, header.encoding),
        context=source.context,
        creators=private_creators(elements),
        actions=actions,
        out={t: o for t, o in out.items() if t != PIXEL_DATA},
        written=_written(out, planned, header.encoding),
        stated=stated_pixels(header),
        n_pixel_bytes=len(header.get(PIXEL_DATA)),
    )


def _written(
    out: Mapping[int, OutElement], planned: Collection[int], encoding: Encoding
) -> Written:
    body, places = bytearray(), {}
    for tag in sorted(out):
        if tag == PIXEL_DATA:
            break
        begin = len(body)
        for part in element_parts(out[tag], encoding):
            body += part
        if tag in planned:
            places[tag] = (begin, len(body))
    elements = Scanner(bytes(body), encoding).elements(0, len(body), 0)
    head = element_parts(out[PIXEL_DATA], encoding)[0]
    return Written(bytes(body) + head, places, {e.tag: e for e in elements})
