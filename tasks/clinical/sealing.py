"""Rows with real dates, as bytes that only the key opens."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

from cryptography.exceptions import InvalidTag

from schemas.clinical_rows import Cell, Missing
from schemas.errors import EnvironmentProblemError
from schemas.identifiers import BatchId, Sha256, SiteCode, SubjectNo
from schemas.partial_dates import PartialDate
from schemas.records import Finding
from schemas.states import Severity
from schemas.vault.keys import KeyRing
from schemas.vault.sealed_contexts import forms_context
from tasks.clinical.form_rows import ClinicalIntake, FormRow, FormRows


def seal_intake(
    intake: ClinicalIntake, ring: KeyRing, *, site: SiteCode, batch_id: BatchId
) -> bytes:
    """Return the forms of an export encrypted; bound to its site and batch."""
    facts = {
        "forms": [_form_to_json(form) for form in intake.forms],
        "refusals": [[form, dataclasses.asdict(finding)] for form, finding in intake.refusals],
    }
    plain = json.dumps(facts, ensure_ascii=False)
    return ring.seal(plain.encode(), context=forms_context(site, batch_id))


def unseal_intake(
    sealed: bytes, ring: KeyRing, *, site: SiteCode, batch_id: BatchId
) -> ClinicalIntake:
    """Return the forms of a sealed export; outcomes of files stand in the batch's tables.

    Raises
    ------
    EnvironmentProblemError
        If the bytes are damaged, or were sealed with another key or for another batch.
    """
    try:
        plain = ring.unseal(sealed, context=forms_context(site, batch_id))
    except InvalidTag:
        raise EnvironmentProblemError(
            "the sealed forms cannot be opened",
            where=f"batch {batch_id} of {site}",
            hint="Use the key with which this home was started (`livercohort key show-id`).",
        ) from None
    facts = json.loads(plain)
    return ClinicalIntake(
        forms=tuple(_form_from_json(form) for form in facts["forms"]),
        refusals=tuple((form, _finding(finding)) for form, finding in facts["refusals"]),
    )


def _form_to_json(form: FormRows) -> dict[str, object]:
    return {
        "form": form.form,
        "file_no": form.file_no,
        "source_sha256": form.source_sha256,
        "export_as_of": form.export_as_of.isoformat(),
        "encoding": form.encoding,
        "incremental": form.incremental,
        "erased": form.erased,
        "findings": [dataclasses.asdict(finding) for finding in form.findings],
        "rows": [
            [
                row.row_no,
                row.person,
                row.key,
                {name: _cell_to_json(value) for name, value in row.values.items()},
            ]
            for row in form.rows
        ],
    }


def _form_from_json(form: dict[str, Any]) -> FormRows:
    return FormRows(
        form=form["form"],
        file_no=form["file_no"],
        source_sha256=Sha256(form["source_sha256"]),
        export_as_of=dt.date.fromisoformat(form["export_as_of"]),
        encoding=form["encoding"],
        incremental=form["incremental"],
        erased=tuple(form.get("erased", ())),
        findings=tuple(_finding(finding) for finding in form["findings"]),
        rows=tuple(
            FormRow(
                row_no,
                SubjectNo(person),
                tuple(key),
                {name: _cell_from_json(value) for name, value in values.items()},
            )
            for row_no, person, key, values in form["rows"]
        ),
    )


def _cell_to_json(value: Cell) -> object:
    if isinstance(value, PartialDate):
        return {"date": value.iso()}
    return {"missing": value.value} if isinstance(value, Missing) else value


def _cell_from_json(value: Any) -> Cell:
    if isinstance(value, dict):
        if "date" in value:
            return PartialDate.parse_iso(value["date"])
        return Missing(value["missing"])
    cell: str | int | float = value
    return cell


def _finding(facts: dict[str, Any]) -> Finding:
    return Finding(**{**facts, "severity": Severity(facts["severity"])})
