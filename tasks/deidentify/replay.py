"""Replay what the plain path gave for a file of the same series (see `template`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from schemas.dicom.by_series import BySeries
from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import Header, RawElement
from schemas.dicom.features import fields_of_tags, reread_features
from schemas.identifiers import RawPatientId, Sha256, SopUid
from tasks.deidentify.deidentified import DeidentifiedObject, NotAsPlannedError, days_written
from tasks.deidentify.delivered import reread_facts
from tasks.deidentify.identifiers import Identifier, harvest_element
from tasks.deidentify.plan.actions import Assign, ElementAction, Person
from tasks.deidentify.plan.admission import check_instance
from tasks.deidentify.rules.profile import Profile, tag_of
from tasks.deidentify.template import Own, Source, Template, can_be_learned, learn

_PATIENT_ID = tag_of("PatientID")

#: Sets of attributes in which files differ, whose fields are remembered.
_MOST_SETS = 4096

_Days = tuple[tuple[date, date], ...]


@dataclass(frozen=True)
class Reference:
    """A file that went the plain path, and what of it holds for all that follow (restricted)."""

    template: Template = field(repr=False)
    patient_id: RawPatientId = field(repr=False)
    done: DeidentifiedObject = field(repr=False)
    written: Dataset = field(repr=False)
    days: Mapping[int, _Days] = field(repr=False)
    identifiers: Mapping[int, frozenset[Identifier]] = field(repr=False)
    #: Elements of `written` in whose place those of the file replayed last stand.
    displaced: dict[int, DataElement | RawDataElement] = field(repr=False, default_factory=dict)


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
) -> DeidentifiedObject | None:
    """Return what the plain path would, or None for a file that has to go there."""
    for reference in memory.references.of(data):
        template = reference.template
        followed = template.known.follow(data)
        if followed is None or not _is_same_person(reference, profile, assign, map_uid):
            continue
        elements = template.own_elements(data, followed)
        if elements is None:
            continue
        header = template.header_with(elements)
        if check_instance(header) is not None:
            return None
        own = template.plan(elements)
        if own is not None:
            memory.references.keep(data, reference, template.known.n_bytes)
            return _replayed(reference, header, elements, own)
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


def _replayed(
    reference: Reference, header: Header, elements: Mapping[int, RawElement], own: Own
) -> DeidentifiedObject:
    written = _written(reference, own)
    digest = hashlib.sha256()
    for part in own.parts:
        digest.update(part)
    charset = reference.template.context.charset
    harvested = [harvest_element(e, charset) for e in elements.values()]
    shared = [found for tag, found in reference.identifiers.items() if tag not in elements]
    sop_uid = SopUid(str(written.SOPInstanceUID))
    return replace(
        reference.done,
        parts=own.parts,
        output_sha256=Sha256(digest.hexdigest()),
        pixel_sha256=Sha256(hashlib.sha256(own.pixels).hexdigest()),
        sop_uid=sop_uid,
        features=reread_features(reference.done.features, written, _fields_of(frozenset(elements))),
        facts=reread_facts(
            reference.done.facts, header, elements, sop_uid, reference.template.creators
        ),
        days=_days(reference, own.actions, written),
        identifiers=frozenset().union(*shared, *harvested),
    )


def _written(reference: Reference, own: Own) -> Dataset:
    """Return the header of the file as pydicom reads it: what is alike was read before."""
    written, displaced = reference.written, reference.displaced
    if {int(tag) for tag in own.read_back.keys()} != own.tags:  # noqa: SIM118  as below
        raise NotAsPlannedError("pydicom reads other elements than were written")
    while displaced:
        tag, element = displaced.popitem()
        written[tag] = element
    for tag in own.read_back.keys():  # noqa: SIM118  iterating a data set decodes it
        displaced[tag] = written.get_item(tag)
        written[tag] = own.read_back.get_item(tag)
    return written


@lru_cache(maxsize=_MOST_SETS)
def _fields_of(tags: frozenset[int]) -> tuple[str, ...]:
    return fields_of_tags(tags)


def _days(reference: Reference, actions: tuple[ElementAction, ...], written: Dataset) -> _Days:
    own = {a.tag: days_written((a,), written) for a in actions if a.days}
    by_tag = {**reference.days, **own} if own else reference.days
    return tuple(pair for tag in sorted(by_tag) for pair in by_tag[tag])


def remember(memory: Memory, source: Source, written: Dataset, done: DeidentifiedObject) -> None:
    """Let the files to come be replayed from this one, where that is possible."""
    if can_be_learned(source):
        reference = _reference(learn(source), source, written, done)
        memory.references.keep(source.data, reference, reference.template.known.n_bytes)


def _reference(
    template: Template, source: Source, written: Dataset, done: DeidentifiedObject
) -> Reference:
    elements = template.header.elements
    charset = source.context.charset
    harvested = {tag: harvest_element(e, charset) for tag, e in elements.items()}
    del written.PixelData
    return Reference(
        template=template,
        patient_id=RawPatientId(decode_text(elements[_PATIENT_ID].value, charset)),
        done=replace(done, parts=()),
        written=written,
        days={a.tag: days_written((a,), written) for a in source.actions if a.days},
        identifiers={tag: found for tag, found in harvested.items() if found},
    )
