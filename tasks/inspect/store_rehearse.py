"""Look into the pixels of an export that is only rehearsed: what a night would hold of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from schemas.inspection import PixelRow
from schemas.records import FileOutcome
from schemas.run.pool import Loss
from schemas.run.zones import Zones
from schemas.set_aside import set_aside
from schemas.vault.keys import KeyRing, Purpose
from tasks.inspect.conclude import conclude
from tasks.inspect.plan import Settled, job_of, series_of
from tasks.inspect.rules import load_rules
from tasks.inspect.store import known_pixels, look_at
from tasks.inspect.store_models import read_models
from tasks.inspect.words import telling


def rehearse_inspection(
    outcomes: Sequence[FileOutcome],
    dicom: Path,
    ring: KeyRing,
    *,
    settled: Settled,
    words: Mapping[str, frozenset[str]],
    warehouse: Zones | None,
    workers: int,
) -> tuple[FileOutcome, ...]:
    """Return the outcomes, those set aside that the inspection would hold.

    Parameters
    ----------
    outcomes : sequence of FileOutcome
        Of all image files, duplicates settled.
    dicom : Path
        Where the de-identified objects lie.
    ring : KeyRing
        Keys of this rehearsal.
    settled : mapping
        SOPInstanceUID → questions that a person has answered.
    words : mapping
        Pseudonym → the person's own words (restricted).
    warehouse : Zones or None
        With whose pixels those of the export are compared.
    workers : int
        Series at a time.
    """
    series = series_of([o.features for o in outcomes if o.features is not None])
    if not series:
        return tuple(outcomes)
    rules, mac = load_rules(), partial(ring.mac, Purpose.SAMPLE, "inspect")
    jobs = [
        job_of(
            one,
            lambda member: dicom / f"{member.series_uid}/{member.sop_uid}.dcm",
            lambda uid: int.from_bytes(mac(uid)[:4], "big"),
            telling(words.get(one.subject_id, frozenset())),
        )
        for one in series
    ]
    looked = look_at(jobs, rules, read_models(rules), workers=workers)

    def known(digests: set[str]) -> list[PixelRow]:
        return known_pixels(warehouse, digests) if warehouse is not None else []

    found = conclude(
        series,
        [None if isinstance(one, Loss) else one for one in looked],
        rules,
        ring=ring,
        settled=settled,
        name_of={str(o.sop_uid): o.source_sha256 for o in outcomes if o.sop_uid is not None},
        known=known,
    )
    return set_aside(outcomes, found.reason_of_instance)
