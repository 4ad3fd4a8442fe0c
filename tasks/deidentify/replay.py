"""Replay what the plain path gave for a file of the same series (see `template`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple, cast

from pydicom.dataset import Dataset

from schemas.dicom.by_series import BySeries
from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import PIXEL_DATA, Place, RawElement
from schemas.dicom.features import fields_of_tags, read_fields
from schemas.dicom.header_view import HeaderView
from schemas.identifiers import RawPatientId, SopUid
from schemas.native.object_digests import object_digests
from schemas.record_copies import Altered
from tasks.deidentify.deidentified import DeidentifiedObject, days_written
from tasks.deidentify.delivered import Differing, facts_of_tags, reread_facts
from tasks.deidentify.identifiers import Identifier, harvest_element
from tasks.deidentify.plan.actions import Assign, Person
from tasks.deidentify.plan.admission import is_admitted_instance
from tasks.deidentify.plan.pixel_bytes import STATED_OF_PIXELS, stated_pixels
from tasks.deidentify.rules.profile import Profile, tag_of
from tasks.deidentify.template import Became, Days, Source, Template, can_be_learned, learn
from tasks.deidentify.written_header import WrittenHeader, written_header

_PATIENT_ID, _SOP_UID = tag_of("PatientID"), tag_of("SOPInstanceUID")
_META_GROUP = 2

#: Ways in which files of a series differ from the one they are replayed from.
_MOST_LAYOUTS = 32


class _Layout(NamedTuple):
    """What is the same in all files that differ from a template in the same attributes.

    `pieces` of what is written lie around `written`, those of the attributes that are written.
    """

    tags: tuple[int, ...]
    written: tuple[int, ...]
    pieces: tuple[memoryview, ...]
    fields: tuple[str, ...]
    facts: Differing
    states_pixels: bool
    days: Mapping[int, Days]
    all_days: Days
    identifiers: frozenset[Identifier]


@dataclass(frozen=True)
class Reference:
    """A file that went the plain path, and what of it holds for all that follow (restricted)."""

    template: Template = field(repr=False)
    patient_id: RawPatientId = field(repr=False)
    done: DeidentifiedObject = field(repr=False)
    written: WrittenHeader = field(repr=False)
    days: Mapping[int, Days] = field(repr=False)
    identifiers: Mapping[int, frozenset[Identifier]] = field(repr=False)
    _layouts: dict[tuple[int, ...], _Layout | None] = field(repr=False, default_factory=dict)

    def layout(self, changed: tuple[int, ...]) -> _Layout | None:
        """Return how files are replayed that differ in these attributes; None if none can be."""
        if changed not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            self._layouts[changed] = self._new_layout(changed)
        return self._layouts[changed]

    def _new_layout(self, changed: tuple[int, ...]) -> _Layout | None:
        tags = tuple(tag for tag in changed if tag >> 16 != _META_GROUP)
        if not all(map(self.template.may_differ, tags)):
            return None
        body, places = memoryview(self.template.written.body), self.template.written.places
        written = tuple(sorted(tag for tag in tags if tag in places))
        days = {tag: days for tag, days in self.days.items() if tag not in tags}
        cuts = (0, *chain.from_iterable(places[tag] for tag in written), len(body))
        return _Layout(
            tags=tags,
            written=written,
            pieces=tuple(body[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)),
            fields=fields_of_tags(tags),
            facts=facts_of_tags(tags),
            states_pixels=not STATED_OF_PIXELS.isdisjoint(tags),
            days=days,
            all_days=tuple(pair for tag in sorted(days) for pair in days[tag]),
            identifiers=frozenset[Identifier]().union(
                *(found for tag, found in self.identifiers.items() if tag not in tags)
            ),
        )


class Memory:
    """What one worker remembers of series (restricted: it holds values of headers).

    These are the files that series are replayed from. It changes no byte: without a memory
    everything is decided anew, and that is the reference the tests hold this against.
    """

    def __init__(self) -> None:
        self.references: BySeries[Reference] = BySeries()


def replay(
    data: bytes,
    memory: Memory,
    profile: Profile,
    assign: Assign,
    map_uid: Callable[[str], str],
    *,
    hashes_source: bool = False,
) -> DeidentifiedObject | None:
    """Return what the plain path would, or None for a file that has to go there.

    With `hashes_source` the file is hashed too, which then costs next to nothing.
    """
    for reference in memory.references.of(data):
        known = reference.template.known
        followed = known.follow(data)
        if followed is None or not _is_same_person(reference, profile, assign, map_uid):
            continue
        layout = reference.layout(followed.changed)
        if layout is None:
            continue
        places = {tag: followed.places[tag] for tag in layout.tags}
        own = _own_elements(data, places, reference.template)
        if own is None:
            continue
        pixels = followed.places[PIXEL_DATA]
        file = _File(data, places, pixels.begin, pixels.end, hashes_source)
        done = _replayed(reference, layout, own, file)
        if done is not None:
            memory.references.keep(data, reference, known.n_bytes)
            return done
    return None


def _is_same_person(
    reference: Reference, profile: Profile, assign: Assign, map_uid: Callable[[str], str]
) -> bool:
    subject = assign(reference.patient_id)
    if subject is None:
        return False
    context = reference.template.context
    person = Person(subject.subject_id, subject.shift_days, map_uid)
    return context.person == person and context.profile is profile


def _own_elements(
    data: bytes, places: Mapping[int, Place], template: Template
) -> dict[int, RawElement] | None:
    """Return the elements in which a file differs; None where one does not scan."""
    found = {}
    for tag, place in places.items():
        element = template.element(data, place)
        if element is None:
            return None
        found[tag] = element
    return found


class _File(NamedTuple):
    """A file, where its own elements and its pixels stand, and whether it is hashed."""

    data: bytes
    places: Mapping[int, Place]
    begin: int
    end: int
    is_hashed: bool

    @property
    def pixels(self) -> memoryview:
        """The pixels where they stand: half a megabyte need not be copied."""
        return memoryview(self.data)[self.begin : self.end]


def _replayed(
    reference: Reference, layout: _Layout, own: Mapping[int, RawElement], file: _File
) -> DeidentifiedObject | None:
    template, pixels = reference.template, file.pixels
    header = template.header_with(own)
    stated = stated_pixels(header) if layout.states_pixels else template.stated
    if len(pixels) != template.n_pixel_bytes:
        return None
    if not is_admitted_instance(header.get(_SOP_UID), stated, pixels):
        return None
    became = {}
    for tag, element in own.items():
        found = template.became(element, file.data, file.places[tag])
        if found is None:
            return None
        became[tag] = found
    back = {tag: b.back for tag, b in became.items() if b.back is not None}
    view = HeaderView(reference.written.with_own(back))
    sop_uid = SopUid(view.SOPInstanceUID)
    known = reference.done
    features = Altered(known.features.known, read_fields(cast("Dataset", view), layout.fields))
    if not view.is_plain:
        return None
    facts = reread_facts(known.facts.known, header, layout.facts, sop_uid, template.creators)
    output = _output(template, layout, became)
    digests = object_digests(file.data, file.begin, file.end, output, whole=file.is_hashed)
    return DeidentifiedObject(
        parts=(output, pixels),
        output_sha256=digests.output,
        pixel_sha256=digests.pixels,
        sop_uid=sop_uid,
        features=features,
        facts=facts,
        counts=known.counts,
        trail=known.trail,
        options=known.options,
        days=_days(layout, became),
        identifiers=layout.identifiers.union(*(b.identifiers for b in became.values())),
        dropped=known.dropped,
        source_sha256=digests.file,
    )


def _output(template: Template, layout: _Layout, became: Mapping[int, Became]) -> bytes:
    """Return the new file up to the value of its pixels."""
    own = became.get(_SOP_UID)
    parts: list[bytes | memoryview] = [*template.start(own and own.value), layout.pieces[0]]
    for tag, piece in zip(layout.written, layout.pieces[1:], strict=True):
        parts += [became[tag].written or b"", piece]
    return b"".join(parts)


def _days(layout: _Layout, became: Mapping[int, Became]) -> Days:
    own = {tag: b.days for tag, b in became.items() if b.days}
    if not own:
        return layout.all_days
    by_tag = {**layout.days, **own}
    return tuple(pair for tag in sorted(by_tag) for pair in by_tag[tag])


def remember(memory: Memory, source: Source, written: Dataset, done: DeidentifiedObject) -> None:
    """Let the files to come be replayed from this one, where that is possible.

    Parameters
    ----------
    memory : Memory
    source : Source
        The file.
    written : Dataset
        What was written of it, as pydicom reads it.
    done : DeidentifiedObject
        What became of it.
    """
    if can_be_learned(source):
        reference = _reference(learn(source), source, written, done)
        memory.references.keep(source.data, reference, reference.template.known.n_bytes)


def _reference(
    template: Template, source: Source, written: Dataset, done: DeidentifiedObject
) -> Reference:
    header = template.header
    charset = source.context.charset
    harvested = {tag: harvest_element(e, charset) for tag, e in header.elements.items()}
    return Reference(
        template=template,
        patient_id=RawPatientId(decode_text(header.get(_PATIENT_ID), charset)),
        done=replace(done, parts=()),
        written=written_header(header.transfer_syntax, header.encoding, template.written.elements),
        days={a.tag: days_written((a,), written) for a in source.actions if a.days},
        identifiers={tag: found for tag, found in harvested.items() if found},
    )
