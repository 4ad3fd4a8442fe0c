"""Evaluations of a release as the page shows them: outcomes, cross-table, forest, curves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.report import messages
from tasks.report.model import EvaluationInput
from tasks.report.outcome_charts import CurveBox, Forest, Point, draw_curves, draw_forest
from tasks.report.phrases import both
from tasks.report.tables import FlowRow
from tasks.report.verdicts import DEFAULT_READING, FlowNode, lay_out_flow

Row = Mapping[str, Any]
_MAIN = {"reading": DEFAULT_READING, "analysis": "main"}
_FOREST = ("sensitivity", "specificity")
_GROUPS = ("site", "maker", "field", "lesion_class", "lesion_size", "ascertainment", "role")
_RESULTS = ("positive", "negative", "indeterminate", "no_result", "failed", "rejected_input")
_REFERENCES = ("malignant", "benign", "indeterminate", "pending")
_ARMS = ("unaided", "ai_aided")
_METHODS = ("wilson", "clopper_pearson", "ratio_wilson", "cluster_bootstrap")


@dataclass(frozen=True)
class ShownEstimate:
    """One line of the table of outcomes."""

    outcome_no: int | None
    key: str
    unit: str
    arm: str
    reader: str
    method: str
    count: str
    text: str
    state: str
    note: str | None


@dataclass(frozen=True)
class ForestPlot:
    """A forest plot of one measure and unit."""

    measure: str
    unit: str
    drawing: Forest


@dataclass(frozen=True)
class Outcomes:
    """Everything the page shows of one evaluation."""

    head: Row
    estimates: tuple[ShownEstimate, ...]
    bounds: tuple[ShownEstimate, ...]
    others: tuple[ShownEstimate, ...]
    cross: tuple[tuple[str, tuple[int, ...]], ...]
    references: tuple[str, ...]
    forests: tuple[ForestPlot, ...]
    roc: CurveBox | None
    froc: CurveBox | None
    readers: Forest | None
    times: Forest | None
    flow: tuple[FlowNode, ...]


def view_outcomes(evaluation: EvaluationInput) -> Outcomes:
    """Return what the page shows of an evaluation; the main reading, everybody first."""
    rows = evaluation.tables["estimate"]
    main = [r for r in rows if r["subset_by"] == "all" and _has(r, _MAIN)]
    flow = _flow(evaluation.tables.get("evaluation_flow", ()))
    cross = evaluation.tables.get("cross_table", ())
    references = tuple(n for n in _REFERENCES if any(r["reference"] == n for r in cross))
    return Outcomes(
        head=evaluation.tables["evaluation"][0],
        estimates=_shown(r for r in main if r["outcome_no"] and _is_level(r)),
        bounds=_shown(
            r
            for r in rows
            if r["reading"] == DEFAULT_READING
            and (r["analysis"] != "main" or r["measure"] == "verified_fraction")
            and r["method"] != "clopper_pearson"
        ),
        others=_shown(r for r in main if not (r["outcome_no"] and _is_level(r)) and _not_beside(r)),
        cross=_cross(cross, references),
        references=references,
        forests=tuple(_forests(rows)),
        roc=_curves(evaluation.tables.get("curve_point", ()), "roc", 1.0),
        froc=_curves(evaluation.tables.get("curve_point", ()), "froc", None),
        readers=_reader_plot(rows, "auc"),
        times=_reader_plot(rows, "reading_minutes"),
        flow=flow,
    )


def _has(row: Row, wanted: Mapping[str, str]) -> bool:
    return all(row[name] == value for name, value in wanted.items())


def _is_level(row: Row) -> bool:
    """Return whether a row is a number of an arm, not a difference of two."""
    return row["arm"] in ("ai", *_ARMS) and row["reader_id"] in ("none", "all")


def _not_beside(row: Row) -> bool:
    return row["method"] not in ("clopper_pearson",) and row["measure"] != "verified_fraction"


def _shown(rows: Iterable[Row]) -> tuple[ShownEstimate, ...]:
    found = [
        ShownEstimate(
            outcome_no=row["outcome_no"],
            key=row["measure"]
            if row["analysis"] == "main"
            else f"{row['measure']} · {row['analysis']}",
            unit=row["unit"],
            arm=row["arm"],
            reader=row["reader_id"],
            method=row["method"],
            count=_count(row),
            text=_text(row),
            state=row["state"],
            note=_with_subset(row),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=_order))


def _order(row: ShownEstimate) -> tuple[object, ...]:
    """Return where a line stands: by outcome, subjects first, the interval that counts first."""
    method = _METHODS.index(row.method) if row.method in _METHODS else len(_METHODS)
    return row.outcome_no or 99, row.key, row.unit != "patient", row.arm, row.reader, method


def _with_subset(row: Row) -> str | None:
    if row["subset_by"] == "all":
        return None if row["note"] is None else str(row["note"])
    return f"{row['subset_by']}: {row['subset']}"


def _count(row: Row) -> str:
    if row["denominator"] is None:
        return "" if row["n_clusters"] is None else f"n={row['n_clusters']:,}"
    return f"{row['numerator']:,g}/{row['denominator']:,g}"


def _text(row: Row) -> str:
    if row["estimate"] is None:
        return "–"
    if row["ci_low"] is None:
        return f"{row['estimate']:.3f}"
    return f"{row['estimate']:.3f} ({row['ci_low']:.3f}–{row['ci_high']:.3f})"


def _cross(
    rows: Sequence[Row], references: Sequence[str]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the cross-table of the AI system; readers have theirs in the files."""
    n = {
        (r["result"], r["reference"]): r["n"]
        for r in rows
        if r["reading"] == DEFAULT_READING and r["arm"] == "ai"
    }
    if not n:
        return ()
    return tuple(
        (result, tuple(n.get((result, name), 0) for name in references)) for result in _RESULTS
    )


