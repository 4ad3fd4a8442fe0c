"""What the pages of the cohort and of a site show, put together from the counts: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from tasks.report import charts, messages
from tasks.report.accounts import FileSum, sites_off, sum_files, sum_reasons
from tasks.report.completeness import (
    CELL_STATES,
    SLOTS,
    MatrixRow,
    SlotTotal,
    complete_matrix,
    tabulate_thickness,
    total_slots,
)
from tasks.report.drift import SiteDrift, measure_drift
from tasks.report.flow_drawing import FlowDrawing, draw_flow
from tasks.report.frame import known_text
from tasks.report.model import REGISTERED_POPULATION, BatchAccount, Cohort, ReportInput
from tasks.report.queries import count_queries
from tasks.report.summary import SiteLine, judge_run
from tasks.report.verdicts import (
    DEFAULT_READING,
    CriterionCount,
    FlowNode,
    count_criteria,
    count_statuses,
    lay_out_flow,
    list_readings,
    rank_missing,
)
from tasks.report.worklist import count_severities, group_by_rule

SHAPES = {"ok": "●", "thick": "▲", "gaps": "◐", "unknown": "?", "absent": "–"}
ALL_SITES = "all"
_URGENT = ("blocker", "major")
_URGENT_ROWS = 6
_MISSING_ROWS = 12
_BATCH_ROWS = 30
#: From these shares of subjects on, a cell of the completeness page counts as full or half.
_FULL, _HALF = 0.9, 0.5


@dataclass(frozen=True)
class ReadingView:
    """One reading of the protocol with everything the pages show of it."""

    name: str
    title: Markup
    short: Markup
    counts: dict[str, int]
    bar: tuple[charts.Segment, ...]
    criteria: tuple[CriterionCount, ...]
    missing: tuple[tuple[str, int], ...]
    flow: tuple[FlowNode, ...]
    drawing: FlowDrawing | None


@dataclass(frozen=True)
class BatchView:
    """One batch of a site page, or all earlier ones together (without an id)."""

    batch_id: str
    as_of: str
    files: FileSum
    off: bool


@dataclass(frozen=True)
class SiteView:
    """What the page of a site shows, its matrix row by row, and its drift."""

    context: dict[str, Any]
    matrix: tuple[MatrixRow, ...]
    drift: SiteDrift | None


@dataclass(frozen=True)
class SiteSlots:
    """One line of the completeness page; `cells` is empty for a site without subjects."""

    site_code: str
    name_en: str
    name_zh: str
    delivered: bool
    subjects: int
    cells: tuple[tuple[SlotTotal, str], ...]


def readings_of(cohort: Cohort) -> tuple[str, ...]:
    """Return the readings of the tables, the one in force first."""
    return list_readings((*cohort.eligibility, *cohort.criteria, *cohort.flow))


def shown_readings(cohort: Cohort) -> tuple[str, ...]:
    """Return the readings that have words of their own; the others stand in one table."""
    words = messages.read_messages()
    return tuple(name for name in readings_of(cohort) if f"reading.{name}" in words)


def reading_view(cohort: Cohort, name: str) -> ReadingView:
    """Return everything about one reading of the protocol."""
    counts = count_statuses(cohort.eligibility, name, len(cohort.subjects))
    flow = flow_of(cohort, name, ALL_SITES)
    return ReadingView(
        name=name,
        title=known_text(f"reading.{name}", messages.text("reading.other", reading=name)),
        short=known_text(f"reading_short.{name}", name),
        counts=counts,
        bar=charts.stack_bar(tuple(counts.items())),
        criteria=count_criteria(cohort.criteria, name, len(cohort.subjects)),
        missing=rank_missing(cohort.criteria, name)[:_MISSING_ROWS],
        flow=flow,
        drawing=draw_flow(flow),
    )


def flow_of(cohort: Cohort, reading: str, site_code: str) -> tuple[FlowNode, ...]:
    """Return the nodes of one flow, depth first."""
    return lay_out_flow(
        [row for row in cohort.flow if (row.reading, row.site_code) == (reading, site_code)]
    )


def index_context(report: ReportInput, cohort: Cohort, lines: Sequence[SiteLine]) -> dict[str, Any]:
    """Return what the first page shows."""
    statuses = count_statuses(cohort.eligibility, DEFAULT_READING, len(cohort.subjects))
    groups = group_by_rule(report.findings)
    urgent = [group for group in groups if group.severity in _URGENT]
    return {
        "verdict": judge_run(report),
        "target": REGISTERED_POPULATION,
        "statuses": statuses,
        "status_bar": charts.stack_bar(tuple(statuses.items())),
        "total": sum_files(report.batches),
        "total_off": bool(sites_off(report.batches)),
        "severities": count_severities(report.findings),
        "siteless": count_severities(one for one in report.findings if not one.site_code),
        "urgent": urgent[:_URGENT_ROWS],
        "n_urgent_more": max(0, len(urgent) - _URGENT_ROWS),
        "n_calm": len(groups) - len(urgent),
        "all_queries": count_queries(ALL_SITES, report.queries),
        "site_lines": lines,
        "most_subjects": max((line.subjects for line in lines), default=0),
    }


def view_sites(
    report: ReportInput, cohort: Cohort, lines: Sequence[SiteLine]
) -> dict[str, SiteView]:
    """Return what the page of each site shows."""
    drifts = {one.site_code: one for one in measure_drift(cohort, report.batches)}
    return {
        line.site_code: _view_site(report, cohort, line, drifts.get(line.site_code))
        for line in lines
    }


def _view_site(
    report: ReportInput, cohort: Cohort, line: SiteLine, drift: SiteDrift | None
) -> SiteView:
    code = line.site_code
    subjects = [one for one in cohort.subjects if one.site_code == code]
    members = {subject.subject_id for subject in subjects}
    series = [one for one in cohort.series if one.subject_id in members]
    matrix = complete_matrix(subjects, cohort.studies, series)
    findings = [one for one in report.findings if one.site_code == code]
    own = [batch for batch in report.batches if batch.site_code == code]
    flow = flow_of(cohort, DEFAULT_READING, code)
    context = {
        "line": line,
        "slot_totals": total_slots(matrix),
        "exams": exam_widths(),
        "shapes": [(state, SHAPES[state]) for state in CELL_STATES],
        "n_findings": len(findings),
        "rules": group_by_rule(findings),
        "rule_options": [(rule, rule, rule) for rule in sorted({one.rule_id for one in findings})],
        "batches": _batch_views(own),
        "n_earlier": max(0, len(own) - _BATCH_ROWS),
        "reasons": sum_reasons(own),
        "flow": flow,
        "drawing": draw_flow(flow),
        "drift": drift,
        "thickness": [
            (row, charts.draw_histogram(row.values_mm, row.limit_mm))
            for row in tabulate_thickness(series)
        ],
    }
    return SiteView(context, matrix, drift)


def completeness_lines(
    cohort: Cohort, lines: Sequence[SiteLine], matrices: Mapping[str, Sequence[MatrixRow]]
) -> tuple[SiteSlots, ...]:
    """Return one line per site that delivered, then one per registered site that has not."""
    named = {site.site_code: (site.name_en, site.name_zh) for site in cohort.sites}
    registered = [s.site_code for s in cohort.sites if s.registration_status == "registered"]
    delivered = {line.site_code: line for line in lines}
    found = []
    for code in sorted({*registered, *delivered}, key=lambda one: (one not in delivered, one)):
        matrix = matrices.get(code, ())
        totals = total_slots(matrix) if matrix else ()
        name_en, name_zh = named.get(code, (code, code))
        found.append(
            SiteSlots(
                site_code=code,
                name_en=name_en,
                name_zh=name_zh,
                delivered=code in delivered,
                subjects=len(matrix),
                cells=tuple((total, _level(total)) for total in totals),
            )
        )
    return tuple(found)


def _level(total: SlotTotal) -> str:
    share = total.received / total.expected if total.expected else 0.0
    if share >= _FULL:
        return "full"
    return "half" if share >= _HALF else "low"


def exam_widths() -> list[tuple[str, int]]:
    """Return the exams of the matrix and how many columns each has."""
    return [(exam, len(list(slots))) for exam, slots in groupby(SLOTS, key=lambda one: one.exam)]


def _batch_views(batches: Sequence[BatchAccount]) -> list[BatchView]:
    """Newest export first; what is older than the page holds stands in one row."""
    newest = sorted(
        batches,
        key=lambda one: (str(one.edc_export_as_of or ""), one.batch_id),
        reverse=True,
    )
    views = [
        BatchView(
            batch_id=one.batch_id,
            as_of=str(one.edc_export_as_of or "–"),
            files=sum_files([one]),
            off=bool(sites_off([one])),
        )
        for one in newest[:_BATCH_ROWS]
    ]
    earlier = newest[_BATCH_ROWS:]
    if earlier:
        views.append(BatchView("", "–", sum_files(earlier), bool(sites_off(earlier))))
    return views
