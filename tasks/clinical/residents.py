"""What a resident number says of a person, held against the demographics form (restricted)."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stdnum.iso7064 import mod_11_2

from schemas.clinical_rows import Missing
from schemas.finding_texts import make_finding
from schemas.identifiers import SiteCode, SubjectNo
from schemas.partial_dates import PartialDate
from schemas.records import Finding
from schemas.subject_numbers import normalise_subject_no
from schemas.vault.keys import KeyRing
from tasks.clinical.decode import decode_text
from tasks.clinical.form_contracts import read_linkage_contract
from tasks.clinical.form_rows import ClinicalIntake, FormRow, FormRows
from tasks.clinical.raw_form import FormRefusedError
from tasks.clinical.text import fold, tidy

_LENGTH, _BIRTHDAY, _SEX = 18, slice(6, 14), 16


@dataclass(frozen=True)
class Resident:
    """Birth date and sex in a resident number (GB 11643)."""

    birth: dt.date = field(repr=False)
    sex: str


def read_residents(linkage: bytes) -> dict[SubjectNo, Resident]:
    """Return what the resident numbers of a linkage.csv say; {} where it cannot be read.

    Refusing a bad linkage is the receiving stage's; here it only has nothing to say.
    """
    try:
        text, _ = decode_text(linkage)
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (FormRefusedError, csv.Error):
        return {}
    names = [_field_of(heading) for heading in rows[0]] if rows else []
    found: dict[SubjectNo, Resident] = {}
    for cells in rows[1:]:
        row = dict(zip(names, cells, strict=False))
        number = normalise_subject_no(row.get("subject_no", ""))
        resident = _resident_of(row.get("resident_id", ""))
        if number is not None and resident is not None:
            found[number] = resident
    return found


def check_residents(
    intake: ClinicalIntake,
    residents: Mapping[SubjectNo, Resident],
    site: SiteCode,
    ring: KeyRing,
) -> ClinicalIntake:
    """Return the intake with a finding for each person whose form says something else."""
    forms = tuple(
        replace(form, findings=(*form.findings, *_conflicts(form, residents, site, ring)))
        if form.form == "demographics"
        else form
        for form in intake.forms
    )
    return replace(intake, forms=forms)


def _conflicts(
    form: FormRows, residents: Mapping[SubjectNo, Resident], site: SiteCode, ring: KeyRing
) -> list[Finding]:
    found = []
    for row in form.rows:
        resident = residents.get(row.person)
        for rule, column in _rules_broken(row, resident) if resident else ():
            found.append(
                make_finding(
                    "site_delivery",
                    rule,
                    site,
                    object_type="subject",
                    object_id=ring.subject_id(site, row.person),
                    column=column,
                    form=form.form,
                    expected="linkage.csv",
                )
            )
    return found


def _rules_broken(row: FormRow, resident: Resident) -> list[tuple[str, str]]:
    birth, sex = row.values.get("birth_date"), row.values.get("sex")
    broken = []
    if isinstance(birth, PartialDate) and not birth.earliest <= resident.birth <= birth.latest:
        broken.append(("CLIN_BIRTH_DIFFERS", "birth_date"))
    if not isinstance(sex, Missing) and sex in ("M", "F") and sex != resident.sex:
        broken.append(("CLIN_SEX_DIFFERS", "sex"))
    return broken


def _resident_of(text: str) -> Resident | None:
    number = tidy(text).upper()
    if len(number) != _LENGTH or not mod_11_2.is_valid(number):
        return None
    try:
        day = dt.datetime.strptime(number[_BIRTHDAY], "%Y%m%d").replace(tzinfo=dt.UTC).date()
        return Resident(day, "M" if int(number[_SEX]) % 2 else "F")
    except ValueError:
        return None


def _field_of(heading: str) -> str:
    for column in read_linkage_contract().fields:
        if fold(heading) in {fold(spelling) for spelling in column.spellings}:
            return column.name
    return ""
