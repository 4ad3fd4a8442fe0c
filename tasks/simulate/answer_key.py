"""What was planted and what is true: the records of the answer key. No stage may read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What sort of identifier a planted value is."""

    NAME_HAN = "name_han"
    NAME_PINYIN = "name_pinyin"
    PATIENT_ID = "patient_id"
    ACCESSION = "accession"
    RESIDENT_ID = "resident_id"
    MOBILE = "mobile"
    ADDRESS = "address"
    CONTACT = "contact"
    BIRTH_DATE = "birth_date"
    PHYSICIAN = "physician"
    INSTITUTION = "institution"
    STATION = "station"
    DEVICE = "device"
    WARD = "ward"
    UID = "uid"
    DATE = "date"
    SUBJECT_NO = "subject_no"
    SCREENING_NO = "screening_no"
    FREE_TEXT = "free_text"


OWN_OBJECTS = frozenset({Kind.BIRTH_DATE, Kind.DATE})
"""Kinds to be looked for in that person's own objects only: another person's shifted date
may equal this one's real date."""


@dataclass(frozen=True, order=True)
class PlantedIdentifier:
    """One value as it was written, and where: an attribute path, a form, a path habit."""

    site: str
    subject_no: str
    kind: Kind
    value: str
    place: str

    def as_row(self) -> dict[str, str]:
        """Return the line of the answer key; `scope` says where the value must not occur."""
        return {
            "value": self.value,
            "kind": self.kind.value,
            "site": self.site,
            "subject_no": self.subject_no,
            "place": self.place,
            "scope": "own_objects" if self.kind in OWN_OBJECTS else "everywhere",
        }


@dataclass
class Ledger:
    """Collects what is planted for one person while headers and forms are written."""

    site: str
    subject_no: str
    planted: set[PlantedIdentifier] = field(default_factory=set)

    def plant(self, value: str, kind: Kind, place: str) -> str:
        """Note a planted value and return it, so that noting and writing are one act."""
        entry = PlantedIdentifier(self.site, self.subject_no, kind, value, place)
        self.planted.add(entry)
        return value
