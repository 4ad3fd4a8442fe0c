"""What a person decided about something that was held, and where a decision holds. Pure.

A decision is bound to what was seen: the keyed digests of the pixels (`schemas.vault.
pixel_digests`) or, of a file that has none, a keyed digest of its bytes. So it is found again
whoever sends the same pixels, in whatever batch. It answers one `Question`: that no name stands
in a picture says nothing about a face in it.

De-identification looks decisions up, masks what has to be masked, and leaves `DecidedPixels`:
the later stages take from there what they need not ask again.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.identifiers import Sha256
from schemas.states import ReasonCode

#: How far a text may lie outside the boxes of a rule: a detector does not box to the pixel.
RULE_MARGIN_PX = 6


class Outcome(StrEnum):
    """What a person decided."""

    ACCEPT = "accept"
    REJECT = "reject"
    MASK = "mask"


class Scope(StrEnum):
    """What a decision holds for: what was looked at, or also what a device writes there."""

    SERIES = "series"
    DEVICE = "device"


class Question(StrEnum):
    """What was asked; a decision answers one question."""

    TEXT = "text"
    FACE = "face"
    PERSON = "person"
    FILE = "file"


#: Reasons that ask about the pixels; any other asks about the file.
QUESTION_OF: Mapping[ReasonCode, Question] = {
    ReasonCode.TEXT_IN_PIXELS: Question.TEXT,
    ReasonCode.PIXELS_NOT_INSPECTED: Question.TEXT,
    ReasonCode.BURNED_IN_ANNOTATION: Question.TEXT,
    ReasonCode.SECONDARY_OR_DERIVED: Question.TEXT,
    ReasonCode.FACE_IN_VIEW: Question.FACE,
    ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT: Question.PERSON,
}


def question_of(reason: ReasonCode) -> Question:
    """Return what a file set aside for this reason asks a person."""
    return QUESTION_OF.get(reason, Question.FILE)


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle in pixels of the stored image, origin top left; the edges x and y are inside."""

    x: int
    y: int
    width: int
    height: int

    def lies_in(self, other: Box, margin: int = 0) -> bool:
        """Return whether this box lies in `other`, grown by `margin` pixels on every side."""
        return (
            other.x - margin <= self.x
            and other.y - margin <= self.y
            and self.x + self.width <= other.x + other.width + margin
            and self.y + self.height <= other.y + other.height + margin
        )


@dataclass(frozen=True, kw_only=True)
class PixelDecision:
    """One decision (restricted: a reason is free text, though searched before it was kept).

    Parameters
    ----------
    decision_id : str
        16 keyed hex digits over all else.
    site : str
        Whose delivery it was.
    hold_id, held_for
        What was decided about, and why it was held.
    outcome : Outcome
        What was decided.
    digests : tuple of Sha256
        Keyed digests of the pixels of each instance, or of the bytes of a file without pixels.
    boxes : tuple of Box
        What is masked, on every slice and frame; of a rule, where the device writes.
    rows, columns : int
        Size of the images; 0 where there are none.
    reviewer : str
        A code that we give, never a name.
    reason : str
        Why, in words.
    decided_on : date
        The day at the hospitals.
    scope : Scope
        `device`: also what the device writes there in images of this size, until `until`.
    device : str
        Keyed token of the device; empty for a decision about a series.
    until : date, optional
        The last day of a rule.
    by_rule : str
        Id of the rule that decided; empty where a person looked at the images.
    follows : str
        Id of the decision after which this was held again; empty for the first.
    """

    decision_id: str
    site: str
    hold_id: str
    held_for: ReasonCode
    outcome: Outcome
    digests: tuple[Sha256, ...]
    reviewer: str
    reason: str = field(repr=False)
    decided_on: dt.date
    boxes: tuple[Box, ...] = ()
    rows: int = 0
    columns: int = 0
    scope: Scope = Scope.SERIES
    device: str = ""
    until: dt.date | None = None
    by_rule: str = ""
    follows: str = ""

    @property
    def question(self) -> Question:
        """What it answers."""
        return question_of(self.held_for)

    def is_rule_on(self, day: dt.date) -> bool:
        """Return whether it is a rule for a device that is in force on a day."""
        return self.scope is Scope.DEVICE and self.until is not None and day <= self.until


