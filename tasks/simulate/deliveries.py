"""The parts of an export beside the images: forms, linkage.csv, manifest.csv, READY."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from io import StringIO

from tasks.simulate.answer_key import Kind
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.people.clinical_rows import ROWS_OF_FORM, not_enrolled
from tasks.simulate.people.conflicts import as_entered
from tasks.simulate.people.form_habits import FormHabits, Vague, date_text
from tasks.simulate.people.forms import (
    FORMS,
    FormRow,
    FormValue,
    form_path,
    write_form,
    written_cells,
)
from tasks.simulate.people.subjects import Subject, evidence_by

LINKAGE = "linkage.csv"
MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class FormDelivery:
    """How the forms of one export are sent."""

    habits: FormHabits
    late_pathology: bool = False
    incremental: bool = False


def add_forms(export: Export, delivery: FormDelivery) -> None:
    """Add the clinical forms; a late pathology form is not there on the first night."""
    as_of = export.as_of
    for form in FORMS:
        if form == "pathology" and delivery.late_pathology and export.night == 1:
            continue
        rows = _rows_sent(export, form, delivery)
        _plant(export, form, rows, delivery.habits)
        _note_answers(export, form, rows, delivery.habits)
        content = write_form(delivery.habits, form, rows, as_of)
        path = form_path(delivery.habits, form, as_of)
        export.files.append(ExportFile(path, partial(bytes, content), "clinical"))


def form_rows(export: Export, form: str, night: int, *, late_pathology: bool) -> list[FormRow]:
    """Return the rows that a full export of this form has on a night."""
    rows: list[FormRow] = []
    for subject in export.subjects:
        evidence = evidence_by(subject, night, late_pathology=late_pathology)
        own = ROWS_OF_FORM[form](subject, evidence)
        rows.extend(as_entered(subject.story.conflict, form, own, mended=evidence.mended))
    if form == "screening_log":
        number = f"SC{export.hospital.number}-{len(export.subjects) + 1:04d}"
        rows.append(not_enrolled(number, export.subjects[-1].ct_date + dt.timedelta(days=5)))
    return rows


def _rows_sent(export: Export, form: str, delivery: FormDelivery) -> list[FormRow]:
    late = delivery.late_pathology
    rows = form_rows(export, form, export.night, late_pathology=late)
    if not delivery.incremental or export.night == 1:
        return rows
    before = form_rows(export, form, export.night - 1, late_pathology=late)
    return [row for row in rows if row not in before]


def _plant(export: Export, form: str, rows: list[FormRow], habits: FormHabits) -> None:
    by_number = {subject.subject_no: subject for subject in export.subjects}
    for row in rows:
        subject = by_number.get(str(row.get("subject_no")))
        if subject is None:
            number = str(row["screening_no"])
            export.ledger("").plant(number, Kind.SCREENING_NO, f"form {form}")
        else:
            _plant_row(export, subject, form, row, habits)


def _plant_row(
    export: Export, subject: Subject, form: str, row: FormRow, habits: FormHabits
) -> None:
    ledger, place = export.ledger(subject.subject_no), f"form {form}"
    ledger.plant(subject.subject_no, Kind.SUBJECT_NO, place)
    for name, value in row.items():
        if isinstance(value, dt.date):
            kind = Kind.BIRTH_DATE if name == "birth_date" else Kind.DATE
            ledger.plant(date_text(value, habits.dates), kind, place)
    if "screening_no" in row:
        ledger.plant(subject.screening_no, Kind.SCREENING_NO, place)
    if row.get("consent_document"):
        ledger.plant(str(row["consent_document"]), Kind.FREE_TEXT, place)
    if "verbatim" in row:
        ledger.plant(subject.person.name_han, Kind.NAME_HAN, place)


def _note_answers(export: Export, form: str, rows: list[FormRow], habits: FormHabits) -> None:
    for cell in written_cells(habits, form, rows):
        row = rows[cell.row_no - 1]
        export.answers.append(
            {
                "site": export.hospital.code,
                "night": export.night,
                "form": form,
                "row_no": cell.row_no,
                "subject_no": row.get("subject_no"),
                "field": cell.field,
                "written": cell.written,
                "value": _value_text(cell.value),
                "precision": _precision(cell.value),
            }
        )


def _value_text(value: FormValue) -> str | None:
    """Return a value in one form for all sites; a vague date by the part that is known."""
    if isinstance(value, Vague):
        return f"{value.day:%Y}" if value.precision == "year" else f"{value.day:%Y-%m}"
    return value.isoformat() if isinstance(value, dt.date) else value


def _precision(value: FormValue) -> str | None:
    if isinstance(value, Vague):
        return value.precision
    return "day" if isinstance(value, dt.date) else None


def add_linkage(export: Export) -> None:
    """Add linkage.csv: one row per hospital number, several for some persons."""
    rows: list[tuple[str, str, str]] = []
    for subject in export.subjects:
        ledger = export.ledger(subject.subject_no)
        ledger.plant(subject.subject_no, Kind.SUBJECT_NO, LINKAGE)
        resident = ledger.plant(subject.person.resident_id, Kind.RESIDENT_ID, LINKAGE)
        for patient_id in subject.patient_ids:
            ledger.plant(patient_id, Kind.PATIENT_ID, LINKAGE)
            rows.append((subject.subject_no, patient_id, resident))
    export.files.append(ExportFile(LINKAGE, partial(bytes, linkage_csv(rows)), "control"))


def linkage_csv(rows: Iterable[tuple[str, str, str]]) -> bytes:
    """Return linkage.csv over (study_subject_no, patient_id, resident_id)."""
    return _csv(("study_subject_no", "patient_id", "resident_id"), rows)


def add_controls(export: Export) -> None:
    """Add what closes an export: manifest.csv at some sites, READY at all."""
    if export.hospital.manifest or export.false_hashes:
        # Its content is known only when everything else has been written.
        export.files.append(ExportFile(MANIFEST, bytes, "control"))
    export.files.append(ExportFile("READY", lambda: b"complete\n", "control"))


def manifest_csv(written: Iterable[tuple[str, str, int]]) -> bytes:
    """Return manifest.csv over (path, SHA-256, bytes) of the files of an export."""
    return _csv(("path", "sha256", "bytes"), sorted(written))


def _csv(header: tuple[str, ...], rows: Iterable[tuple[str | int, ...]]) -> bytes:
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8")
