"""Take one person out of the sealed identifiers of every batch of a site."""

from __future__ import annotations

from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.deidentify.search.store_identifiers import (
    IDENTIFIERS_NAME,
    read_identifiers,
    write_identifiers,
)


def erase_from_identifiers(zones: Zones, ring: KeyRing, site: SiteCode, subject_id: str) -> int:
    """Seal the identifiers anew without those of the subject; return how many files changed."""
    changed = 0
    for path in sorted((zones.restricted / "batches" / site).glob(f"*/{IDENTIFIERS_NAME}")):
        people = read_identifiers(path, ring)
        kept = [person for person in people if person.subject_id != subject_id]
        if len(kept) < len(people):
            write_identifiers(path, ring, kept)
            changed += 1
    return changed
