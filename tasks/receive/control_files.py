"""linkage.csv and manifest.csv: strict readers that never quote a value. Pure."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import PurePosixPath

from schemas.dicom.charsets import decode_table_text
from schemas.errors import BadInputError
from schemas.identifiers import RawPatientId, Sha256
from schemas.subject_numbers import normalise_subject_no
from schemas.vault.subjects import LinkageRow

_LINKAGE_REQUIRED = ("study_subject_no", "patient_id")
_MANIFEST_REQUIRED = ("path", "sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_linkage(data: bytes) -> list[LinkageRow]:
    """Return the rows of linkage.csv.

    Raises
    ------
    BadInputError
        If a column is missing, or a row has an empty number, or one PatientID stands for
        two subjects; the message names the line, never the value.
    """
    rows: list[LinkageRow] = []
    owner: dict[str, str] = {}
    for line, row in _rows(data, "linkage.csv", _LINKAGE_REQUIRED):
        subject_no = normalise_subject_no(row["study_subject_no"])
        patient_id = row["patient_id"]
        if subject_no is None or not patient_id:
            raise BadInputError(
                f"line {line} has no usable subject number or no PatientID", where="linkage.csv"
            )
        if owner.setdefault(patient_id, subject_no) != subject_no:
            raise BadInputError(
                f"the PatientID of line {line} stands for two subjects", where="linkage.csv"
            )
        resident_id = row.get("resident_id") or None
        rows.append(LinkageRow(subject_no, RawPatientId(patient_id), resident_id))
    return rows


def read_manifest(data: bytes) -> dict[str, Sha256]:
    """Return the SHA-256 that manifest.csv states for each path.

    Raises
    ------
    BadInputError
        If a column is missing, a hash is malformed or a path stands twice.
    """
    stated: dict[str, Sha256] = {}
    for line, row in _rows(data, "manifest.csv", _MANIFEST_REQUIRED):
        path, digest = str(PurePosixPath(row["path"].replace("\\", "/"))), row["sha256"].lower()
        if not _SHA256.fullmatch(digest) or path in stated:
            raise BadInputError(
                f"line {line} has no SHA-256 or repeats a path", where="manifest.csv"
            )
        stated[path] = Sha256(digest)
    return stated


def _text(data: bytes, name: str) -> str:
    decoded = decode_table_text(data)
    if decoded is None:
        raise BadInputError("the text is neither UTF-8 nor GB18030", where=name)
    return decoded[0]


def _rows(data: bytes, name: str, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(StringIO(_text(data, name), newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in reader.fieldnames or []]
        missing = [column for column in required if column not in header]
        if missing:
            raise BadInputError(
                f"column {missing[0]} is missing", expected=", ".join(required), where=name
            )
        reader.fieldnames = header
        rows = [
            (reader.line_num, {k: (v or "").strip() for k, v in row.items() if isinstance(k, str)})
            for row in reader
        ]
        # Excel keeps rows whose cells were emptied as lines of commas.
        return [(line, row) for line, row in rows if any(row.values())]
    except csv.Error:
        raise BadInputError(f"line {reader.line_num} is not CSV", where=name) from None
