"""What the review page shows of each hold, as plain facts for its script. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.dispositions import GROUPS
from schemas.pixel_decisions import Box, Outcome, PixelDecision
from schemas.reviewer_codes import REVIEWER
from schemas.states import REASONS, ReasonCode
from tasks.desk.held import Hold, HoldState, distinct_boxes, first_mask
from tasks.desk.listing import DeskView, decision_of

FORMAT = "livercohort-quarantine/1"


@dataclass(frozen=True)
class DrawnHold:
    """Pictures of a hold: file names, and how many stored pixels one picture pixel is."""

    slices: tuple[str, ...] = ()
    minimum: str = ""
    maximum: str = ""
    n_images: int = 0


def cases(desks: Sequence[DeskView]) -> list[tuple[DeskView, Hold]]:
    """Return the holds that a person has to decide, those with pictures first."""
    found = [
        (desk, hold)
        for desk in desks
        for hold in desk.holds
        if desk.state_of(hold) is HoldState.OPEN
    ]
    return sorted(
        found,
        key=lambda pair: (
            not pair[1].disposition.is_about_pixels,
            GROUPS.index(pair[1].disposition.group),
            pair[1].site,
            pair[1].reason,
            pair[1].hold_id,
        ),
    )


def payload(
    chosen: Sequence[tuple[DeskView, Hold]],
    drawn: Mapping[str, DrawnHold],
    hashes: Mapping[str, str],
    *,
    made_on: str,
) -> dict[str, Any]:
    """Return everything the page's script needs; `drawn` and `hashes` by hold id and reason."""
    rows = [
        _case(hold, drawn.get(key_of(hold), DrawnHold()), hashes, masked_before(hold, desk))
        for desk, hold in chosen
    ]
    return {"format": FORMAT, "made_on": made_on, "reviewer": REVIEWER.pattern, "cases": rows}


def key_of(hold: Hold) -> str:
    """Return what a hold is filed under on the page."""
    return f"{hold.hold_id}-{hold.reason}"


def masked_before(hold: Hold, desk: DeskView) -> tuple[Box, ...]:
    """Return what was masked of a hold in which text was read all the same."""
    found = decision_of(hold, desk)
    mask = isinstance(found, PixelDecision) and found.outcome is Outcome.MASK
    return found.boxes if isinstance(found, PixelDecision) and mask else ()


def _case(
    hold: Hold, drawn: DrawnHold, hashes: Mapping[str, str], before: tuple[Box, ...]
) -> dict[str, Any]:
    disposition = hold.disposition
    rows, columns = hold.size or (0, 0)
    fits = hold.reason is ReasonCode.TEXT_IN_PIXELS and hold.boxes and hold.size and hold.device
    return {
        "id": hold.hold_id,
        "sha256": hashes[key_of(hold)],
        "site": hold.site,
        "subject": "; ".join(sorted({file.subject_id for file in hold.files} - {""})),
        "kind": "; ".join(sorted({file.kind for file in hold.files} - {""})),
        "reason": str(hold.reason),
        "meaning": REASONS[hold.reason] + (f" ({hold.detail})" if hold.detail else ""),
        "group": disposition.group,
        "actions": [str(one) for one in disposition.actions if _is_possible(one, hold)],
        "retry": disposition.accept_means == "retry",
        "en": disposition.text_en,
        "zh": disposition.text_zh,
        "files": len(hold.files),
        "images": drawn.n_images,
        "rows": rows,
        "columns": columns,
        "slices": list(drawn.slices),
        "minimum": drawn.minimum,
        "maximum": drawn.maximum,
        "seen": [_numbers(seen.box) for seen in distinct_boxes(hold)],
        "again": bool(before),
        "mask": [_numbers(box) for box in sorted({*before, *first_mask(hold)})],
        "rule": bool(fits),
    }


def _is_possible(outcome: Outcome, hold: Hold) -> bool:
    return outcome is not Outcome.MASK or hold.size is not None


def _numbers(box: Box) -> list[int]:
    return [box.x, box.y, box.width, box.height]
