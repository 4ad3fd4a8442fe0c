"""Later inspections of committed series: sealed in `restricted/`, so that nobody can write one.

Batches never change. When models or rules do, the next night looks at what the warehouse holds
once more and leaves here what became of it; a release reads it beside the batches' own tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from schemas.errors import EnvironmentProblemError
from schemas.held_series import SeenBox
from schemas.identifiers import SiteCode
from schemas.pixel_decisions import Box
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from schemas.vault.sealed_contexts import INSPECTIONS_CONTEXT

#: What the review desk is told of such a hold: the pixels lie in the warehouse, not in quarantine.
HELD_LATER = "found by later rules"
#: The same, where nobody could look: there are no pixels to decide about.
NOT_SEEN_LATER = "not seen by later rules"


@dataclass(frozen=True, order=True)
class LaterInspection:
    """One series of one batch, looked at again.

    `held` are instances that may not be released, `digests` keyed ones of their pixels in the
    same order (empty where nobody could look), `boxes` where something was read, `rows` and
    `columns` the size of the images.
    """

    batch_id: str
    series_uid: str
    subject_id: str
    outcome: str
    rules_id: str
    n_images: int
    n_views: int
    reason: str | None = None
    held: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    boxes: tuple[SeenBox, ...] = ()
    rows: int = 0
    columns: int = 0


def read_later(zones: Zones, ring: KeyRing, site: SiteCode) -> list[LaterInspection]:
    """Return every later inspection of a site.

    Raises
    ------
    EnvironmentProblemError
        If the file was changed, or sealed with another key.
    """
    path = _place(zones, site)
    if not path.is_file():
        return []
    try:
        rows = json.loads(ring.unseal(path.read_bytes(), context=INSPECTIONS_CONTEXT))
    except InvalidTag:
        raise EnvironmentProblemError(
            "the sealed inspections of a site cannot be opened",
            expected="the key they were sealed with",
            where=f"restricted/inspections/{path.name}",
            hint="Restore the file, or remove it: the next night inspects anew.",
        ) from None
    return [_read(row) for row in rows]


def _read(row: Mapping[str, Any]) -> LaterInspection:
    boxes = tuple(
        SeenBox(b["view"], Box(**b["box"]), b["confidence"], b["of_person"])
        for b in row.get("boxes", ())
    )
    listed = {name: tuple(row.get(name, ())) for name in ("held", "digests")}
    return LaterInspection(**{**row, **listed, "boxes": boxes})


def add_later(zones: Zones, ring: KeyRing, site: SiteCode, rows: Iterable[LaterInspection]) -> None:
    """Add later inspections; of one series and batch the newest stays, by whatever rules."""
    known = {(r.batch_id, r.series_uid): r for r in read_later(zones, ring, site)}
    known |= {(r.batch_id, r.series_uid): r for r in rows}
    data = canonical_json([asdict(known[key]) for key in sorted(known)])
    write_bytes(_place(zones, site), ring.seal(data, context=INSPECTIONS_CONTEXT), mode=0o600)


def forget_later(zones: Zones, ring: KeyRing, site: SiteCode, subject_id: str) -> None:
    """Leave a subject out, who is erased."""
    rows = read_later(zones, ring, site)
    kept = [row for row in rows if row.subject_id != subject_id]
    if len(kept) < len(rows):
        data = canonical_json([asdict(row) for row in sorted(kept)])
        write_bytes(_place(zones, site), ring.seal(data, context=INSPECTIONS_CONTEXT), mode=0o600)


def _place(zones: Zones, site: SiteCode) -> Path:
    return zones.restricted / "inspections" / f"{site}.sealed"
