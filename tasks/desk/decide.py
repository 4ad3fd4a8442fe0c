"""From what a reviewer asks to a decision that may be kept, or a refusal with the reason. Pure."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from schemas.errors import BadInputError
from schemas.pixel_decisions import Box, Outcome, PixelDecision, Scope
from schemas.reviewer_codes import REVIEWER
from schemas.states import ReasonCode
from tasks.desk.held import Hold, HoldState, first_mask

FORMAT = "livercohort-quarantine/1"
MAX_BYTES = 5_000_000
LONGEST_RULE_DAYS = 366
_LONGEST_REASON = 500
#: What the page offers to choose from: our own words, which name nobody whatever they resemble.
READY_REASONS = frozenset(
    {
        "marks of the scanner only, nobody is named",
        "no text in the picture",
        "no face can be made out",
        "both subjects may keep the images",
        "the cause is mended",
        "text over the anatomy",
        "a screen or a paper, no image of the scanner",
        "not of this subject",
        "not needed",
        "a name or number is masked",
        "a face is masked",
    }
)
_MOST_BOXES = 32
_HOLD_ID = re.compile(r"[0-9a-f]{16}")
_BOX = re.compile(r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a reviewer wants, from the command line or a page.

    `hold_sha256` is the hash of the hold that was looked at; empty from the command line, where
    the hold is named as it stands. `until` makes it a rule for the device up to that day.
    """

    hold_id: str
    outcome: Outcome
    reviewer: str
    reason: str
    boxes: tuple[Box, ...] = ()
    until: dt.date | None = None
    hold_sha256: str = ""


def read_box(text: str) -> Box:
    """Return a box written as x,y,width,height.

    Raises
    ------
    BadInputError
        If the text is none.
    """
    found = _BOX.fullmatch(text.replace(" ", ""))
    if found is None:
        raise BadInputError("a box that cannot be read", expected="x,y,width,height in pixels")
    return Box(*(int(number) for number in found.groups()))


