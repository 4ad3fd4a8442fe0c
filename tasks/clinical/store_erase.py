"""Take one person's rows out of the sealed forms of every batch of a site, and keep them out.

Of the screening log the bare number stays: a gap there is asked for, and an erased person must
not be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from schemas.identifiers import BatchId, SiteCode, SubjectNo
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from schemas.vault.suppression import erased_among
from tasks.clinical.form_rows import SCREENING_LOG, ClinicalIntake, FormRows
from tasks.clinical.store import SEALED_NAME, read_sealed, write_sealed


def erase_from_forms(zones: Zones, ring: KeyRing, site: SiteCode, subject_id: str) -> int:
    """Seal the forms anew without the rows of the subject; return how many rows went."""
    removed = 0
    for path in sorted((zones.restricted / "batches" / site).glob(f"*/{SEALED_NAME}")):
        batch = BatchId(path.parent.name)
        intake = read_sealed(path.parent, ring, site=site, batch_id=batch)
        kept = _without(
            intake, lambda person: ring.subject_id(site, person) == subject_id, {subject_id}
        )
        gone = _n_rows(intake) - _n_rows(kept)
        if gone:
            write_sealed(path.parent, kept, ring, site=site, batch_id=batch)
        removed += gone
    return removed


def keep_out_erased(
    intake: ClinicalIntake, zones: Zones, ring: KeyRing, site: SiteCode
) -> ClinicalIntake:
    """Return the forms of a delivery without the rows of subjects that were erased before.

    Every export of forms is a full one: without this, erasure would last until the next night.
    """
    people = {row.person for form in intake.forms for row in form.rows}
    subject_of = {person: ring.subject_id(site, person) for person in people}
    erased = erased_among(zones.restricted, ring, subject_of.values())
    if not erased:
        return intake
    return _without(intake, lambda person: subject_of[person] in erased, erased)


def _without(
    intake: ClinicalIntake, gone: Callable[[SubjectNo], bool], subjects: Collection[str]
) -> ClinicalIntake:
    """Return the forms without rows of people that are gone, and without findings about them."""

    def without(form: FormRows) -> FormRows:
        rows = tuple(row for row in form.rows if not gone(row.person))
        erased = set(form.erased)
        if form.form == SCREENING_LOG:
            erased |= {row.key[0] for row in form.rows if gone(row.person)}
        findings = tuple(f for f in form.findings if not any(s in f.object_id for s in subjects))
        return replace(form, rows=rows, findings=findings, erased=tuple(sorted(erased)))

    return replace(intake, forms=tuple(without(form) for form in intake.forms))


def _n_rows(intake: ClinicalIntake) -> int:
    return sum(len(form.rows) for form in intake.forms)
