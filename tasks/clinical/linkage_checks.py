"""Forms held against linkage.csv: who is not in it, and who only seems not to be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from schemas.clinical_rows import ClinicalRow
from schemas.finding_texts import make_finding
from schemas.identifiers import SiteCode, SubjectNo
from schemas.records import Finding
from tasks.clinical.form_rows import ClinicalIntake, FormRow, FormRows

_FINDINGS = "site_delivery"
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])", re.ASCII)


def without_lost_zeros(
    intake: ClinicalIntake, linked: Collection[SubjectNo], site: SiteCode
) -> ClinicalIntake:
    """Return the intake without rows whose number lacks the leading zeros that linkage has.

    A spreadsheet that makes 1 of 01 would make a second person of one; what is meant is not
    guessed, each such row is a finding.
    """
    short = {_LEADING_ZEROS.sub("", number): number for number in linked}
    forms = tuple(_checked(form, short, linked, site) for form in intake.forms)
    return replace(intake, forms=forms)


def check_linkage(
    rows: Iterable[ClinicalRow], linked: Mapping[SiteCode, Collection[SubjectNo]]
) -> list[Finding]:
    """Return a finding for each subject of a form whom no linkage row names."""
    missing = {
        (row.form, row.site, row.subject_id)
        for row in rows
        if row.enrolled and row.subject_no not in linked.get(row.site, ())
    }
    return [
        make_finding(
            _FINDINGS, "CLIN_NOT_LINKED", site, object_type="subject", object_id=who, form=form
        )
        for form, site, who in sorted(missing)
    ]


def check_persons(groups: Iterable[tuple[str, ...]]) -> list[Finding]:
    """Return a finding for each subject whose resident number another subject has too."""
    return [
        make_finding(
            _FINDINGS,
            "CLIN_PERSON_TWICE",
            subject_id.partition("-")[0],
            object_type="subject",
            object_id=subject_id,
        )
        for group in groups
        for subject_id in group
    ]


def _checked(
    form: FormRows, short: Mapping[str, SubjectNo], linked: Collection[SubjectNo], site: SiteCode
) -> FormRows:
    lost = [row for row in form.rows if _has_lost_zeros(row, short, linked)]
    found = [
        make_finding(
            _FINDINGS,
            "CLIN_ZEROS_LOST",
            site,
            object_type="form",
            object_id=f"{form.form}:{row.row_no}",
            column="subject_no",
            form=form.form,
            row=row.row_no,
        )
        for row in lost
    ]
    kept = tuple(row for row in form.rows if row not in lost) if lost else form.rows
    return replace(form, rows=kept, findings=(*form.findings, *found))


def _has_lost_zeros(
    row: FormRow, short: Mapping[str, SubjectNo], linked: Collection[SubjectNo]
) -> bool:
    is_linked = not row.enrolled or row.person in linked
    return not is_linked and str(row.person) in short