def _forests(rows: Sequence[Row]) -> Iterable[ForestPlot]:
    for unit, method in (("patient", "wilson"), ("lesion", "ratio_wilson")):
        for measure in (*_FOREST, *(("detection_rate",) if unit == "lesion" else ())):
            wanted = {**_MAIN, "unit": unit, "measure": measure, "method": method, "arm": "ai"}
            ours = [row for row in rows if _has(row, wanted)]
            whole = [row for row in ours if row["subset_by"] == "all"]
            parts = [r for by in _GROUPS for r in ours if r["subset_by"] == by]
            if any(row["estimate"] is not None for row in parts):
                lines = [_forest_line(row) for row in (*whole, *parts)]
                middle = whole[0]["estimate"] if whole else None
                yield ForestPlot(measure, unit, draw_forest(lines, middle))


def _forest_line(
    row: Row,
) -> tuple[str, str, str, float | None, float | None, float | None]:
    by = row["subset_by"]
    en, zh = (say(f"outcome.by.{by}") for say in (messages.english, messages.chinese))
    if by != "all":
        of_en, of_zh = both(row["subset"])
        en, zh = f"{en}: {of_en}", f"{zh}：{of_zh}"
    text = f"{_count(row)}  {_text(row)}"
    return en, zh, text, row["estimate"], row["ci_low"], row["ci_high"]


def _curves(rows: Sequence[Row], kind: str, right: float | None) -> CurveBox | None:
    named: dict[str, list[Point]] = {}
    for row in sorted(rows, key=lambda r: (r["arm"], r["reader_id"], r["point_no"])):
        if row["kind"] == kind and row["y"] is not None:
            name = row["arm"] if row["reader_id"] == "none" else f"{row['arm']} {row['reader_id']}"
            point = (row["x"], row["y"], row["ci_low"], row["ci_high"])
            named.setdefault(name, []).append(point)
    return draw_curves(list(named.items()), right) if named else None


def _reader_plot(rows: Sequence[Row], measure: str) -> Forest | None:
    """Return a measure of each reader in each arm, and over all readers, as a forest plot."""
    ours = [
        row
        for row in rows
        if _has(row, {**_MAIN, "measure": measure})
        and row["arm"] in _ARMS
        and row["reader_id"] != "none"
        and row["estimate"] is not None
    ]
    if not ours:
        return None
    ordered = sorted(
        ours, key=lambda r: (r["reader_id"] == "all", r["reader_id"], r["arm"] != _ARMS[0])
    )
    lines = []
    for row in ordered:
        en, zh = (
            f"{row['reader_id'] if row['reader_id'] != 'all' else say('outcome.all_readers')}"
            f" · {say('outcome.arm.' + row['arm'])}"
            for say in (messages.english, messages.chinese)
        )
        text = f"{_count(row)}  {_text(row)}"
        lines.append((en, zh, text, row["estimate"], row["ci_low"], row["ci_high"]))
    longest = max(row["ci_high"] or row["estimate"] for row in ours)
    return draw_forest(lines, None, 1.0 if measure == "auc" else float(longest))


def _flow(rows: Sequence[Row]) -> tuple[FlowNode, ...]:
    ours = [
        FlowRow(
            reading=row["reading"],
            site_code=row["site_code"],
            node_id=row["node_id"],
            parent_id=row["parent_id"],
            node_order=row["node_order"],
            label_en=row["label_en"],
            label_zh=row["label_zh"],
            n=row["n"],
        )
        for row in rows
        if row["reading"] == DEFAULT_READING and row["site_code"] == "all"
    ]
    return lay_out_flow(ours)
