"""Many exports to one state: per key the newest valid row; nobody vanishes unnoticed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.clinical_rows import Cell, ClinicalRow, Missing
from schemas.identifiers import BatchId, SiteCode, SubjectNo
from schemas.keys import KeyRing
from schemas.records import Finding
from tasks.clinical.findings import make_finding
from tasks.clinical.intake import ClinicalIntake, FormRow, FormRows
from tasks.clinical.pseudonyms import person_keys, rater_code, screening_code


@dataclass(frozen=True)
class BatchForms:
    """The forms of one committed batch, unsealed (restricted)."""

    site: SiteCode
    batch_id: BatchId
    intake: ClinicalIntake = field(repr=False)


@dataclass(frozen=True)
class MergedForms:
    """The rows in force, by form and key, and what the merge found (restricted)."""

    rows: tuple[ClinicalRow, ...] = field(repr=False)
    findings: tuple[Finding, ...] = ()


def merge_batches(batches: Iterable[BatchForms], ring: KeyRing) -> MergedForms:
    """Return the row in force for each key of each form and site.

    The row of the newest `export_as_of` wins; on the same day the larger batch id and file
    number, so that the order of arrival changes nothing. A subject, or a row of one,
    that a newer export of a form no longer has is a finding; the last row stays in force.

    Parameters
    ----------
    batches : iterable of BatchForms
        In any order.
    ring : KeyRing
        Gives pseudonym and date shift of each person.
    """
    parts = sorted(
        ((batch, form) for batch in batches for form in batch.intake.forms),
        key=lambda part: (part[1].export_as_of, part[0].batch_id, part[1].file_no),
    )
    in_force: dict[tuple[str, str, tuple[str, ...]], ClinicalRow] = {}
    for batch, form in parts:
        for row in form.rows:
            where = (form.form, batch.site, row.key)
            before = in_force.get(where)
            first = before.batch_id if before else batch.batch_id
            now = _clinical_row(batch.site, first, form, row, ring)
            # A full export repeats every row: one that says the same keeps its first source,
            # so that a release shows a change only where there is one.
            if before is None or before.values != now.values:
                in_force[where] = now
    rows = tuple(in_force[where] for where in sorted(in_force))
    return MergedForms(rows, tuple(_check_rows_gone(parts, ring)))


def check_linkage(
    intake: ClinicalIntake, linked: Collection[SubjectNo], site: SiteCode, ring: KeyRing
) -> list[Finding]:
    """Return a finding for each subject of a form whom no linkage row names."""
    missing = {
        (form.form, ring.subject_id(site, row.person))
        for form in intake.forms
        for row in form.rows
        if row.enrolled and row.person not in linked
    }
    return [
        make_finding("CLIN_NOT_LINKED", site, object_type="subject", object_id=who, form=form)
        for form, who in sorted(missing)
    ]


def _clinical_row(
    site: SiteCode, batch_id: BatchId, form: FormRows, row: FormRow, ring: KeyRing
) -> ClinicalRow:
    subject_id, shift_days = person_keys(site, row, ring)
    return ClinicalRow(
        form=form.form,
        site=site,
        subject_no=row.person,
        subject_id=subject_id,
        enrolled=row.enrolled,
        shift_days=shift_days,
        key=row.key,
        values=_with_public_codes(site, row, ring),
        export_as_of=form.export_as_of,
        batch_id=batch_id,
        source_sha256=form.source_sha256,
    )


def _with_public_codes(site: SiteCode, row: FormRow, ring: KeyRing) -> Mapping[str, Cell]:
    """Return the values with keyed codes for what a site numbers itself: readers, screenings."""
    keyed: dict[str, Cell] = {}
    for name, code in (("rater_id", rater_code), ("screening_no", screening_code)):
        value = row.values.get(name)
        if isinstance(value, str) and not isinstance(value, Missing):
            keyed[name] = code(site, value, ring)
    return {**row.values, **keyed}


def _check_rows_gone(parts: Sequence[tuple[BatchForms, FormRows]], ring: KeyRing) -> list[Finding]:
    """Return a finding for each subject, or row of a subject, that a newer export lacks."""
    newest: dict[tuple[str, SiteCode], dt.date] = {}
    person_seen: dict[tuple[str, SiteCode, SubjectNo], dt.date] = {}
    row_seen: dict[tuple[str, SiteCode, SubjectNo, tuple[str, ...]], dt.date] = {}
    for batch, form in parts:  # oldest first, so the last write is the newest
        newest[form.form, batch.site] = form.export_as_of
        for row in form.rows:
            person_seen[form.form, batch.site, row.person] = form.export_as_of
            row_seen[form.form, batch.site, row.person, row.key] = form.export_as_of
    gone: dict[tuple[str, SiteCode, SubjectNo], str] = {}
    for (form_name, site, person, _), seen in row_seen.items():
        subject = (form_name, site, person)
        if person_seen[subject] < newest[form_name, site]:
            gone[subject] = "CLIN_SUBJECT_GONE"
        elif seen < newest[form_name, site]:
            gone[subject] = "CLIN_ROW_GONE"
    named = sorted(
        (rule, site, form_name, ring.subject_id(site, person))
        for (form_name, site, person), rule in gone.items()
    )
    return [
        make_finding(rule, site, object_type="subject", object_id=who, form=form_name)
        for rule, site, form_name, who in named
    ]
