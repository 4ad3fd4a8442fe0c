"""Counts of criteria, of eligibility and of the flow."""

from __future__ import annotations

from tasks.report.tables import CriterionRow, EligibilityRow, FlowRow
from tasks.report.verdicts import (
    CRITERIA,
    count_criteria,
    count_statuses,
    lay_out_flow,
    list_readings,
    missing_of_subject,
    rank_missing,
)


def criterion(
    subject: str, effect: str, *missing: str, name: str = "I1", reading: str = "literal"
) -> CriterionRow:
    return CriterionRow(subject, name, reading, "met", effect, None, None, None, missing)


def node(name: str, parent: str | None, n: int, order: int = 1) -> FlowRow:
    return FlowRow("literal", "all", name, parent, order, name, name, n)


def test_all_nine_criteria_are_counted_in_registered_order() -> None:
    assert [one.criterion_id for one in count_criteria([], "literal", 0)] == list(CRITERIA)


def test_a_subject_without_a_row_is_undetermined_at_that_criterion() -> None:
    first = count_criteria([criterion("a", "pass"), criterion("b", "fail")], "literal", 5)[0]
    assert (first.passes, first.fails, first.undetermined) == (1, 1, 3)


def test_a_row_of_another_reading_does_not_count() -> None:
    rows = [criterion("a", "pass", reading="combined_exam")]
    assert count_criteria(rows, "literal", 1)[0].passes == 0


def test_a_subject_without_a_verdict_is_undetermined() -> None:
    rows = [EligibilityRow("a", "literal", "eligible", None, ())]
    assert count_statuses(rows, "literal", 3) == {"eligible": 1, "undetermined": 2, "ineligible": 0}


def test_a_status_nobody_knows_is_undetermined() -> None:
    rows = [EligibilityRow("a", "literal", "perhaps", None, ())]
    assert count_statuses(rows, "literal", 1)["undetermined"] == 1


def test_the_reading_in_force_comes_first() -> None:
    rows = [criterion("a", "pass", reading="combined_exam"), criterion("a", "pass")]
    assert list_readings(rows) == ("literal", "combined_exam")


def test_missing_evidence_counts_subjects_once_and_only_where_undetermined() -> None:
    rows = [
        criterion("a", "undetermined", "edc.x"),
        criterion("a", "undetermined", "edc.x", name="I2"),
        criterion("b", "undetermined", "edc.x", "edc.y"),
        criterion("c", "fail", "edc.z"),
    ]
    assert rank_missing(rows, "literal") == (("edc.x", 2), ("edc.y", 1))
    assert missing_of_subject(rows, "literal") == {"a": ("edc.x",), "b": ("edc.x", "edc.y")}


def test_a_flow_is_laid_out_depth_first_by_node_order() -> None:
    rows = [
        node("b", "top", 1, 3),
        node("a", "top", 2, 2),
        node("a1", "a", 2, 4),
        node("top", None, 3),
    ]
    assert [(one.node_id, one.depth) for one in lay_out_flow(rows)] == [
        *(("top", 0), ("a", 1), ("a1", 2), ("b", 1))
    ]


def test_a_node_whose_parts_do_not_sum_to_it_is_marked() -> None:
    flow = lay_out_flow([node("top", None, 3), node("a", "top", 1), node("b", "top", 1)])
    assert [(one.node_id, one.adds_up) for one in flow] == [
        *(("top", False), ("a", True), ("b", True))
    ]


def test_a_node_of_zero_stays_in_the_flow() -> None:
    assert [one.n for one in lay_out_flow([node("top", None, 0), node("a", "top", 0)])] == [0, 0]


def test_no_node_is_lost_when_parents_are_unknown_or_run_in_a_circle() -> None:
    rows = [node("a", "b", 1), node("b", "a", 1), node("c", "nowhere", 1)]
    assert {one.node_id for one in lay_out_flow(rows)} == {"a", "b", "c"}
