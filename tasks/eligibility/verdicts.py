"""Three-valued logic (Kleene) over parts of a criterion, each with reason and evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.protocol import read_evidence
from schemas.states import Effect, Verdict
from tasks.eligibility.facts import Facts


@dataclass(frozen=True)
class Part:
    """What is known of one condition.

    `observed` holds differences in days, counts and codes; never a date.
    """

    verdict: Verdict
    reason: str
    missing: tuple[str, ...] = ()
    observed: str = ""


def met(reason: str = "MET", observed: str = "") -> Part:
    """Return a fulfilled part."""
    return Part(Verdict.MET, reason, observed=observed)


def not_met(reason: str, observed: str = "") -> Part:
    """Return a part that is not fulfilled."""
    return Part(Verdict.NOT_MET, reason, observed=observed)


def undetermined(*facts: str, reason: str = "EVIDENCE_MISSING", observed: str = "") -> Part:
    """Return an open part that names the facts which would close it."""
    missing = tuple(sorted({read_evidence()[fact].name for fact in facts}))
    return Part(Verdict.UNDETERMINED, reason, missing, observed)


def decided(verdict: Verdict, facts: Facts, keys: Sequence[str], reason: str, seen: str) -> Part:
    """Return a part for a date comparison; an open one names the dates that are not exact."""
    if verdict is Verdict.MET:
        return met(observed=seen)
    if verdict is Verdict.NOT_MET:
        return not_met(reason, seen)
    vague = [key for key in keys if (date := facts.date(key)) and date.exact is None]
    return undetermined(*vague, reason="DATE_NOT_PRECISE", observed=seen)


def all_of(parts: Sequence[Part]) -> Part:
    """Return the Kleene AND: one not met decides, else one open leaves it open."""
    return _combine(parts, decisive=Verdict.NOT_MET, otherwise=Verdict.MET)


def any_of(parts: Sequence[Part]) -> Part:
    """Return the Kleene OR: one met decides, else one open leaves it open."""
    return _combine(parts, decisive=Verdict.MET, otherwise=Verdict.NOT_MET)


def _combine(parts: Sequence[Part], *, decisive: Verdict, otherwise: Verdict) -> Part:
    observed = "; ".join(part.observed for part in parts if part.observed)
    for verdict in (decisive, Verdict.UNDETERMINED, otherwise):
        chosen = [part for part in parts if part.verdict is verdict]
        if chosen:
            missing = tuple(sorted({name for part in chosen for name in part.missing}))
            return Part(verdict, chosen[0].reason, missing, observed)
    raise ValueError("nothing to combine")


def kleene_and(verdicts: Iterable[Effect]) -> Effect:
    """Return fail if one fails, else undetermined if one is open, else pass."""
    seen = set(verdicts)
    if Effect.FAIL in seen:
        return Effect.FAIL
    return Effect.UNDETERMINED if Effect.UNDETERMINED in seen else Effect.PASS


def days_text(name: str, bounds: tuple[int, int]) -> str:
    """Return a difference in days with its sign.

    When a date is partial only that is said: bounds on the start of a month, beside shifted
    dates, would give the shift away.
    """
    low, high = bounds
    return f"{name} {low:+d} days" if low == high else f"{name} not known to the day"
