"""The STARD flow as boxes and lines: numbers and labels in, coordinates out.

The trunk runs down the left: the way of a subject who is eligible. Whoever leaves it stands
in a box on the right, every reason with its number, also those with 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.verdicts import FlowNode

_GOAL = "eligible"
_TRUNK_X, _TRUNK_WIDTH = 10.0, 400.0
_SIDE_X, _SIDE_WIDTH = 440.0, 560.0
_LINE, _PAD, _GAP = 20.0, 12.0, 26.0
_LEAVES_PER_ROW = 4


@dataclass(frozen=True)
class Row:
    """One node in a box: its words line by line, where its number stands, whether it is the head.

    A line is its English, its Chinese, and its height.
    """

    node: FlowNode
    lines: tuple[tuple[str, str, float], ...]
    number_y: float
    head: bool


@dataclass(frozen=True)
class Box:
    """A box of the drawing."""

    x: float
    y: float
    width: float
    height: float
    side: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class FlowDrawing:
    """Boxes and the lines between them, in pixels; `width` and `height` of the whole."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]


def draw_flow(nodes: Sequence[FlowNode]) -> FlowDrawing | None:
    """Return the drawing of one flow, or None when it has no node that is eligible.

    Parameters
    ----------
    nodes : sequence of FlowNode
        Depth first, as `lay_out_flow` gives them.
    """
    trunk = _path_to_goal(nodes)
    if not trunk:
        return None
    boxes: list[Box] = []
    lines: list[str] = []
    y, middle = 10.0, _TRUNK_X + _TRUNK_WIDTH / 2
    for place, number in enumerate(trunk):
        box = _box(_TRUNK_X, y, _TRUNK_WIDTH, nodes, [number], side=False)
        boxes.append(box)
        y = box.y + box.height + _GAP
        if number == trunk[-1]:
            break
        for leaving in _children(nodes, number):
            if leaving == trunk[place + 1]:
                continue
            side = _box(_SIDE_X, y, _SIDE_WIDTH, nodes, _subtree(nodes, leaving), side=True)
            boxes.append(side)
            level = side.y + _PAD + _LINE / 2
            lines.append(f"M{middle} {level}H{_SIDE_X}")
            y = side.y + side.height + _GAP / 2
        lines.append(f"M{middle} {box.y + box.height}V{y + _GAP / 2}")
        y += _GAP / 2
    ends = _ends(nodes, _children(nodes, trunk[-1]), y)
    lines += [f"M{middle} {y - _GAP}V{y - _GAP / 2}H{b.x + b.width / 2}V{b.y}" for b in ends]
    boxes += ends
    height = max(box.y + box.height for box in boxes) + 10
    return FlowDrawing(_SIDE_X + _SIDE_WIDTH + 10, height, tuple(boxes), tuple(lines))


def _path_to_goal(nodes: Sequence[FlowNode]) -> list[int]:
    goal = next((place for place, node in enumerate(nodes) if node.node_id == _GOAL), None)
    if goal is None:
        return []
    path = [goal]
    for place in range(goal - 1, -1, -1):
        if nodes[place].depth < nodes[path[0]].depth:
            path.insert(0, place)
    return path


def _children(nodes: Sequence[FlowNode], parent: int) -> list[int]:
    found = []
    for place in range(parent + 1, len(nodes)):
        if nodes[place].depth <= nodes[parent].depth:
            break
        if nodes[place].depth == nodes[parent].depth + 1:
            found.append(place)
    return found


def _subtree(nodes: Sequence[FlowNode], top: int) -> list[int]:
    found = [top]
    for place in range(top + 1, len(nodes)):
        if nodes[place].depth <= nodes[top].depth:
            break
        found.append(place)
    return found


def _box(
    x: float,
    y: float,
    width: float,
    nodes: Sequence[FlowNode],
    members: Sequence[int],
    *,
    side: bool,
) -> Box:
    rows = tuple(
        _row(nodes[number], y + _PAD + _LINE * (place + 0.7), head=place == 0)
        for place, number in enumerate(members)
    )
    return Box(x, y, width, 2 * _PAD + _LINE * len(rows), side, rows)


def _row(node: FlowNode, y: float, *, head: bool) -> Row:
    return Row(node, ((node.label_en, node.label_zh, y),), y, head)


def _narrow_row(node: FlowNode, y: float) -> Row:
    """Return a row in two lines, parted at the colon, with the number at the end of the second."""
    english, chinese = (
        label.replace("：", ": ").partition(": ") for label in (node.label_en, node.label_zh)
    )
    words = ((english[0], chinese[0], y), (english[2], chinese[2], y + _LINE))
    return Row(node, words, y + _LINE, head=True)


def _ends(nodes: Sequence[FlowNode], members: Sequence[int], y: float) -> list[Box]:
    """Return the last boxes side by side; they are narrow, so each has two lines."""
    width = (_SIDE_X + _SIDE_WIDTH - _TRUNK_X - 10 * (_LEAVES_PER_ROW - 1)) / _LEAVES_PER_ROW
    height = 2 * _PAD + 2 * _LINE
    boxes = []
    for place, number in enumerate(members):
        row, column = divmod(place, _LEAVES_PER_ROW)
        left, top = _TRUNK_X + column * (width + 10), y + row * (height + 10)
        words = _narrow_row(nodes[number], top + _PAD + _LINE * 0.7)
        boxes.append(Box(left, top, width, height, False, (words,)))
    return boxes
