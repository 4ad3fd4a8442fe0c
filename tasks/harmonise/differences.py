"""What changes when rules change: rules, labels of strings, labels of series, slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.records import SeriesLabel
from tasks.harmonise.rules import Rule
from tasks.harmonise.text import StringLabel

Row = dict[str, object]
COLUMNS = ("kind", "what", "old", "new", "change")


def rule_differences(old: Iterable[Rule], new: Iterable[Rule]) -> list[Row]:
    """Return one row for each rule that was added, removed or changed; where it stands is none."""
    before = {rule.rule_id: _meaning(rule) for rule in old}
    after = {rule.rule_id: _meaning(rule) for rule in new}
    rows: list[Row] = []
    for rule_id in sorted({*before, *after}):
        one, other = before.get(rule_id), after.get(rule_id)
        if one != other:
            change = "added" if one is None else "removed" if other is None else "changed"
            rows.append(_row("rule", rule_id, "", "", change))
    return rows


def _meaning(rule: Rule) -> tuple[object, ...]:
    return tuple(value for name, value in sorted(vars(rule).items()) if name != "where")


def string_differences(
    rows: Sequence[Mapping[str, str]], old: Sequence[StringLabel], new: Sequence[StringLabel]
) -> list[Row]:
    """Return one row for each line of a file of descriptions whose label changed.

    The line is named by its number: a description is a site's text.
    """
    return [
        _row("string", f"line {number}", one.label, other.label, _change(one.label, other.label))
        for number, (_, one, other) in enumerate(zip(rows, old, new, strict=True), start=2)
        if one.label != other.label
    ]


def series_differences(old: Iterable[SeriesLabel], new: Iterable[SeriesLabel]) -> list[Row]:
    """Return one row for each sub-stack relabelled, and for each slot gained or lost."""
    before = {(s.series_uid, s.sub_stack_digest): s for s in old}
    rows: list[Row] = []
    for other in new:
        key = (other.series_uid, other.sub_stack_digest)
        one, name = before[key], "/".join(key)
        if one.label != other.label:
            change = _change(one.label, other.label)
            rows.append(_row("series", name, one.label, other.label, change))
        if one.required_for_protocol != other.required_for_protocol:
            change = "slot gained" if other.required_for_protocol else "slot lost"
            rows.append(_row("slot", name, one.label, other.label, change))
    return rows


def _change(old: str, new: str) -> str:
    if old == "UNCLASSIFIED":
        return "now labelled"
    return "no longer labelled" if new == "UNCLASSIFIED" else "relabelled"


def _row(kind: str, what: str, old: str, new: str, change: str) -> Row:
    return dict(zip(COLUMNS, (kind, what, old, new, change), strict=True))
