"""What a person decided about the pixels of an object that came in. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.dicom.pixel_digests import pixel_content
from schemas.dicom.pixel_values import decoded_values
from schemas.identifiers import Sha256
from schemas.pixel_decisions import (
    Box,
    Outcome,
    PixelDecision,
    PixelDecisions,
    Question,
    question_of,
)
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.plan.refusal import Refusal


@dataclass(frozen=True)
class Decided:
    """The decisions in force about one object, one for each question.

    `settled` are the questions that need not be asked again.
    """

    decisions: tuple[PixelDecision, ...] = ()
    settled: tuple[Question, ...] = ()

    @property
    def rejection(self) -> Refusal | None:
        """Why the object stays aside for good, if a person said so."""
        found = (d for d in self.decisions if d.outcome is Outcome.REJECT)
        return next((Refusal(d.held_for, "rejected by a person") for d in found), None)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """What is masked."""
        masks = (d for d in self.decisions if d.outcome is Outcome.MASK)
        return tuple(sorted({box for d in masks for box in d.boxes}))

    @property
    def looked_at(self) -> bool:
        """Whether a person looked for text, so that the header need not rule it out."""
        return any(d.question is Question.TEXT for d in self.decisions)

    @property
    def steps(self) -> tuple[str, ...]:
        """What the audit says of it: by which decision the pixels were let in or masked."""
        done = {Outcome.ACCEPT: "accepted", Outcome.MASK: "masked"}
        return tuple(
            f"7FE00010:{done[d.outcome]}:{d.decision_id}"
            for d in self.decisions
            if d.outcome in done
        )


UNDECIDED = Decided()


def decided_about(
    data: bytes,
    done: DeidentifiedObject | Refusal,
    decisions: PixelDecisions,
    keyed: Callable[[Sha256], Sha256],
) -> Decided:
    """Return what was decided about an object, by its decoded pixels.

    Parameters
    ----------
    data : bytes
        The file as delivered.
    done : DeidentifiedObject or Refusal
        What became of it without a decision; a refusal that does not ask about pixels stays.
    decisions : PixelDecisions
        What is known.
    keyed : callable
        Makes the digest of pixels the one that decisions are filed under.
    """
    if isinstance(done, Refusal) and question_of(done.reason) is Question.FILE:
        return UNDECIDED
    digest = keyed(pixel_content(decoded_values(data)))
    found = decisions.of_instance(digest)
    return Decided(found, tuple(d.question for d in found if decisions.settles(digest, d)))
