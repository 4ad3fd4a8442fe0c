"""What is held, as rows and as the facts of one hold; never a value of a source. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from schemas.dispositions import GROUPS
from schemas.pixel_decisions import PixelDecision, PixelDecisions
from schemas.states import REASONS
from tasks.desk.held import LINKED_SINCE, Hold, HoldState, decision_about

COLUMNS = (
    *("hold_id", "site_code", "state", "group", "reason_code", "detail", "subject_id"),
    *("kind", "files", "batches", "boxes", "actions", "outcome", "reviewer", "decided_on"),
    "until",
)


class DeskView(Protocol):
    """What a listing needs to know of a desk."""

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Everything held."""

    @property
    def decisions(self) -> PixelDecisions:
        """What was decided."""

    @property
    def linked(self) -> frozenset[str]:
        """Who is linked by now."""

    def state_of(self, hold: Hold) -> HoldState:
        """Return where a hold stands."""


def rows_of(desks: Iterable[DeskView], *, every: bool) -> list[dict[str, Any]]:
    """Return a row for each hold, by what can be done about it; open ones only, or `every`."""
    rows = [row_of(hold, desk) for desk in desks for hold in desk.holds]
    chosen = [row for row in rows if every or row["state"] == HoldState.OPEN]
    return sorted(
        chosen, key=lambda r: (GROUPS.index(r["group"]), r["site_code"], r["hold_id"], r["state"])
    )


def row_of(hold: Hold, desk: DeskView) -> dict[str, Any]:
    """Return one hold as a row of the list."""
    decided = decision_of(hold, desk)
    kept = decided if isinstance(decided, PixelDecision) else None
    return {
        "hold_id": hold.hold_id,
        "site_code": hold.site,
        "state": str(desk.state_of(hold)),
        "group": hold.disposition.group,
        "reason_code": str(hold.reason),
        "detail": hold.detail,
        "subject_id": "; ".join(sorted({file.subject_id for file in hold.files} - {""})),
        "kind": "; ".join(sorted({file.kind for file in hold.files} - {""})),
        "files": len(hold.files),
        "batches": len({file.batch for file in hold.files}),
        "boxes": len(hold.boxes),
        "actions": " ".join(hold.disposition.actions),
        "outcome": str(kept.outcome) if kept else (decided or ""),
        "reviewer": kept.reviewer if kept else "",
        "decided_on": kept.decided_on.isoformat() if kept else "",
        "until": kept.until.isoformat() if kept and kept.until else "",
    }


def facts_of(hold: Hold, desk: DeskView) -> dict[str, Any]:
    """Return what is to be said of one hold, its boxes and every decision about it."""
    row = row_of(hold, desk)
    rows, columns = hold.size or (0, 0)
    wanted = set(hold.digests)
    history = [d for d in desk.decisions.decisions if wanted & set(d.digests)]
    return {
        **row,
        "meaning": REASONS[hold.reason],
        "what_to_do": hold.disposition.text_en,
        "what_to_do_zh": hold.disposition.text_zh,
        "size": f"{columns} x {rows}" if rows else "",
        "seen": [
            {
                "view": seen.view,
                "box": f"{seen.box.x},{seen.box.y},{seen.box.width},{seen.box.height}",
                "confidence": round(seen.confidence, 2),
            }
            for seen in hold.boxes
        ],
        "decisions": [
            {
                "decision_id": one.decision_id,
                "outcome": str(one.outcome),
                "scope": str(one.scope),
                "reviewer": one.reviewer,
                "decided_on": one.decided_on.isoformat(),
                "until": one.until.isoformat() if one.until else "",
                "by_rule": one.by_rule,
                "reason": one.reason,
            }
            for one in history
        ],
    }


def decision_of(hold: Hold, desk: DeskView) -> PixelDecision | str | None:
    """Return what was decided about all of a hold, if it was."""
    found = [decision_about(file, desk.decisions, desk.linked) for file in hold.files]
    if any(one is None for one in found):
        return None
    kept = [one for one in found if isinstance(one, PixelDecision)]
    return kept[-1] if kept else LINKED_SINCE
