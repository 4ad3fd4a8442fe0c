"""The parts of an export beside the images: forms, linkage.csv, manifest.csv, READY."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from functools import partial
from io import StringIO

from tasks.simulate.answer_key import Kind
from tasks.simulate.clinical_rows import ROWS_OF_FORM, not_enrolled
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.forms import FORMS, FormRow, date_text, form_path, write_form
from tasks.simulate.subjects import Subject, evidence_by, night_date

MANIFEST = "manifest.csv"


def add_forms(export: Export, *, late_pathology: bool) -> None:
    """Add the clinical forms; a late pathology form is not there on the first night."""
    hospital, as_of = export.hospital, night_date(export.night)
    for form in FORMS:
        if form == "pathology" and late_pathology and export.night == 1:
            continue
        rows = _rows(export, form, late_pathology=late_pathology)
        content = write_form(hospital, form, rows, as_of)
        path = form_path(hospital, form, as_of)
        export.files.append(ExportFile(path, partial(bytes, content), "clinical"))


def _rows(export: Export, form: str, *, late_pathology: bool) -> list[FormRow]:
    rows: list[FormRow] = []
    for subject in export.subjects:
        evidence = evidence_by(subject, export.night, late_pathology=late_pathology)
        own = ROWS_OF_FORM[form](subject, evidence)
        _plant(export, subject, form, own)
        rows.extend(own)
    if form == "screening_log":
        number = f"SC{export.hospital.number}-{len(export.subjects) + 1:04d}"
        row = not_enrolled(number, export.subjects[-1].ct_date + dt.timedelta(days=5))
        export.ledger("").plant(number, Kind.SCREENING_NO, "form screening_log")
        rows.append(row)
    return rows


def _plant(export: Export, subject: Subject, form: str, rows: list[FormRow]) -> None:
    ledger, place = export.ledger(subject.subject_no), f"form {form}"
    style = export.hospital.form_code_style
    for row in rows:
        for name, value in row.items():
            if isinstance(value, dt.date):
                kind = Kind.BIRTH_DATE if name == "birth_date" else Kind.DATE
                ledger.plant(date_text(value, style), kind, place)
        if "screening_no" in row:
            ledger.plant(subject.screening_no, Kind.SCREENING_NO, place)
        if "consent_document" in row:
            ledger.plant(f"ICF-{subject.subject_no}", Kind.FREE_TEXT, place)
        if "verbatim" in row:
            ledger.plant(subject.person.name_han, Kind.NAME_HAN, place)
        ledger.plant(subject.subject_no, Kind.SUBJECT_NO, place)


def add_linkage(export: Export) -> None:
    """Add linkage.csv: one row per hospital number, several for some persons."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["study_subject_no", "patient_id", "resident_id"])
    for subject in export.subjects:
        ledger = export.ledger(subject.subject_no)
        ledger.plant(subject.subject_no, Kind.SUBJECT_NO, "linkage.csv")
        resident = ledger.plant(subject.person.resident_id, Kind.RESIDENT_ID, "linkage.csv")
        for patient_id in subject.patient_ids:
            ledger.plant(patient_id, Kind.PATIENT_ID, "linkage.csv")
            writer.writerow([subject.subject_no, patient_id, resident])
    content = stream.getvalue().encode("utf-8")
    export.files.append(ExportFile("linkage.csv", partial(bytes, content), "control"))


def add_controls(export: Export) -> None:
    """Add what closes an export: manifest.csv at some sites, READY at all."""
    if export.hospital.manifest:
        # Its content is known only when everything else has been written.
        export.files.append(ExportFile(MANIFEST, bytes, "control"))
    export.files.append(ExportFile("READY", lambda: b"complete\n", "control"))


def manifest_csv(written: Iterable[tuple[str, str, int]]) -> bytes:
    """Return manifest.csv over (path, SHA-256, bytes) of the files of an export."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["path", "sha256", "bytes"])
    writer.writerows(sorted(written))
    return stream.getvalue().encode("utf-8")
