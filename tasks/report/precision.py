"""How precise the outcomes will be, and when 3 000 subjects are reached. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.protocol import read_protocol
from tasks.report.tables import EligibilityRow
from tasks.report.verdicts import DEFAULT_READING

#: Proportions for which a half-width is told: what is hoped for, and the least precise.
_PROPORTIONS = (0.85, 0.5)
_Z = 1.959963984540054
#: Fewer enrolled tell of single persons, and project nothing.
_LEAST = 10
_MONTHS_OF_RATE = 12
_CLASSES = ("malignant", "benign")


@dataclass(frozen=True)
class ClassPrecision:
    """Subjects of one reference class, and half-widths of the 95 % interval by proportion.

    `expected` is how many there will be at the target, if their share stays what it is.
    """

    reference: str
    n: int
    expected: int | None
    today: tuple[float | None, ...]
    at_target: tuple[float | None, ...]


@dataclass(frozen=True)
class Projection:
    """When the target is reached at the present rate, and how many by each cut-off."""

    enrolled: int
    per_month: float
    target_month: str | None
    in_time: bool
    by_cut_off: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Precision:
    """Precision by class, and the projection; None while too few are enrolled to project."""

    proportions: tuple[float, ...]
    classes: tuple[ClassPrecision, ...]
    projection: Projection | None


def plan_precision(
    references: Mapping[str, str],
    eligibility: Sequence[EligibilityRow],
    enrolled_by_month: Mapping[str, int],
) -> Precision:
    """Return the precision of sensitivity (malignant) and specificity (benign).

    Parameters
    ----------
    references : mapping
        Reference of everybody in the release: malignant, benign or another.
    eligibility : sequence of EligibilityRow
        Their verdicts; the main reading counts.
    enrolled_by_month : mapping
        Persons enrolled by month (`2025-03`, real), and under `unknown` those of no month.
    """
    eligible = {
        row.subject_id
        for row in eligibility
        if row.reading == DEFAULT_READING and row.status == "eligible"
    }
    target = read_protocol().study.accrual_target
    found = []
    for reference in _CLASSES:
        n = sum(1 for key, one in references.items() if key in eligible and one == reference)
        expected = round(target * n / len(references)) if n else None
        found.append(
            ClassPrecision(
                reference,
                n,
                expected,
                tuple(half_width(p, n) for p in _PROPORTIONS),
                tuple(half_width(p, expected or 0) for p in _PROPORTIONS),
            )
        )
    return Precision(_PROPORTIONS, tuple(found), project(enrolled_by_month))


def half_width(proportion: float, n: int) -> float | None:
    """Return half the width of Wilson's 95 % interval; None without subjects."""
    if n <= 0:
        return None
    scaled = proportion * (1 - proportion) / n + _Z**2 / (4 * n**2)
    return _Z * math.sqrt(scaled) / (1 + _Z**2 / n)


def project(enrolled_by_month: Mapping[str, int]) -> Projection | None:
    """Return the projection from the months with a date; the last one may not be over yet.

    The rate is that of the last 12 months up to the last month in which anybody was enrolled,
    months without anybody included.
    """
    total = sum(enrolled_by_month.values())
    dated = {_number(m): n for m, n in enrolled_by_month.items() if m[:1].isdigit()}
    if total < _LEAST or not dated:
        return None
    last, first = max(dated), min(dated)
    months = min(_MONTHS_OF_RATE, last - first + 1)
    rate = sum(n for month, n in dated.items() if month > last - months) / months
    if rate <= 0:
        return None
    needed = max(0, math.ceil((read_protocol().study.accrual_target - total) / rate))
    reached = last + needed
    by_cut_off = tuple(
        (day.isoformat(), total + round(rate * max(0, _number(day.isoformat()) - last)))
        for day in cut_offs()
    )
    in_time = reached <= _number(cut_offs()[-1].isoformat())
    return Projection(total, rate, _month(reached), in_time, by_cut_off)


def cut_offs() -> tuple[dt.date, ...]:
    """Return the last days of a baseline MRI with a whole window, and the end of the study.

    First that of the follow-up, then that of pathology.
    """
    study = read_protocol().study
    return study.last_baseline_mri_for_follow_up, study.last_baseline_mri_for_pathology, study.end


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def _month(number: int) -> str:
    return f"{number // 12}-{number % 12 + 1:02}"
