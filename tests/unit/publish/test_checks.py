"""Sums and roll-ups inside a release are recomputed, not believed."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from tasks.publish.checks import (
    check_contract,
    check_dates,
    check_flow,
    check_roll_up,
    check_volumes,
)
from tests.unit.publish.cohort import CONTRACTS, CRITERIA, make_cohort, make_row, make_table

SUBJECT = "S91-AAAA2222"


def results(effects: dict[str, str]) -> pa.Table:
    rows = [
        make_row(
            "criterion_result",
            subject_id=SUBJECT,
            criterion_id=criterion,
            reading="literal",
            effect=effect,
        )
        for criterion, effect in effects.items()
    ]
    return make_table("criterion_result", rows)


def verdict(status: str, first: str | None = None) -> pa.Table:
    row = make_row("eligibility", subject_id=SUBJECT, reading="literal", status=status)
    return make_table("eligibility", [row | {"first_failing_criterion": first}])


ALL_PASS = dict.fromkeys(CRITERIA, "pass")


@pytest.mark.parametrize(
    ("effects", "status", "first"),
    [
        (ALL_PASS, "eligible", None),
        (ALL_PASS | {"I5": "undetermined"}, "undetermined", None),
        (ALL_PASS | {"I5": "undetermined", "E1": "fail"}, "ineligible", "E1"),
        (ALL_PASS | {"E4": "fail", "I2": "fail"}, "ineligible", "I2"),
        (dict.fromkeys(CRITERIA[:-1], "pass"), "undetermined", None),
        ({}, "undetermined", None),
    ],
    ids=["all pass", "one open", "one fails, one open", "two fail", "one without a row", "no row"],
)
def test_the_roll_up_of_nine_criteria(
    effects: dict[str, str], status: str, first: str | None
) -> None:
    assert check_roll_up(results(effects), verdict(status, first)) == []
    wrong = "eligible" if status != "eligible" else "undetermined"
    (problem,) = check_roll_up(results(effects), verdict(wrong))
    assert problem.expected == f"{status} {first or ''}".strip()


def flow(**numbers: int) -> pa.Table:
    rows = [
        make_row(
            "stard_flow",
            reading="literal",
            site_code=place.partition("_")[0],
            node_id=place.partition("_")[2],
            parent_id=None if place.endswith("_top") else "top",
            n=n,
        )
        for place, n in numbers.items()
    ]
    return make_table("stard_flow", rows)


def test_a_flow_whose_parts_sum_is_in_order() -> None:
    assert check_flow(flow(all_top=3, all_in=2, all_out=1, S91_top=3, S91_in=2, S91_out=1)) == []
    assert check_flow(make_cohort()["stard_flow"]) == []


def test_children_that_do_not_sum_to_their_parent_are_named() -> None:
    (problem,) = check_flow(flow(all_top=3, all_in=2, all_out=0))
    assert (problem.object_id, problem.observed, problem.expected) == ("literal/all/top", "3", "2")


def test_sites_that_do_not_sum_to_the_cohort_are_named() -> None:
    (problem,) = check_flow(flow(all_top=3, S91_top=2))
    assert (problem.object_id, problem.observed, problem.expected) == ("literal/all/top", "3", "2")


def test_a_parent_that_is_not_there_is_named() -> None:
    (problem,) = check_flow(flow(all_in=2))
    assert problem.observed == "no node"


def test_a_volume_without_its_file_is_named() -> None:
    volumes = make_cohort()["nifti_volume"]
    sums = {row["rel_path"]: row["sha256"] for row in volumes.to_pylist()}
    assert check_volumes(volumes, sums) == []
    assert len(check_volumes(volumes, {})) == volumes.num_rows


@pytest.mark.parametrize(
    ("day", "holds"),
    [
        (dt.date(2024, 3, 6), True),
        (dt.date(1895, 5, 26), False),
        (dt.date(9998, 1, 1), False),
        (None, True),
    ],
)
def test_a_moved_date_that_no_date_of_the_study_becomes_is_refused(
    day: dt.date | None, holds: bool
) -> None:
    """1900-01-01 moved by a person's shift shows the shift, and with it every real date."""
    table = make_table("imaging_study", [make_row("imaging_study", study_date_shifted=day)])
    problems = check_dates(CONTRACTS["imaging_study"], table)
    assert [p.object_id for p in problems] == (
        [] if holds else ["imaging_study.study_date_shifted"]
    )


def test_a_table_is_held_against_its_contract_by_column() -> None:
    contract = CONTRACTS["series"]
    good = make_table("series", [make_row("series", series_uid=f"2.25.{n}") for n in range(3)])
    assert check_contract(contract, good) == []

    def found(column: str, values: list[object]) -> list[tuple[str, str]]:
        at = good.schema.get_field_index(column)
        field = good.schema.field(at)
        bad = good.set_column(at, field, pa.array(values, field.type))
        return [(problem.observed, problem.expected) for problem in check_contract(contract, bad)]

    assert found("label", ["CT_PVP", "NO_SUCH", "CT_PVP"]) == [
        ("a value is not an allowed code", "label")
    ]
    assert found("batch_id", ["b", None, "b"]) == [("a value is missing", "batch_id")]
    assert found("series_uid", ["1", "1", "2"]) == [("rows repeat a key", "primary key")]