@dataclass(frozen=True)
class HeldText:
    """What a rule for a device is held against: where a held series shows text, and of what.

    `of_person` when the person's own words were read there.
    """

    site: str
    device: str
    held_for: ReasonCode
    rows: int
    columns: int
    boxes: tuple[Box, ...]
    of_person: bool = False


@dataclass(frozen=True)
class DecidedPixels:
    """De-identify → inspect: SOPInstanceUID → the questions that a person answered with yes.

    An instance is not held again for what stands here (`question_of` of the reason); a series is
    settled when each of its instances is. Masked instances were masked before this stage, so
    their pixels are no longer those that were decided about: they are looked at once more, and
    only what a person masked a second time is settled.
    """

    settled: Mapping[str, tuple[Question, ...]]


@dataclass(frozen=True)
class PixelDecisions:
    """Decisions in the order they were made; of one question and instance the last one counts."""

    decisions: tuple[PixelDecision, ...] = ()
    _by_digest: dict[str, dict[Question, PixelDecision]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        found: dict[str, dict[Question, PixelDecision]] = defaultdict(dict)
        for decision in self.decisions:
            for digest in decision.digests:
                found[digest][decision.question] = decision
        object.__setattr__(self, "_by_digest", dict(found))

    def __bool__(self) -> bool:
        return bool(self.decisions)

    def of_instance(self, digest: str) -> tuple[PixelDecision, ...]:
        """Return what was decided about these pixels, one decision for each question."""
        found = self._by_digest.get(digest, {})
        return tuple(found[question] for question in sorted(found))

    def settles(self, digest: str, decision: PixelDecision) -> bool:
        """Return whether a decision about these pixels ends its question.

        A mask for text does when a person has masked them before: what is left after the first
        mask is looked at again, since a program may read then what stood unread beside it.
        """
        if decision.outcome is Outcome.REJECT:
            return False
        if decision.outcome is Outcome.ACCEPT or decision.question is not Question.TEXT:
            return True
        masks = {
            one.decision_id
            for one in self.decisions
            if digest in one.digests
            and (one.outcome, one.question, one.by_rule) == (Outcome.MASK, Question.TEXT, "")
        }
        return decision.decision_id in masks and len(masks) > 1

    def of_all(self, digests: Iterable[str], question: Question) -> PixelDecision | None:
        """Return the decision that answers a question for every one of the digests, if one does.

        The newest, where several together do; outcomes that differ decide nothing.
        """
        found = [self._by_digest.get(digest, {}).get(question) for digest in digests]
        decided = [decision for decision in found if decision is not None]
        if not decided or len(decided) < len(found) or len({_said(d) for d in decided}) > 1:
            return None
        return max(decided, key=self.decisions.index)

    def rule_for(self, held: HeldText, day: dt.date) -> PixelDecision | None:
        """Return the newest rule in force that covers every text of a held series.

        Without a box nobody knows where the text is: no rule covers that. What a device writes
        for everybody names nobody: where the person is named, no rule accepts.
        """
        fits = (
            rule
            for rule in reversed(self.decisions)
            if rule.is_rule_on(day)
            and (rule.site, rule.device, rule.held_for) == (held.site, held.device, held.held_for)
            and (rule.rows, rule.columns) == (held.rows, held.columns)
            and not (held.of_person and rule.outcome is Outcome.ACCEPT)
        )
        for rule in fits:
            if held.device and held.boxes and all(_covered(b, rule.boxes) for b in held.boxes):
                return rule
        return None


def _said(decision: PixelDecision) -> tuple[Outcome, tuple[Box, ...]]:
    return decision.outcome, decision.boxes


def _covered(box: Box, boxes: Iterable[Box]) -> bool:
    return any(box.lies_in(other, RULE_MARGIN_PX) for other in boxes)
