"""What later rules hold of committed batches: it lies in the warehouse and is decided at the desk.

It cannot be masked there, since batches never change: it is accepted, or it stays out of
releases until the site delivers it anew.
"""

from __future__ import annotations

from schemas.identifiers import Sha256, SiteCode
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.inspections import (
    HELD_LATER,
    NOT_SEEN_LATER,
    LaterInspection,
    read_later,
)
from schemas.vault.keys import KeyRing
from schemas.vault.pixel_digests import hold_id
from tasks.desk.held import HeldFile, Hold


def read_held_later(zones: Zones, ring: KeyRing, site: SiteCode) -> list[Hold]:
    """Return a hold for each committed series that a later inspection took out of releases."""
    return [
        Hold(
            hold_id=hold_id(ring, [Sha256(digest) for digest in row.digests]),
            site=site,
            reason=ReasonCode(row.reason),
            files=_files(site, row, ReasonCode(row.reason)),
            boxes=tuple(sorted(row.boxes)),
        )
        for row in read_later(zones, ring, site)
        if row.held and row.digests and row.reason is not None
    ]


def _files(site: SiteCode, row: LaterInspection, reason: ReasonCode) -> tuple[HeldFile, ...]:
    detail = NOT_SEEN_LATER if reason is ReasonCode.PIXELS_NOT_INSPECTED else HELD_LATER
    return tuple(
        HeldFile(
            site=site,
            batch=row.batch_id,
            # No number of a delivered file: nothing of this is taken out of the quarantine.
            file_no=-number,
            sha256=sha256_of_bytes(uid.encode()),
            reason=reason,
            detail=detail,
            digest=Sha256(digest),
            subject_id=row.subject_id,
            rows=row.rows,
            columns=row.columns,
            instance_number=number,
            stored=f"{row.series_uid}/{uid}.dcm",
        )
        for number, (uid, digest) in enumerate(zip(row.held, row.digests, strict=True), start=1)
    )
