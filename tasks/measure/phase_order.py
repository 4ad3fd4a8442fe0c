"""A second opinion on contrast phases: do vessels and liver change as the labels say? Pure.

It names no phase. It holds the order that labels state against what pixels show, pair by pair,
and says that they agree, that they do not, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tasks.measure.catalogue import PhasePair

#: Less of a change than this share of the exam's own is no evidence either way.
MARGIN = 0.06
_TISSUES = ("aorta", "portal", "liver")
#: What counts as the whole change at least, so that the noise of an exam that does not change is
#: not taken for one: HU of a CT, shares of the mean level of an MR.
_LEAST_HU = {"aorta": 30.0, "portal": 30.0, "liver": 20.0}
_LEAST_SHARE = {"aorta": 0.15, "portal": 0.15, "liver": 0.10}


class Opinion(StrEnum):
    """What pixels say of the order that labels state."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    SILENT = "silent"


@dataclass(frozen=True)
class LabelledPass:
    """The phase that a label gives, and the levels in that pass; the portal region may be None."""

    phase: str
    aorta: float
    liver: float
    portal: float | None = None


@dataclass(frozen=True)
class Judgement:
    """The opinion; of a disagreement the pairs `earlier>later` that pixels contradict."""

    opinion: Opinion
    contradicted: tuple[str, ...] = ()


def judge_order(
    passes: Sequence[LabelledPass], pairs: Iterable[PhasePair], *, is_ct: bool
) -> Judgement:
    """Return whether pixels agree with the order of phases of one exam.

    Parameters
    ----------
    passes : sequence of LabelledPass
        Of one exam and modality; several of one phase count as their mean.
    pairs : iterable of PhasePair
        How aorta, portal region and liver change from one phase to a later one
        (`data_contracts/measure/phase_order.csv`).
    is_ct : bool
        Whether levels are HU.

    Returns
    -------
    Judgement
        A disagreement when a pair changes the wrong way by more than `MARGIN` of the whole
        change, and nothing of it the right way: an arterial phase that came too soon has an
        aorta as before contrast, but a liver that is yet to brighten. An agreement when all
        that the table says of every pair goes the right way; else silence. A portal region that
        was not found in every pass is left out.
    """
    levels = {tissue: _by_phase(passes, tissue) for tissue in _TISSUES}
    scales = {tissue: _scale(levels[tissue], tissue, is_ct=is_ct) for tissue in _TISSUES}
    wrong: list[str] = []
    right: list[bool] = []
    for pair in pairs:
        if not {pair.earlier, pair.later} <= levels["aorta"].keys():
            continue
        changes = [
            sign * (levels[t][pair.later] - levels[t][pair.earlier]) / scales[t]
            for t, sign in zip(_TISSUES, (pair.aorta, pair.portal, pair.liver), strict=True)
            if sign and {pair.earlier, pair.later} <= levels[t].keys()
        ]
        if max(changes) < MARGIN and sum(changes) / len(changes) < -MARGIN:
            wrong.append(f"{pair.earlier}>{pair.later}")
        right.append(min(changes) > MARGIN)
    if wrong:
        return Judgement(Opinion.DISAGREES, tuple(sorted(wrong)))
    return Judgement(Opinion.AGREES if right and all(right) else Opinion.SILENT)


def _by_phase(passes: Sequence[LabelledPass], tissue: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in passes:
        level: float | None = getattr(one, tissue)
        if level is None:
            return {}
        found.setdefault(one.phase, []).append(level)
    return {phase: sum(values) / len(values) for phase, values in found.items()}


def _scale(levels: Mapping[str, float], tissue: str, *, is_ct: bool) -> float:
    if not levels:
        return 1.0
    values = list(levels.values())
    mean = abs(sum(values)) / len(values)
    least = _LEAST_HU[tissue] if is_ct else _LEAST_SHARE[tissue] * mean
    return max(max(values) - min(values), least, 1e-6)
