"""Replay what the plain path gave for a file of the same series (see `template`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from pydicom.dataset import Dataset

from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import Header, RawElement
from schemas.dicom.features import fields_of_tags, reread_features
from schemas.dicom.series_runs import tags_of
from schemas.identifiers import RawPatientId, Sha256, SopUid
from tasks.deidentify.deidentified import DeidentifiedObject, NotAsPlannedError, days_written
from tasks.deidentify.delivered import reread_facts
from tasks.deidentify.identifiers import Identifier, harvest_element
from tasks.deidentify.plan.actions import Assign, ElementAction, Person
from tasks.deidentify.plan.admission import check_instance
from tasks.deidentify.plan.memory import Memory
from tasks.deidentify.rules.profile import Profile, tag_of
from tasks.deidentify.template import Own, Source, Template, can_be_learned, learn

_PATIENT_ID = tag_of("PatientID")
_MOST_REFERENCES, _MOST_SHAPES = 12, 1024

_Days = tuple[tuple[date, date], ...]


@dataclass(frozen=True)
class Reference:
    """A file that went the plain path, and what of it holds for all that follow (restricted)."""

    template: Template = field(repr=False)
    patient_id: RawPatientId = field(repr=False)
    done: DeidentifiedObject = field(repr=False)
    written: Dataset = field(repr=False)
    fields: tuple[str, ...]
    days: Mapping[int, _Days] = field(repr=False)
    identifiers: frozenset[Identifier] = field(repr=False)


def replay(
    data: bytes,
    memory: Memory,
    profile: Profile,
    assign: Assign,
    map_uid: Callable[[str], str],
) -> DeidentifiedObject | None:
    """Return what the plain path would, or None for a file that has to go there."""
    for at, reference in enumerate(memory.references):
        template = reference.template
        found = template.runs.find(data)
        if found is None or not _is_same_person(reference, profile, assign, map_uid):
            continue
        elements = found.elements
        header = template.header_with(elements)
        if check_instance(header) is not None:
            return None
        own = template.plan(elements)
        if own is not None:
            memory.references.insert(0, memory.references.pop(at))
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
    sop_uid = SopUid(str(written.SOPInstanceUID))
    return replace(
        reference.done,
        parts=own.parts,
        output_sha256=Sha256(digest.hexdigest()),
        pixel_sha256=Sha256(hashlib.sha256(own.pixels).hexdigest()),
        sop_uid=sop_uid,
        features=reread_features(reference.done.features, written, reference.fields),
        facts=reread_facts(
            reference.done.facts, header, elements, sop_uid, reference.template.creators
        ),
        days=_days(reference, own.actions, written),
        identifiers=reference.identifiers.union(*harvested),
    )


def _written(reference: Reference, own: Own) -> Dataset:
    """Return the header of the file as pydicom reads it: what is alike was read before."""
    written = reference.written
    if {int(tag) for tag in own.read_back.keys()} != own.tags:  # noqa: SIM118  as below
        raise NotAsPlannedError("pydicom reads other elements than were written")
    for tag in own.read_back.keys():  # noqa: SIM118  iterating a data set decodes it
        written[tag] = own.read_back.get_item(tag)
    return written


def _days(reference: Reference, actions: tuple[ElementAction, ...], written: Dataset) -> _Days:
    own = {a.tag: days_written((a,), written) for a in actions if a.days}
    by_tag = {**reference.days, **own} if own else reference.days
    return tuple(pair for tag in sorted(by_tag) for pair in by_tag[tag])


def remember(memory: Memory, source: Source, written: Dataset, done: DeidentifiedObject) -> None:
    """Let the files to come be replayed from this one, where that is possible."""
    if not can_be_learned(source):
        return
    shape = (source.header.transfer_syntax, tags_of(source.header))
    differing = memory.differing.get(shape, frozenset())
    before = next((r for r in memory.references if r.template.is_same_series(source)), None)
    template = learn(source, before.template if before else None, differing)
    if len(memory.differing) >= _MOST_SHAPES:
        memory.differing.clear()
    memory.differing[shape] = template.runs.differing
    if before is not None and before.template.outcomes.items() <= template.outcomes.items():
        memory.references.remove(before)
    memory.references.insert(0, _reference(template, source, written, done))
    del memory.references[_MOST_REFERENCES:]


def _reference(
    template: Template, source: Source, written: Dataset, done: DeidentifiedObject
) -> Reference:
    elements = template.header.elements
    charset = source.context.charset
    harvested = [harvest_element(e, charset) for e in elements.values()]
    del written.PixelData
    return Reference(
        template=template,
        patient_id=RawPatientId(decode_text(elements[_PATIENT_ID].value, charset)),
        done=replace(done, parts=()),
        written=written,
        fields=fields_of_tags(template.runs.differing),
        days={
            a.tag: days_written((a,), written)
            for a in source.actions
            if a.days and a.tag not in template.runs.differing
        },
        identifiers=frozenset().union(*harvested),
    )