def read_decision_file(data: bytes) -> tuple[Request, ...]:
    """Return what the file of a review page asks for.

    Raises
    ------
    BadInputError
        If it is no such file or a field of it is malformed; no value of it is quoted.
    """
    if len(data) > MAX_BYTES:
        _refuse("the file is too large")
    try:
        facts = json.loads(data.decode("utf-8-sig"))
        if facts["format"] != FORMAT:
            _refuse("the file is not of this version")
        found = tuple(_request(row, str(facts["reviewer"])) for row in facts["decisions"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        _refuse("the file is no list of decisions, or a field of it is malformed")
    if len({(r.hold_id, r.hold_sha256) for r in found}) < len(found) or not found:
        _refuse("the file decides nothing, or one thing twice")
    return found


def _request(row: Mapping[str, Any], reviewer: str) -> Request:
    hold_id, sha256, reason = row["hold_id"], row["hold_sha256"], row["reason"]
    if not isinstance(reason, str) or _HOLD_ID.fullmatch(hold_id) is None or not sha256:
        raise ValueError("row")
    boxes = tuple(Box(*(_whole(number) for number in box)) for box in row["boxes"])
    return Request(
        hold_id=hold_id,
        hold_sha256=str(sha256),
        outcome=Outcome(row["outcome"]),
        reviewer=reviewer,
        reason=reason,
        boxes=boxes,
        until=dt.date.fromisoformat(row["until"]) if row["until"] else None,
    )


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError("box")
    return number


def draft(
    hold: Hold, state: HoldState, request: Request, today: dt.date, follows: str = ""
) -> PixelDecision:
    """Return the decision that a request asks for; `follows` is the one it was held after.

    Raises
    ------
    BadInputError
        If it may not be decided like that; the message says why and what may be.
    """
    _require_words(request)
    _require_possible(hold, state, request.outcome)
    return replace(
        _decided(hold, request, _boxes(hold, request), today),
        follows=follows,
        scope=Scope.SERIES if request.until is None else Scope.DEVICE,
        device="" if request.until is None else hold.device,
        until=request.until if request.until is None else _until(hold, request, today),
    )


def by_rule(hold: Hold, rule: PixelDecision, today: dt.date) -> PixelDecision:
    """Return what a rule for the device decides about a hold whose texts it covers.

    A mask covers what was found beside what the rule says: a text may be longer this time.
    """
    found = _decided(hold, rule, _boxes_by_rule(hold, rule), today)
    return replace(found, by_rule=rule.decision_id)


def _decided(
    hold: Hold, wanted: Request | PixelDecision, boxes: tuple[Box, ...], today: dt.date
) -> PixelDecision:
    """Return the decision about this series alone, by who asked for it or made the rule."""
    rows, columns = hold.size or (0, 0)
    return PixelDecision(
        decision_id="",
        site=hold.site,
        hold_id=hold.hold_id,
        held_for=hold.reason,
        outcome=wanted.outcome,
        digests=hold.digests,
        boxes=boxes,
        rows=rows,
        columns=columns,
        reviewer=wanted.reviewer,
        reason=wanted.reason.strip(),
        decided_on=today,
    )


def _boxes_by_rule(hold: Hold, rule: PixelDecision) -> tuple[Box, ...]:
    if rule.outcome is not Outcome.MASK:
        return ()
    return tuple(sorted({*rule.boxes, *first_mask(hold)}))


def _require_words(request: Request) -> None:
    if REVIEWER.fullmatch(request.reviewer) is None:
        raise BadInputError(
            "the reviewer is no code",
            expected="up to five capital letters and then digits, e.g. QC01",
            hint="Never a name: the code stands beside the decision for good.",
        )
    if not request.reason.strip() or len(request.reason) > _LONGEST_REASON:
        raise BadInputError(
            "a decision needs a reason",
            expected=f"1 to {_LONGEST_REASON} characters",
            hint="Say what was seen, without names and numbers of persons.",
        )


def _require_possible(hold: Hold, state: HoldState, outcome: Outcome) -> None:
    if state is HoldState.TAKEN_IN:
        raise BadInputError(
            f"hold {hold.hold_id} has been taken in already",
            hint="What stands in the warehouse is taken out by `livercohort withdraw` only.",
        )
    disposition = hold.disposition
    if outcome not in disposition.actions:
        raise BadInputError(
            f"{hold.reason} cannot be decided by {outcome}",
            expected=" or ".join(disposition.actions),
            where=f"hold {hold.hold_id}",
            hint=disposition.text_en,
        )


def _boxes(hold: Hold, request: Request) -> tuple[Box, ...]:
    if request.outcome is not Outcome.MASK:
        if request.boxes:
            raise BadInputError("boxes belong to a mask", expected="mask, or no --box")
        accepts = request.until is not None and request.outcome is Outcome.ACCEPT
        # Of a rule, where the device writes: as it was seen.
        return tuple(sorted({seen.box for seen in hold.boxes})) if accepts else ()
    if hold.size is None:
        raise BadInputError(
            f"hold {hold.hold_id} has images of several sizes",
            expected="one size, so that one box means one place",
            hint="Reject it, or ask the site to send the series apart.",
        )
    rows, columns = hold.size
    if not 0 < len(request.boxes) <= _MOST_BOXES or not all(
        _is_inside(box, rows, columns) for box in request.boxes
    ):
        raise BadInputError(
            "a mask needs boxes inside the image",
            expected=f"1 to {_MOST_BOXES} boxes x,y,width,height within {columns} x {rows} pixels",
            where=f"hold {hold.hold_id}",
        )
    return tuple(sorted(set(request.boxes)))


def _is_inside(box: Box, rows: int, columns: int) -> bool:
    return (
        min(box.x, box.y) >= 0
        and min(box.width, box.height) > 0
        and box.x + box.width <= columns
        and box.y + box.height <= rows
    )


def _until(hold: Hold, request: Request, today: dt.date) -> dt.date:
    """Return the last day of a rule for the device."""
    fits = hold.reason is ReasonCode.TEXT_IN_PIXELS and hold.boxes and hold.size and hold.device
    if not fits or request.outcome is Outcome.REJECT:
        raise BadInputError(
            f"hold {hold.hold_id} gives no rule for a device",
            expected="text that was found in a place, of one device and one image size, "
            "accepted or masked",
            hint="Decide about this series alone.",
        )
    last = today + dt.timedelta(days=LONGEST_RULE_DAYS)
    if request.until is None or not today <= request.until <= last:
        raise BadInputError(
            "a rule for a device needs a last day",
            expected=f"--until from {today} to {last}",
            hint="Scanners are set up anew; then somebody has to look again.",
        )
    return request.until


def _refuse(found: str) -> NoReturn:
    raise BadInputError(
        found,
        where="the decision file",
        hint="Import the file that the review page downloaded; nothing of it was taken in.",
    )
