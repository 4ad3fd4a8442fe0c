"""The page of outcomes: what is exploratory, undefined or small says so; precision and accrual."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from statsmodels.stats.proportion import proportion_confint

from schemas.run.zones import Zones
from tasks.report.model import EvaluationInput
from tasks.report.outcomes import view_outcomes
from tasks.report.precision import cut_offs, half_width, plan_precision, project
from tasks.report.render import render_report
from tasks.report.store_evaluations import read_enrolled_by_month
from tasks.report.tables import EligibilityRow
from tests.unit.report.synthetic import make_report

HEAD = {
    "evaluation_id": "run-a",
    "kind": "index_run",
    "release": "1.0.0",
    "model_name": "Liver <AI>",
    "model_version": "2",
    "exploratory": True,
    "exploratory_reasons": ["the threshold was not prespecified"],
    "matching_rule": "centroid_1",
    "matching_decided": False,
    "misdiagnosis_definition": "1 - specificity",
}


def estimate(measure: str, value: float | None, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "unit": "patient",
        "measure": measure,
        "arm": "ai",
        "reader_id": "none",
        "reading": "literal",
        "analysis": "main",
        "subset_by": "all",
        "subset": "all",
        "method": "wilson",
        "outcome_no": 1,
        "numerator": 8.0,
        "denominator": 10.0,
        "estimate": value,
        "ci_low": None,
        "ci_high": None,
        "n_clusters": 10,
        "state": "estimated" if value is not None else "not_estimable",
        "note": None,
    }
    if value is not None:
        row |= {"ci_low": value - 0.1, "ci_high": value + 0.1}
    return row | more


def evaluation(*rows: dict[str, object]) -> EvaluationInput:
    return EvaluationInput("run-a", {"evaluation": (HEAD,), "estimate": rows})


def page(*rows: dict[str, object]) -> str:
    report = replace(make_report(subjects_per_site=1), evaluations=(evaluation(*rows),))
    return render_report(report).files["evaluations/run-a.html"].decode()


def test_an_exploratory_run_says_so_with_the_reason_in_both_languages() -> None:
    text = page(estimate("sensitivity", 0.8))
    assert "EXPLORATORY" in text
    assert "探索性" in text
    assert "the threshold was not prespecified" in text
    assert "阈值未预先设定" in text
    assert "Liver &lt;AI&gt;" in text


def test_what_cannot_be_given_has_words_in_place_of_a_number() -> None:
    text = page(
        estimate("sensitivity", None, numerator=0.0, denominator=0.0),
        estimate("detection_specificity", None, state="not_defined", outcome_no=None),
    )
    assert "not estimable" in text
    assert "this population cannot give it" in text


def test_subgroups_stand_in_the_forest_and_not_in_the_table() -> None:
    rows = [
        estimate("sensitivity", 0.8),
        estimate("sensitivity", 0.9, subset_by="site", subset="S91"),
    ]
    shown = view_outcomes(evaluation(*rows))
    assert len(shown.estimates) == 1
    (plot,) = shown.forests
    assert [row.label_en for row in plot.drawing.rows] == ["everybody", "site: S91"]
    assert plot.drawing.whole_x == plot.drawing.rows[0].middle


def test_without_an_evaluation_the_page_says_how_to_make_one() -> None:
    files = render_report(make_report(subjects_per_site=1)).files
    assert "livercohort evaluate" in files["evaluation.html"].decode()


@pytest.mark.parametrize(("p", "n"), [(0.85, 40), (0.5, 3000), (0.85, 1)])
def test_a_half_width_is_that_of_wilson(p: float, n: int) -> None:
    low, high = proportion_confint(p * n, n, method="wilson")
    assert half_width(p, n) == pytest.approx((high - low) / 2)
    assert half_width(p, 0) is None


def test_precision_counts_the_eligible_of_each_class() -> None:
    references = {"a": "malignant", "b": "malignant", "c": "benign", "d": "malignant"}
    rows = [
        EligibilityRow(s, "literal", "eligible" if s != "d" else "ineligible", None, ())
        for s in references
    ]
    found = {one.reference: one for one in plan_precision(references, rows, {}).classes}
    assert (found["malignant"].n, found["malignant"].expected) == (2, 1500)
    assert (found["benign"].n, found["benign"].expected) == (1, 750)


def test_the_date_of_the_target_follows_from_the_last_twelve_months() -> None:
    months = {f"2024-{m:02}": 5 for m in range(1, 13)} | {f"2025-{m:02}": 100 for m in range(1, 13)}
    found = project(months)
    assert found is not None
    assert found.enrolled == 1260
    assert found.per_month == 100
    assert found.target_month == "2027-06"  # 17.4 months more
    assert found.in_time
    assert [day for day, _ in found.by_cut_off] == ["2028-09-30", "2028-12-01", "2028-12-31"]
    assert found.by_cut_off[0][1] == 1260 + 33 * 100


def test_a_slow_accrual_is_told_to_be_late_and_a_small_one_is_not_projected() -> None:
    slow = project({"2025-01": 10, "2025-12": 10})
    assert slow is not None
    assert not slow.in_time
    assert slow.per_month == pytest.approx(20 / 12)
    assert project({"2025-01": 9}) is None
    assert project({}) is None
    assert project({"unknown": 50}) is None


def test_the_cut_offs_are_those_of_the_protocol() -> None:
    assert [day.isoformat() for day in cut_offs()] == ["2028-09-30", "2028-12-01", "2028-12-31"]


def test_the_enrolled_are_summed_over_sites(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    assert read_enrolled_by_month(zones) == {}
    path = zones.restricted / "accrual" / "accrual.csv"
    path.parent.mkdir(parents=True)
    path.write_text(
        "site_code,ascertainment,outcome,month,n,cumulative\n"
        "S91,prospective,enrolled,2025-03,2,2\nS92,prospective,enrolled,2025-03,3,3\n"
        "S92,unknown,declined,2025-03,9,9\n"
    )
    assert read_enrolled_by_month(zones) == {"2025-03": 5}
