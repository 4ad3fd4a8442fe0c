"""The drawn flow: every node once with its number, the trunk on the left, no box on another."""

from __future__ import annotations

from itertools import combinations

from tasks.report.flow_drawing import Box, draw_flow
from tasks.report.model import read_cohort
from tasks.report.verdicts import FlowNode, lay_out_flow
from tests.unit.report.synthetic import make_report


def nodes() -> tuple[FlowNode, ...]:
    cohort = read_cohort(make_report(n_sites=2).tables)
    return lay_out_flow([row for row in cohort.flow if row.reading == "literal"])


def overlap(a: Box, b: Box) -> bool:
    apart = a.x + a.width <= b.x or b.x + b.width <= a.x
    return not (apart or a.y + a.height <= b.y or b.y + b.height <= a.y)


def test_every_node_stands_once_also_those_of_zero() -> None:
    drawing = draw_flow(nodes())
    assert drawing is not None
    shown = [row.node.node_id for box in drawing.boxes for row in box.rows]
    assert sorted(shown) == sorted(node.node_id for node in nodes())
    assert any(row.node.n == 0 for box in drawing.boxes for row in box.rows)


def test_no_box_covers_another_and_all_lie_within_the_drawing() -> None:
    drawing = draw_flow(nodes())
    assert drawing is not None
    assert not [pair for pair in combinations(drawing.boxes, 2) if overlap(*pair)]
    assert all(box.x + box.width <= drawing.width for box in drawing.boxes)
    assert all(box.y + box.height <= drawing.height for box in drawing.boxes)


def test_the_trunk_is_the_way_of_an_eligible_subject() -> None:
    drawing = draw_flow(nodes())
    assert drawing is not None
    trunk = [box.rows[0].node.node_id for box in drawing.boxes if not box.side]
    assert trunk == ["screened", "enrolled", "in_release", "eligible"]


def test_a_flow_without_an_eligible_node_has_no_drawing() -> None:
    assert draw_flow(()) is None
    assert draw_flow([node for node in nodes() if node.node_id != "eligible"]) is None
