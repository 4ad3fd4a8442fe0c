"""Look again at what was committed under other rules: the warehouse, series by series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from schemas.held_series import SeenBox
from schemas.identifiers import BatchId, SeriesUid, Sha256, SiteCode
from schemas.inspection import InspectionOutcome
from schemas.pixel_decisions import Box, Outcome, PixelDecisions, Question
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.pool import Loss
from schemas.run.progress import stage_progress
from schemas.run.settings import Settings, read_settings
from schemas.run.sites import site_code
from schemas.run.stage_errors import redacted_errors
from schemas.run.zones import Zones
from schemas.run_context import require_key
from schemas.states import ReasonCode
from schemas.vault.inspections import LaterInspection, add_later
from schemas.vault.keys import KeyRing, Purpose
from schemas.vault.pixel_decision_log import read_decisions
from schemas.vault.pixel_digests import keyed_pixel_digest
from tasks.inspect.plan import OfBatch, Settled, job_of, judge
from tasks.inspect.records import Looked
from tasks.inspect.rules import InspectionRules, load_rules
from tasks.inspect.store import look_at
from tasks.inspect.store_again import series_to_do
from tasks.inspect.store_models import read_models
from tasks.inspect.words import telling

#: Gives the words of each person of a committed batch (restricted).
KeptWords = Callable[[Zones, KeyRing, SiteCode, BatchId], Mapping[str, frozenset[str]]]


def look_again(site: str, words_of: KeptWords) -> dict[str, int]:
    """Look at every committed series of a site that the rules in force have not seen.

    A series over which a worker was lost is left for the next night: no byte of it need be the
    cause. One that could not be read is held. Returns how many were looked at and how many held.
    """
    settings, code = read_settings(), site_code(site)
    with redacted_errors("inspect", settings.zones):
        ring, rules = require_key(settings, code), load_rules()
        decisions = read_decisions(settings.zones, ring)
        to_do = series_to_do(settings.zones, ring, code, rules.rules_id, decisions)
        if not to_do:
            return {"series": 0, "held": 0}
        looked = _look(settings, ring, code, to_do, words_of)
        rows = [
            later_row(one, seen, rules, ring, decisions)
            for one, seen in zip(to_do, looked, strict=True)
            if seen not in (Loss.DIED, Loss.TIMEOUT)
        ]
        add_later(settings.zones, ring, code, rows)
    return {"series": len(rows), "held": sum(bool(row.held) for row in rows)}


def _look(
    settings: Settings, ring: KeyRing, code: SiteCode, to_do: list[OfBatch], words_of: KeptWords
) -> list[Looked | Loss]:
    zones, rules = settings.zones, load_rules()
    words = {b: words_of(zones, ring, code, b) for b in sorted({one.batch for one in to_do})}
    mac = partial(ring.mac, Purpose.SAMPLE, "inspect")
    jobs = [
        job_of(
            one.series,
            lambda m: _place(zones, code, str(m.series_uid), str(m.sop_uid)),
            lambda uid: int.from_bytes(mac(uid)[:4], "big"),
            telling(words[one.batch].get(one.series.subject_id, frozenset())),
        )
        for one in to_do
    ]
    return look_at(
        jobs,
        rules,
        read_models(rules),
        workers=settings.workers,
        progress=stage_progress("inspect", code),
    )


def _place(zones: Zones, code: SiteCode, series_uid: str, sop_uid: str) -> Path:
    return zones.dicom_series(code, SeriesUid(series_uid)) / f"{sop_uid}.dcm"


def later_row(
    one: OfBatch,
    found: Looked | Loss,
    rules: InspectionRules,
    ring: KeyRing,
    decisions: PixelDecisions,
) -> LaterInspection:
    """Return what became of a series, given what was seen of it and what people decided."""
    seen = None if isinstance(found, Loss) else found
    # A series that nobody could look at is known by its instances, to the desk as well: what a
    # person accepted of it must be found again, or it would be looked at every night.
    digest_of = (
        {p.sop_uid: keyed_pixel_digest(ring, p.content) for p in seen.pixels}
        if seen
        else {uid: ring.keyed_digest(sha256_of_bytes(uid.encode())) for uid in one.series.uids}
    )
    judged = judge(one.series, seen, rules, _settled(digest_of, decisions))
    held = judged.outcome is InspectionOutcome.HELD
    return LaterInspection(
        batch_id=one.batch,
        series_uid=one.series.series_uid,
        subject_id=one.series.subject_id,
        outcome=str(judged.outcome),
        rules_id=rules.rules_id,
        n_images=sum(max(1, m.number_of_frames or 1) for m in one.series.members),
        n_views=seen.n_views if seen else 0,
        reason=str(judged.reason) if judged.reason else None,
        held=one.series.uids if held else (),
        digests=tuple(digest_of[uid] for uid in one.series.uids) if held else (),
        boxes=_boxes(seen) if seen and judged.reason is ReasonCode.TEXT_IN_PIXELS else (),
        rows=seen.rows if seen else 0,
        columns=seen.columns if seen else 0,
    )


def _boxes(seen: Looked) -> tuple[SeenBox, ...]:
    return tuple(
        SeenBox(b.seen_in, Box(b.x, b.y, b.width, b.height), b.confidence, b.of_person)
        for b in seen.boxes
    )


def _settled(digest_of: Mapping[str, Sha256], decisions: PixelDecisions) -> Settled:
    """Return what people answered about these pixels, as they were let in."""
    found: dict[str, tuple[Question, ...]] = {}
    for uid, digest in digest_of.items():
        known = decisions.of_instance(digest)
        found[uid] = tuple(d.question for d in known if d.outcome is Outcome.ACCEPT)
    return found
