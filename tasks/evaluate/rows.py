"""Rows of the table `estimate`: one shape for every number. Pure."""

from __future__ import annotations

from typing import TypedDict

from tasks.evaluate.paired import Comparison
from tasks.evaluate.proportions import Estimate

ALL, AI, NOBODY = "all", "ai", "none"
MAIN = "main"
ESTIMATED, NOT_ESTIMABLE, NOT_DEFINED = "estimated", "not_estimable", "not_defined"
#: Registered outcomes by number (protocol notes, section 6).
OUTCOMES = {
    "sensitivity": 1,
    "specificity": 2,
    "ppv": 3,
    "npv": 4,
    "inference_seconds": 5,
    "reading_minutes": 5,
    "accuracy": 6,
    "miss_rate": 7,
    "misdiagnosis_rate": 8,
    "detection_rate": 9,
}


class Key(TypedDict, total=False):
    """What tells an estimate from all others; what is left out is all, main, or the AI system."""

    unit: str
    measure: str
    arm: str
    reader_id: str
    reading: str
    analysis: str
    subset_by: str
    subset: str
    method: str


Row = dict[str, object]


def estimate_row(
    key: Key,
    found: Estimate,
    *,
    numerator: float | None = None,
    denominator: float | None = None,
    n_clusters: int | None = None,
    icc: float | None = None,
    design_effect: float | None = None,
    statistic: float | None = None,
    p_value: float | None = None,
    state: str | None = None,
    note: str | None = None,
) -> Row:
    """Return a row of `estimate`; without a value it says that it is not estimable."""
    whole = {
        "unit": "patient",
        "arm": AI,
        "reader_id": NOBODY,
        "reading": "literal",
        "analysis": MAIN,
        "subset_by": ALL,
        "subset": ALL,
        "method": "wilson",
        **key,
    }
    return {
        **whole,
        "outcome_no": OUTCOMES.get(str(key["measure"])),
        "numerator": _float(numerator),
        "denominator": _float(denominator),
        "estimate": _float(found.value),
        "ci_low": _float(found.low),
        "ci_high": _float(found.high),
        "n_clusters": n_clusters,
        "icc": icc,
        "design_effect": design_effect,
        "statistic": statistic,
        "p_value": p_value,
        "state": state or (NOT_ESTIMABLE if found.value is None else ESTIMATED),
        "note": note,
    }


def comparison_row(key: Key, found: Comparison, *, p_values: bool, note: str | None = None) -> Row:
    """Return a row of a difference; statistic and p-value only where a plan allows them."""
    return estimate_row(
        key,
        found.difference,
        n_clusters=found.n,
        statistic=found.statistic if p_values else None,
        p_value=found.p_value if p_values else None,
        note=note,
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
