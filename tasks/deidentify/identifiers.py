"""What a source header says about people and places: the words that must not come back.

Everything here is restricted: it is kept sealed and used only to search what was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from schemas.dicom.charsets import decode_text, possible_texts
from schemas.dicom.elements import PIXEL_DATA, Header, RawElement, vr_from_dictionary, walk
from tasks.deidentify.plan.plan import SPECIFIC_CHARACTER_SET
from tasks.deidentify.rules.profile import tag_of
from tasks.deidentify.rules.values import is_registered_uid, read_date
from tasks.deidentify.told_names import told_names


class IdentifierKind(StrEnum):
    """What sort of identifier a value is; the only thing a hit may tell of it."""

    NAME = "name"
    PATIENT_ID = "patient_id"
    RESIDENT_ID = "resident_id"
    VISIT = "visit"
    BIRTH_DATE = "birth_date"
    DATE = "date"
    UID = "uid"
    PHONE = "phone"
    ADDRESS = "address"
    HOSPITAL = "hospital"
    PHYSICIAN = "physician"


class Identifier(NamedTuple):
    """One identifying value (restricted)."""

    kind: IdentifierKind
    value: str


@dataclass(frozen=True)
class SubjectIdentifiers:
    """All that is known of one person by the sources, and how far the dates moved (restricted)."""

    subject_id: str
    shift_days: int | None = field(repr=False)
    identifiers: frozenset[Identifier] = field(repr=False)


@dataclass(frozen=True)
class PersonsInHeaders:
    """de-identify → scan: what the headers of the batch say, by pseudonym (restricted)."""

    identifiers: Mapping[str, SubjectIdentifiers] = field(repr=False)


def merge_identifiers(sources: Iterable[SubjectIdentifiers]) -> list[SubjectIdentifiers]:
    """Return one record per person, sorted by pseudonym; the first known shift counts."""
    shifts: dict[str, int | None] = {}
    merged: dict[str, set[Identifier]] = {}
    for source in sources:
        if shifts.get(source.subject_id) is None:
            shifts[source.subject_id] = source.shift_days
        merged.setdefault(source.subject_id, set()).update(source.identifiers)
    return [SubjectIdentifiers(s, shifts[s], frozenset(merged[s])) for s in sorted(merged)]


def _tags(*keywords: str) -> tuple[int, ...]:
    return tuple(tag_of(k) for k in keywords)


_KIND_OF_TAG: dict[int, IdentifierKind] = {
    **dict.fromkeys(
        _tags("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName"),
        IdentifierKind.NAME,
    ),
    **dict.fromkeys(_tags("PatientID", "OtherPatientIDs"), IdentifierKind.PATIENT_ID),
    **dict.fromkeys(
        _tags(
            "AccessionNumber",
            "AdmissionID",
            "RequestedProcedureID",
            "PlacerOrderNumberImagingServiceRequest",
            "FillerOrderNumberImagingServiceRequest",
        ),
        IdentifierKind.VISIT,
    ),
    tag_of("PatientBirthDate"): IdentifierKind.BIRTH_DATE,
    tag_of("PatientTelephoneNumbers"): IdentifierKind.PHONE,
    **dict.fromkeys(_tags("PatientAddress", "InstitutionAddress"), IdentifierKind.ADDRESS),
    tag_of("InstitutionName"): IdentifierKind.HOSPITAL,
}
_KIND_OF_VR = {
    "PN": IdentifierKind.PHYSICIAN,
    "DA": IdentifierKind.DATE,
    "DT": IdentifierKind.DATE,
    "UI": IdentifierKind.UID,
}


_COMMENTS = frozenset(
    _tags(
        *("PatientComments", "ImageComments", "AdditionalPatientHistory", "StudyComments"),
        *("VisitComments", "RequestedProcedureComments", "ImagingServiceRequestComments"),
    )
)


#: What may stand before and behind a value and is no part of it: blanks, and control characters,
#: as an export from a table leaves them at its end of line. Nobody writes them elsewhere.
_BESIDE_TEXT = "".join(map(chr, range(0x21))) + "\x7f\u3000\ufeff"


def harvest_identifiers(header: Header) -> frozenset[Identifier]:
    """Return the identifiers a source header holds, at every depth.

    Names of people who are not the patient, and those that comments tell of, count as
    physicians; UIDs that DICOM itself registers do not count. Dates come as YYYYMMDD.
    """
    charset = decode_text(header.get(SPECIFIC_CHARACTER_SET))
    harvested = [harvest_element(element, charset) for element in header.elements.values()]
    return frozenset().union(*harvested)


def harvest_element(root: RawElement, charset: str) -> frozenset[Identifier]:
    """Return the identifiers in one top-level element and below it."""
    if root.tag == PIXEL_DATA or (root.group % 2 and root.items is None):
        return frozenset()
    if root.items is None and not may_identify(root.tag, root.vr):
        return frozenset()
    return frozenset(
        identifier
        for element in walk((root,))
        if not (element.group % 2 or element.items is not None or len(element.value) > 4096)
        for identifier in _of_element(element, charset)
    )


def _of_element(element: RawElement, charset: str) -> Iterator[Identifier]:
    if element.tag in _COMMENTS:
        for text in possible_texts(element.value, charset):
            yield from (Identifier(IdentifierKind.PHYSICIAN, name) for name in told_names(text))
        return
    kind = kind_of(element.tag, element.vr)
    if kind is None:
        return
    for text in possible_texts(element.value, charset):
        for part in text.split("\\"):
            value = _canonical(kind, part.strip(_BESIDE_TEXT))
            if value:
                yield Identifier(kind, value)


def may_identify(tag: int, vr: str | None) -> bool:
    """Return whether an element that holds no items may say anything about people or places."""
    return tag in _COMMENTS or kind_of(tag, vr) is not None


def kind_of(tag: int, vr: str | None) -> IdentifierKind | None:
    """Return what sort of identifier the values of an element are, None of none."""
    return _KIND_OF_TAG.get(tag) or _KIND_OF_VR.get(vr or vr_from_dictionary(tag))


def _canonical(kind: IdentifierKind, value: str) -> str:
    if kind in (IdentifierKind.DATE, IdentifierKind.BIRTH_DATE):
        day = read_date(value[:8]) or read_date(value)
        return f"{day:%Y%m%d}" if day else ""
    return "" if kind is IdentifierKind.UID and is_registered_uid(value) else value
