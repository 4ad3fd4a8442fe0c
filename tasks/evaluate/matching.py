"""Which predicted lesion is which reference lesion: one to one, by the prespecified rule. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
#: A centroid may be this far off, however small the lesion; in mm.
LEAST_REACH_MM = 10.0
_FORBIDDEN = 1e6


class Method(StrEnum):
    """By what a prediction and a reference lesion are held to be the same."""

    CENTROID = "centroid"
    OVERLAP = "overlap"


@dataclass(frozen=True)
class Rule:
    """A matching rule.

    `threshold` is the least intersection over union of an overlap, or the factor on
    max(10 mm, radius) within which the centroids lie.
    """

    method: Method
    threshold: float


@dataclass(frozen=True)
class Reference:
    """A reference lesion with its place; `accepted` says whether its label is proven."""

    lesion_id: str
    centroid: tuple[float, float, float]
    diameter_mm: float | None
    accepted: bool

    @property
    def reach_mm(self) -> float:
        """How far a centroid may be off, before the factor of the rule."""
        return max(LEAST_REACH_MM, (self.diameter_mm or 0.0) / 2)


class Verdict(StrEnum):
    """What became of a predicted lesion."""

    MATCHED = "matched"
    #: On a lesion whose reference is not accepted: neither right nor wrong.
    IGNORED = "ignored"
    #: Within reach of a lesion that another prediction took: one lesion in several parts.
    SPLIT = "split"
    OUTSIDE_LIVER = "outside_liver"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True)
class Matching:
    """How the predictions of one subject were matched.

    `lesion_of` and `verdicts` are by place of the prediction; `merged` names reference lesions
    without a prediction of their own that lie within reach of one which took another.
    """

    lesion_of: tuple[str | None, ...]
    quality: tuple[float | None, ...]
    verdicts: tuple[Verdict, ...]
    merged: tuple[str, ...]


def match_lesions(
    references: Sequence[Reference],
    predictions: Sequence[tuple[float, float, float]],
    rule: Rule,
    overlaps: Mapping[tuple[int, str], float] | None = None,
    outside_liver: frozenset[int] = frozenset(),
) -> Matching:
    """Return the one-to-one matching with most pairs, and of those the closest.

    Proven lesions are served first: one without accepted reference takes no prediction away from
    one with it.

    Parameters
    ----------
    references : sequence of Reference
        Lesions of one subject.
    predictions : sequence of (x, y, z)
        Centroids, LPS, mm.
    rule : Rule
        The prespecified one.
    overlaps : mapping, optional
        Intersection over union by place of the prediction and lesion; absent pairs are 0.
    outside_liver : frozenset of int
        Predictions known to lie outside the liver.
    """
    cost = _costs(references, predictions, rule, overlaps or {})
    accepted = np.array([one.accepted for one in references], dtype=bool)
    pairs = _assign(cost, accepted)
    free = np.ones(len(predictions), dtype=bool)
    free[list(pairs)] = False
    masked = np.where(free[:, None] & ~accepted[None, :], cost, np.inf)
    pairs |= _assign(masked, ~accepted)
    taken = set(pairs.values())
    verdicts, lesion_of, quality = [], [], []
    for place in range(len(predictions)):
        at = pairs.get(place)
        near = {int(j) for j in np.flatnonzero(np.isfinite(cost[place]))} if references else set()
        verdicts.append(_verdict(at, near, references, place in outside_liver))
        lesion_of.append(references[at].lesion_id if at is not None else None)
        quality.append(_quality(cost[place, at], rule) if at is not None else None)
    merged = tuple(
        one.lesion_id
        for j, one in enumerate(references)
        if j not in taken and any(np.isfinite(cost[i, j]) for i in pairs)
    )
    return Matching(tuple(lesion_of), tuple(quality), tuple(verdicts), merged)


def _verdict(
    at: int | None, near: set[int], references: Sequence[Reference], outside: bool
) -> Verdict:
    if at is not None:
        return Verdict.MATCHED if references[at].accepted else Verdict.IGNORED
    if any(references[j].accepted for j in near):
        return Verdict.SPLIT
    if near:
        return Verdict.IGNORED
    return Verdict.OUTSIDE_LIVER if outside else Verdict.FALSE_POSITIVE


def _costs(
    references: Sequence[Reference],
    predictions: Sequence[tuple[float, float, float]],
    rule: Rule,
    overlaps: Mapping[tuple[int, str], float],
) -> Matrix:
    """Return costs, `(predictions, references)`; infinite where the rule says no."""
    if rule.method is Method.OVERLAP:
        ious = [
            [overlaps.get((i, r.lesion_id), 0.0) for r in references]
            for i in range(len(predictions))
        ]
        iou = np.array(ious, dtype=float).reshape(len(predictions), len(references))
        return np.where((iou >= rule.threshold) & (iou > 0), 1 - iou, np.inf)
    places = np.array(predictions, dtype=float).reshape(-1, 1, 3)
    centres = np.array([one.centroid for one in references], dtype=float).reshape(1, -1, 3)
    reach = rule.threshold * np.array([one.reach_mm for one in references], dtype=float)
    distance = np.linalg.norm(places - centres, axis=2)
    return np.where(distance <= reach[None, :], distance, np.inf)


def _assign(cost: Matrix, columns: NDArray[np.bool_]) -> dict[int, int]:
    if not cost.size or not columns.any():
        return {}
    # A night reads the matching rules, too, and matches nothing: it does not wait for scipy.
    from scipy.optimize import linear_sum_assignment

    allowed = np.isfinite(cost) & columns[None, :]
    rows, found = linear_sum_assignment(np.where(allowed, cost, _FORBIDDEN))
    return {int(i): int(j) for i, j in zip(rows, found, strict=True) if allowed[i, j]}


def _quality(cost: float, rule: Rule) -> float:
    """Return the overlap, or the distance in mm."""
    return float(1 - cost) if rule.method is Method.OVERLAP else float(cost)
