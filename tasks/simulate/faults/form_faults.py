"""Faults of forms and linkage.

Extra files stand in folders of their own, so that what the site sends properly stays as it is
and the true eligibility stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tasks.simulate.answer_key import Kind
from tasks.simulate.deliveries import LINKAGE, FormDelivery, form_rows, linkage_csv
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.people.form_habits import AsOf, FormFormat, FormHabits, habits_of
from tasks.simulate.people.forms import form_path, write_form
from tasks.simulate.people.subjects import FOLLOW_UP_NIGHT

LATE_EDC_FORM = "late_edc_form"
_FORM = "screening_log"

Apply = Callable[[Export, int], None]


def delivery_of(site_code: str, names: tuple[str, ...]) -> FormDelivery:
    """Return how a site sends its forms under these faults."""
    habits = habits_of(site_code)
    if "forms_xlsx" in names:
        habits = FormHabits(format=FormFormat.XLSX, codes=habits.codes, as_of=AsOf.COLUMN)
    if "forms_odm" in names:
        habits = FormHabits(format=FormFormat.ODM)
    return FormDelivery(
        habits=habits,
        late_pathology=LATE_EDC_FORM in names,
        incremental="incremental_forms" in names,
    )


def _late_edc_form(export: Export, _seed: int) -> None:
    if export.night == 1:
        export.note_fault(LATE_EDC_FORM, form="pathology", arrives_on_night=2)


def _noted(name: str, **facts: object) -> Apply:
    """Return the note of a fault that `delivery_of` puts into effect."""

    def apply(export: Export, _seed: int) -> None:
        if export.night == 1:
            export.note_fault(name, **facts)

    return apply


def _extra_form(export: Export, name: str, reason: str, path: str, content: bytes) -> None:
    export.files.append(
        ExportFile(path, partial(bytes, content), "quarantined", reason, name)
    )  # fmt: skip
    export.note_fault(name, path=path, form=_FORM, code=reason)


def _form_without_date(export: Export, _seed: int) -> None:
    if export.night == 1:
        habits = replace(_csv_habits(export), as_of=AsOf.NOWHERE)
        path, content = _screening(export, habits, "undated")
        _extra_form(export, "form_without_date", "NO_EXPORT_DATE", path, content)


def _form_with_names(export: Export, _seed: int) -> None:
    # A data manager added a column of names, to find people more easily.
    if export.night != 1:
        return
    habits = replace(_csv_habits(export), as_of=AsOf.FIRST_LINE, encoding="utf-8")
    path, content = _screening(export, habits, "with_names")
    stated, heading, *lines = content.decode("utf-8").splitlines()
    people = [subject.person.name_han for subject in export.subjects]
    named = [
        f"{line},{people[number] if number < len(people) else ''}"
        for number, line in enumerate(lines)
    ]
    for subject in export.subjects:
        ledger = export.ledger(subject.subject_no)
        ledger.plant(subject.person.name_han, Kind.NAME_HAN, "form with a column of names")
    text = "\r\n".join([stated, f"{heading},患者姓名", *named, ""])
    reason = "DIRECT_IDENTIFIER_COLUMN"
    _extra_form(export, "form_with_names", reason, path, text.encode("utf-8"))


def _unknown_form(export: Export, _seed: int) -> None:
    if export.night == 1:
        _, content = _screening(export, _csv_habits(export), "unknown")
        path = "clinical/电话随访记录.csv"
        _extra_form(export, "unknown_form", "UNKNOWN_FORM", path, content)


def _form_in_two_encodings(export: Export, _seed: int) -> None:
    # Two exports pasted together: the tail is in no encoding that is read.
    if export.night == 1:
        habits = replace(_csv_habits(export), encoding="utf-8")
        path, content = _screening(export, habits, "pasted")
        tail = "不详".encode()[:-1] + b"\xff\xff\r\n"
        _extra_form(export, "form_in_two_encodings", "UNREADABLE_FORM", path, content + tail)


def _linkage_conflict(export: Export, _seed: int) -> None:
    # One hospital number stands for two subjects: nothing of this linkage may be used.
    if export.night != FOLLOW_UP_NIGHT:
        return
    person = export.subjects[0]
    other = f"LC{export.hospital.number}-9999"
    export.ledger(person.subject_no).plant(other, Kind.SUBJECT_NO, LINKAGE)
    resident = person.person.resident_id
    rows = [(number, person.patient_ids[0], resident) for number in (person.subject_no, other)]
    content = linkage_csv(rows)
    at = [file.path for file in export.files].index(LINKAGE)
    reason, name = "BAD_LINKAGE", "linkage_conflict"
    export.files[at] = ExportFile(LINKAGE, partial(bytes, content), "quarantined", reason, name)
    export.note_fault(name, path=LINKAGE, code=reason)


def _csv_habits(export: Export) -> FormHabits:
    return replace(habits_of(export.hospital.code), format=FormFormat.CSV)


def _screening(export: Export, habits: FormHabits, folder: str) -> tuple[str, bytes]:
    as_of = export.as_of
    rows = form_rows(export, _FORM, export.night, late_pathology=False)
    path = form_path(habits, _FORM, as_of).replace("clinical/", f"clinical/{folder}/")
    return path, write_form(habits, _FORM, rows, as_of)


# Name -> index of the site that has it, and what it does on each night once the forms are there.
FORM_FAULTS: dict[str, tuple[int, Apply]] = {
    LATE_EDC_FORM: (1, _late_edc_form),
    "forms_xlsx": (0, _noted("forms_xlsx", form="all")),
    "forms_odm": (1, _noted("forms_odm", form="all")),
    "incremental_forms": (2, _noted("incremental_forms", form="all", arrives_on_night=2)),
    "form_without_date": (0, _form_without_date),
    "form_with_names": (1, _form_with_names),
    "unknown_form": (2, _unknown_form),
    "form_in_two_encodings": (0, _form_in_two_encodings),
    "linkage_conflict": (1, _linkage_conflict),
}
