"""Many exports to one state: per key the newest valid row; nobody vanishes unnoticed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.clinical_rows import Cell, ClinicalRow, Missing, digest_of_content
from schemas.finding_texts import make_finding
from schemas.identifiers import BatchId, SiteCode, SubjectNo
from schemas.records import Finding
from schemas.vault.keys import KeyRing
from tasks.clinical.form_rows import ClinicalIntake, FormRow, FormRows
from tasks.clinical.pseudonyms import person_keys, rater_code, screening_code


@dataclass(frozen=True)
class BatchForms:
    """The forms of one committed batch, unsealed (restricted)."""

    site: SiteCode
    batch_id: BatchId
    intake: ClinicalIntake = field(repr=False)


@dataclass(frozen=True)
class MergedForms:
    """The rows in force, by form and key, and what the merge found (restricted).

    `erased` are the screening numbers of erased persons, by site.
    """

    rows: tuple[ClinicalRow, ...] = field(repr=False)
    findings: tuple[Finding, ...] = ()
    erased: Mapping[SiteCode, frozenset[str]] = field(default_factory=dict, repr=False)


#: More subjects than that are missing from one export for one reason: it is not a full one.
_FEW_GONE = 3
#: What a site numbers itself, and the keyed code that stands for it.
_KEYED_CODES = (
    ("rater_id", rater_code),
    ("reader_id", rater_code),
    ("screening_no", screening_code),
)
_Part = tuple[BatchForms, FormRows]
_RowKey = tuple[str, SiteCode, tuple[str, ...]]


def merge_batches(batches: Iterable[BatchForms], ring: KeyRing) -> MergedForms:
    """Return the row in force for each key of each form and site.

    The row of the newest `export_as_of` wins; on the same day the larger batch id and file
    number, so that the order of arrival changes nothing. A field that a row of an incremental
    export lacks stays as it was. A subject, or a row of one, that a newer full export of a
    form no longer has is a finding; the last row stays in force. What reading a form found
    stands until an export of that form mends it.

    Parameters
    ----------
    batches : iterable of BatchForms
        In any order.
    ring : KeyRing
        Gives pseudonym and date shift of each person.
    """
    every = list(batches)
    parts = sorted(
        ((batch, form) for batch in every for form in batch.intake.forms),
        key=lambda part: (part[1].export_as_of, part[0].batch_id, part[1].file_no),
    )
    newest = _newest_full(parts)
    in_force: dict[_RowKey, ClinicalRow] = {}
    for batch, form in parts:
        outdated = form.export_as_of < newest.get((form.form, batch.site), dt.date.min)
        for row in form.rows:
            if outdated and not row.numbered:
                continue  # a newer full export shows whether it was numbered
            # A row without a number is no other export's row, wherever it stands in its file.
            key = row.key if row.numbered else (*row.key, batch.batch_id)
            where = (form.form, batch.site, key)
            before = in_force.get(where)
            now = _clinical_row(batch, form, row, before, ring)
            # A full export repeats every row: one that says the same keeps its first source,
            # so that a release shows a change only where there is one.
            if before is None or before.values != now.values:
                in_force[where] = now
    found = [
        *_check_rows_gone(parts, ring),
        *_standing_findings(parts),
        *_standing_refusals(every, parts),
    ]
    unique = {finding.finding_id: finding for finding in found}
    return MergedForms(
        tuple(in_force[where] for where in sorted(in_force)),
        tuple(unique[finding_id] for finding_id in sorted(unique)),
        _erased(parts),
    )


def _erased(parts: Sequence[_Part]) -> dict[SiteCode, frozenset[str]]:
    numbers: dict[SiteCode, frozenset[str]] = {}
    for batch, form in parts:
        if form.erased:
            numbers[batch.site] = numbers.get(batch.site, frozenset()) | set(form.erased)
    return numbers


def _clinical_row(
    batch: BatchForms, form: FormRows, row: FormRow, before: ClinicalRow | None, ring: KeyRing
) -> ClinicalRow:
    subject_id, shift_days = person_keys(batch.site, row, ring)
    values = _with_public_codes(batch.site, row, ring)
    if before is not None and form.incremental:
        values = {**before.values, **values}
    return ClinicalRow(
        form=form.form,
        site=batch.site,
        subject_no=row.person,
        subject_id=subject_id,
        enrolled=row.enrolled,
        shift_days=shift_days,
        key=row.key,
        values=values,
        export_as_of=form.export_as_of,
        batch_id=before.batch_id if before else batch.batch_id,
        source_sha256=ring.keyed_digest(form.source_sha256),
        content_digest=ring.keyed_digest(digest_of_content(form.form, subject_id, row.key, values)),
    )


def _with_public_codes(site: SiteCode, row: FormRow, ring: KeyRing) -> Mapping[str, Cell]:
    """Return the values with keyed codes for what a site numbers itself: readers, screenings."""
    keyed: dict[str, Cell] = {}
    for name, code in _KEYED_CODES:
        value = row.values.get(name)
        if isinstance(value, str) and not isinstance(value, Missing):
            keyed[name] = code(site, value, ring)
    return {**row.values, **keyed}


def _newest_full(parts: Sequence[_Part]) -> dict[tuple[str, SiteCode], dt.date]:
    """Return the day of the newest full export of each form; parts come oldest first."""
    return {
        (form.form, batch.site): form.export_as_of for batch, form in parts if not form.incremental
    }


def _check_rows_gone(parts: Sequence[_Part], ring: KeyRing) -> list[Finding]:
    """Return a finding for each subject, or row of one, that a newer full export lacks."""
    newest = _newest_full(parts)
    person_seen: dict[tuple[str, SiteCode, SubjectNo], dt.date] = {}
    row_seen: dict[tuple[str, SiteCode, SubjectNo, tuple[str, ...]], dt.date] = {}
    for batch, form in parts:  # oldest first, so the last write is the newest
        for row in form.rows:
            person_seen[form.form, batch.site, row.person] = form.export_as_of
            if not row.numbered:
                continue
            row_seen[form.form, batch.site, row.person, row.key] = form.export_as_of
    gone: dict[tuple[str, SiteCode, SubjectNo], str] = {}
    for (form_name, site, person, _), seen in row_seen.items():
        subject = (form_name, site, person)
        full = newest.get((form_name, site), dt.date.min)
        if person_seen[subject] < full:
            gone[subject] = "CLIN_SUBJECT_GONE"
        elif seen < full:
            gone[subject] = "CLIN_ROW_GONE"
    named = sorted(
        (rule, site, form_name, ring.subject_id(site, person))
        for (form_name, site, person), rule in gone.items()
    )
    every = Counter((rule, site, form_name) for rule, site, form_name, _ in named)
    several = [
        make_finding(
            "site_delivery",
            "CLIN_EXPORT_LACKS_SUBJECTS",
            site,
            object_type="form",
            object_id=form_name,
            form=form_name,
            observed=str(n),
            n=n,
        )
        for (rule, site, form_name), n in sorted(every.items())
        if rule == "CLIN_SUBJECT_GONE" and n > _FEW_GONE
    ]
    single = [
        make_finding(
            "site_delivery", rule, site, object_type="subject", object_id=who, form=form_name
        )
        for rule, site, form_name, who in named
        if rule != "CLIN_SUBJECT_GONE" or every[rule, site, form_name] <= _FEW_GONE
    ]
    return several + single


def _standing_findings(parts: Sequence[_Part]) -> list[Finding]:
    """Return what reading found in the newest full export of each form and those after it.

    A finding about a row is mended when a later export has that row again.
    """
    newest = _newest_full(parts)
    last_part: dict[_RowKey, int] = {
        (form.form, batch.site, row.key): number
        for number, (batch, form) in enumerate(parts)
        for row in form.rows
    }
    standing: list[Finding] = []
    for number, (batch, form) in enumerate(parts):
        if form.export_as_of < newest.get((form.form, batch.site), dt.date.min):
            continue
        mended = {
            f"{form.form}:{row.row_no}"
            for row in form.rows
            if last_part[form.form, batch.site, row.key] > number
        }
        standing += [found for found in form.findings if found.object_id not in mended]
    return standing


def _standing_refusals(batches: Iterable[BatchForms], parts: Sequence[_Part]) -> list[Finding]:
    """Return the refused files whose form has not been taken in from a later export.

    A batch without any readable form has no day of its own: its refusals stand until the
    form is taken in from whatever other batch.
    """
    standing = []
    for batch in batches:
        as_of = max((form.export_as_of for form in batch.intake.forms), default=dt.date.min)
        later = {
            form.form
            for other, form in parts
            if other.site == batch.site
            and other.batch_id != batch.batch_id
            and form.export_as_of > as_of
        }
        standing += [
            finding
            for form_name, finding in batch.intake.refusals
            if form_name not in later and not (form_name == "" and later)
        ]
    return standing
