"""Take one person's rows out of the sealed forms of every batch of a site."""

from __future__ import annotations

from dataclasses import replace

from schemas.identifiers import BatchId, SiteCode
from schemas.keys import KeyRing
from schemas.zones import Zones
from tasks.clinical.store import SEALED_NAME, read_sealed, write_sealed


def erase_from_forms(zones: Zones, ring: KeyRing, site: SiteCode, subject_id: str) -> int:
    """Seal the forms anew without the rows of the subject; return how many rows went."""
    removed = 0
    for path in sorted((zones.restricted / "batches" / site).glob(f"*/{SEALED_NAME}")):
        batch = BatchId(path.parent.name)
        intake = read_sealed(path.parent, ring, site=site, batch_id=batch)
        forms = tuple(
            replace(
                form,
                rows=tuple(r for r in form.rows if ring.subject_id(site, r.person) != subject_id),
            )
            for form in intake.forms
        )
        gone = sum(len(form.rows) for form in intake.forms) - sum(len(f.rows) for f in forms)
        if gone:
            kept = replace(intake, forms=forms)
            write_sealed(path.parent, kept, ring, site=site, batch_id=batch)
        removed += gone
    return removed
