"""What follows for a batch from what was seen of its series. Pure, but for looking up pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.held_series import HeldSeries, SeenBox
from schemas.identifiers import Sha256
from schemas.inspection import InspectedPixels, InspectionOutcome, InspectionRow, PixelRow
from schemas.pixel_decisions import Box
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from schemas.vault.pixel_digests import hold_id, keyed_pixel_digest
from tasks.inspect.plan import Judged, Series, Settled, judge
from tasks.inspect.records import Looked
from tasks.inspect.rules import InspectionRules
from tasks.inspect.shared_pixels import Shared, shared_pixels

_SAME = ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT


@dataclass(frozen=True)
class Conclusion:
    """What is held here and before, and what is written down."""

    reason_of_series: Mapping[str, ReasonCode]
    reason_of_instance: Mapping[str, ReasonCode]
    held_before: Mapping[str, ReasonCode]
    inspected: InspectedPixels


def conclude(
    series: Sequence[Series],
    looked: Sequence[Looked | None],
    rules: InspectionRules,
    *,
    ring: KeyRing,
    settled: Settled,
    name_of: Mapping[str, Sha256],
    known: Callable[[set[str]], Iterable[PixelRow]],
) -> Conclusion:
    """Return what becomes of a batch.

    Parameters
    ----------
    series, looked : sequences of the same length
        What there is, and what was seen of it; None where nobody could look.
    rules : InspectionRules
        In force.
    ring : KeyRing
        Key of the digests of pixels.
    settled : mapping
        SOPInstanceUID → questions that a person answered with yes.
    name_of : mapping
        SOPInstanceUID → name of the delivered file, should it be set aside.
    known : callable
        Gives the instances of committed batches that have one of these digests.
    """
    pairs = list(zip(series, looked, strict=True))
    pixels = [row for one, seen in pairs if seen for row in _pixel_rows(one, seen, ring)]
    shared = shared_pixels(pixels, known({row.digest for row in pixels}), settled)
    judged = [_judge(one, seen, rules, settled, shared) for one, seen in pairs]
    reasons = {
        one.series_uid: verdict.reason
        for one, verdict in zip(series, judged, strict=True)
        if verdict.reason is not None
    }
    inspected = InspectedPixels(
        rows=tuple(
            InspectionRow(
                series_uid=one.series_uid,
                subject_id=one.subject_id,
                outcome=verdict.outcome,
                rules_id=rules.rules_id,
                n_images=sum(max(1, member.number_of_frames or 1) for member in one.members),
                n_views=seen.n_views if seen else 0,
                reason=verdict.reason,
            )
            for (one, seen), verdict in zip(pairs, judged, strict=True)
        ),
        held=tuple(
            _listed(one, seen, reasons[one.series_uid], ring, name_of)
            for one, seen in pairs
            if one.series_uid in reasons
        ),
        pixels=tuple(row for row in pixels if row.series_uid not in reasons),
        lifted=tuple(sorted(shared.lifted)),
    )
    return Conclusion(
        reason_of_series=reasons,
        reason_of_instance={
            uid: reasons[one.series_uid]
            for one in series
            if one.series_uid in reasons
            for uid in one.uids
        },
        held_before=dict.fromkeys(sorted(shared.held), _SAME),
        inspected=inspected,
    )


def _judge(
    one: Series, seen: Looked | None, rules: InspectionRules, settled: Settled, shared: Shared
) -> Judged:
    verdict = judge(one, seen, rules, settled)
    if verdict.reason is None and one.series_uid in shared.series:
        return Judged(InspectionOutcome.HELD, _SAME)
    return verdict


def _pixel_rows(one: Series, seen: Looked, ring: KeyRing) -> list[PixelRow]:
    return [
        PixelRow(
            sop_uid=pixels.sop_uid,
            series_uid=one.series_uid,
            subject_id=one.subject_id,
            digest=keyed_pixel_digest(ring, pixels.content),
        )
        for pixels in seen.pixels
        if pixels.tells_apart
    ]


def _listed(
    one: Series,
    seen: Looked | None,
    reason: ReasonCode,
    ring: KeyRing,
    name_of: Mapping[str, Sha256],
) -> HeldSeries:
    """Return what the review desk is told; without a look there is no digest but of the names."""
    digests = [keyed_pixel_digest(ring, p.content) for p in seen.pixels] if seen else []
    names = tuple(sorted(name_of[uid] for uid in one.uids))
    boxes = seen.boxes if seen and reason is ReasonCode.TEXT_IN_PIXELS else ()
    return HeldSeries(
        hold_id=hold_id(ring, digests or [keyed_pixel_digest(ring, name) for name in names]),
        reason=reason,
        files=names,
        boxes=tuple(
            SeenBox(
                name_of.get(box.seen_in, box.seen_in),
                Box(box.x, box.y, box.width, box.height),
                box.confidence,
                box.of_person,
            )
            for box in boxes
        ),
    )
