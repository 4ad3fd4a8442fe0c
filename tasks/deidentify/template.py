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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from schemas.dicom.elements import PIXEL_DATA, Encoding, Header, RawElement, Scanner
from schemas.dicom.encode import OutElement, element_parts, encode_start
from schemas.dicom.known_header import Followed, KnownHeader, can_be_known
from schemas.dicom.scan_errors import ScanError
from tasks.deidentify.plan.actions import Context, ElementAction
from tasks.deidentify.plan.admission import READ_BY_SERIES_CHECKS
from tasks.deidentify.plan.plan import (
    BIRTH_DATE,
    MANUFACTURER,
    PATIENT_AGE,
    PERSON_NAMES,
    SPECIFIC_CHARACTER_SET,
    STUDY_DATE,
    plan_element,
)
from tasks.deidentify.plan.plan_private import is_creator, private_creators
from tasks.deidentify.plan.rebuild import file_meta, out_elements
from tasks.deidentify.rules.profile import ROOT, Action, Profile, tag_of

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

Outcome = tuple[object, ...]


class Own(NamedTuple):
    """What became of the elements in which a file differs from its template."""

    actions: tuple[ElementAction, ...]
    parts: tuple[bytes, ...]
    pixels: bytes
    tags: frozenset[int]
    read_back: Dataset


@dataclass(frozen=True)
class Source:
    """A file that went the plain path, as a template learns from it (restricted)."""

    data: bytes = field(repr=False)
    header: Header = field(repr=False)
    context: Context = field(repr=False)
    actions: Sequence[ElementAction] = field(repr=False)


class _Written(NamedTuple):
    """The data set that was written up to the value of its pixels, and where elements stand."""

    body: bytes
    places: Mapping[int, tuple[int, int]]
    pixels_head: bytes


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
    written: _Written = field(repr=False)

    def own_elements(self, data: bytes, followed: Followed) -> dict[int, RawElement] | None:
        """Return the pixels of a file that follows and the elements of the data set that differ.

        None where one differs that others are decided by, or does not scan.
        """
        tags = [tag for tag in followed.changed if tag >> 16 != _META_GROUP]
        if any(_is_always_alike(tag, self.context.profile) for tag in tags):
            return None
        scanner, end = Scanner(data, self.header.encoding), len(data)
        places = followed.places
        try:
            return {t: scanner.element(places[t].start, end, 0)[0] for t in (*tags, PIXEL_DATA)}
        except ScanError:
            return None

    def header_with(self, elements: Mapping[int, RawElement]) -> Header:
        """Return the header of a file that follows."""
        known = self.header
        together = {**known.elements, **elements}
        return Header(known.transfer_syntax, known.encoding, together, known.meta)

    def plan(self, elements: Mapping[int, RawElement]) -> Own | None:
        """Plan the elements in which a file differs; None when a rule decides otherwise."""
        encoding = self.header.encoding
        actions = tuple(plan_element(e, self.creators, self.context) for e in elements.values())
        if any(outcome_of(a) != outcome_of(self.actions[a.tag]) for a in actions):
            return None
        outs = {a.tag: a.out for a in actions if a.out is not None}
        written = {
            t: b"".join(element_parts(o, encoding))
            for t, o in outs.items()
            if t in self.written.places
        }
        head, pixels = element_parts(outs[PIXEL_DATA], encoding)
        if head != self.written.pixels_head:
            return None
        start = encode_start(file_meta({**self.out, **outs}, self.header.transfer_syntax))
        parts = (start, *self._body_with(written), pixels)
        return Own(actions, parts, pixels, frozenset(written), self._read(written))

    def _body_with(self, written: Mapping[int, bytes]) -> list[bytes]:
        body, parts, position = self.written.body, list[bytes](), 0
        for tag in sorted(written):
            begin, end = self.written.places[tag]
            parts += [body[position:begin], written[tag]]
            position = end
        return [*parts, body[position:], self.written.pixels_head]

    def _read(self, written: Mapping[int, bytes]) -> Dataset:
        """Read back by pydicom what was written of the elements of the file's own."""
        encoding = self.header.encoding
        own = b"".join(written[tag] for tag in sorted(written))
        return read_dataset(BytesIO(own), not encoding.explicit, encoding.little, len(own))


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
    return can_be_known(source.data, source.header.places)


def learn(source: Source) -> Template:
    """Make a template of a file that `can_be_learned` from."""
    header = source.header
    elements = {t: e for t, e in header.elements.items() if t != PIXEL_DATA}
    actions = {a.tag: a for a in source.actions}
    out = out_elements(source.actions)
    # What marks the object is none of its own elements.
    planned = {tag for tag, o in out.items() if tag in actions and actions[tag].out is o}
    return Template(
        header=Header(header.transfer_syntax, header.encoding, elements, {}),
        known=KnownHeader(source.data, header.places, header.encoding),
        context=source.context,
        creators=private_creators(elements),
        actions={t: a for t, a in actions.items() if t != PIXEL_DATA} | _without_value(actions),
        out={t: o for t, o in out.items() if t != PIXEL_DATA},
        written=_written(out, planned, header.encoding),
    )


def _without_value(actions: Mapping[int, ElementAction]) -> dict[int, ElementAction]:
    """Return what became of the pixels, without keeping them: a byte stands for all."""
    action = actions[PIXEL_DATA]
    out = action.out and replace(action.out, value=action.out.value[:1])
    return {PIXEL_DATA: replace(action, out=out)}


def _is_always_alike(tag: int, profile: Profile) -> bool:
    rule = profile.rules[ROOT].get(tag)
    decided = rule is not None and rule.action in _DECIDED_BY_OTHERS
    return decided or tag in _ALWAYS_ALIKE or is_creator(tag)


def _written(
    out: Mapping[int, OutElement], planned: Collection[int], encoding: Encoding
) -> _Written:
    body, places = bytearray(), {}
    for tag in sorted(out):
        if tag == PIXEL_DATA:
            break
        begin = len(body)
        for part in element_parts(out[tag], encoding):
            body += part
        if tag in planned:
            places[tag] = (begin, len(body))
    return _Written(bytes(body), places, element_parts(out[PIXEL_DATA], encoding)[0])
