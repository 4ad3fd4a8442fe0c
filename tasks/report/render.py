"""The pages of a report as bytes: pure, and the same for the same input."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from schemas.errors import BadInputError
from schemas.sites import SITE_CODE_PATTERN
from tasks.report import charts, messages, payloads
from tasks.report.accounts import FileSum, sites_off, sum_files, sum_reasons
from tasks.report.completeness import (
    CELL_STATES,
    SLOTS,
    complete_matrix,
    tabulate_thickness,
    total_slots,
)
from tasks.report.model import REGISTERED_POPULATION, BatchAccount, Cohort, ReportInput, read_cohort
from tasks.report.summary import (
    SiteLine,
    compare_releases,
    count_sites,
    judge_run,
    list_sites,
)
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
from tasks.report.worklist import (
    SEVERITIES,
    count_severities,
    find_subject,
    group_by_rule,
    subject_of_object,
)

_HERE = Path(__file__).parent
_SITE_CODE = re.compile(SITE_CODE_PATTERN)
_ASSETS = ("site.css", "site.js", "tables.js")
_URGENT_ROWS = 6
_MISSING_ROWS = 12
_BATCH_ROWS = 30
_ALL_SITES = "all"
_URGENT = ("blocker", "major")
_SHAPES = {"ok": "●", "thick": "▲", "gaps": "◐", "unknown": "?", "absent": "–"}


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


@dataclass(frozen=True)
class BatchView:
    """One batch of a site page, or all earlier ones together (without an id)."""

    batch_id: str
    as_of: str
    files: FileSum
    off: bool


def render_site(report: ReportInput) -> dict[str, bytes]:
    """Return every file of the report folder by its relative path.

    Parameters
    ----------
    report : ReportInput
        Tables, accounts and findings; nothing is read from elsewhere but templates and
        messages of this package.

    Returns
    -------
    dict of str to bytes
        Pages, assets and data scripts; no address in them leaves the folder except relative
        links to the release.

    Raises
    ------
    BadInputError
        If a table lacks a column, or a site code is not a code of this project.
    """
    cohort = read_cohort(report.tables)
    owner = subject_of_object(cohort)
    lines = list_sites(cohort, report.batches, report.findings)
    _require_site_codes(line.site_code for line in lines)
    shared = _shared_context(report, cohort, lines)
    readings = tuple(view.name for view in shared["readings"])
    findings_of = Counter(find_subject(one.object_id, owner) for one in report.findings)
    files = {f"assets/{name}": (_HERE / "assets" / name).read_bytes() for name in _ASSETS}
    files["data/ui.js"] = payloads.pack_ui()
    files["data/findings.js"] = payloads.pack_findings(report.findings, owner)
    files["data/subjects.js"] = payloads.pack_subjects(cohort, readings, findings_of)
    environment = _environment()
    files["index.html"] = _page(
        environment, "index", shared, **_index_context(report, cohort, lines)
    )
    files["worklist.html"] = _page(environment, "worklist", shared, data=("findings",))
    files["subjects.html"] = _page(environment, "subjects", shared, data=("subjects",))
    files["eligibility.html"] = _page(environment, "eligibility", shared)
    for line in lines:
        files.update(_site_files(environment, shared, report, cohort, line, owner))
    return dict(sorted(files.items()))


def _require_site_codes(codes: Iterable[str]) -> None:
    for code in codes:
        if _SITE_CODE.fullmatch(code) is None:
            raise BadInputError(
                "a site code is not one of this project",
                where="batches, findings or the subject table",
                expected="S and two digits",
                hint="A site code names a page; check where the row came from.",
            )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        t=messages.text,
        en=messages.english,
        zh=messages.chinese,
        bi=messages.bilingual,
        share=charts.scale,
        percent=charts.percent,
        effect_bar=_effect_bar,
        version_name=_version_name,
        reason_text=_reason_text,
    )
    environment.filters["millimetres"] = _millimetres
    return environment


def _page(
    environment: Environment,
    name: str,
    shared: Mapping[str, Any],
    *,
    template: str = "",
    title: Mapping[str, object] | None = None,
    data: Sequence[str] = (),
    root: str = "",
    **own: Any,
) -> bytes:
    key = f"{template or name}.title"
    scripts = [f"data/{script}.js" for script in ("ui", *data)]
    context = {
        **shared,
        **own,
        "current": name,
        "root": root,
        "scripts": [*scripts, "assets/tables.js"] if data else scripts,
        "title_en": f"{messages.english(key, **(title or {}))} – {messages.english('site_title')}",
        "title_zh": f"{messages.chinese(key, **(title or {}))} – {messages.chinese('site_title')}",
    }
    rendered = environment.get_template(f"{template or name}.html.j2").render(context)
    return rendered.encode()


def _shared_context(
    report: ReportInput, cohort: Cohort, lines: Sequence[SiteLine]
) -> dict[str, Any]:
    sites = count_sites(cohort, report.batches, report.active_sites)
    rules = sorted({one.rule_id for one in report.findings})
    return {
        "report": report,
        "absent_tables": cohort.absent_tables if report.release else (),
        "sites": sites,
        "n_subjects": len(cohort.subjects),
        "readings": tuple(
            _reading_view(cohort, name) for name in _readings(cohort) if _is_shown_whole(name)
        ),
        "side_by_side": tuple(
            (name, count_statuses(cohort.eligibility, name, len(cohort.subjects)))
            for name in _readings(cohort)
        ),
        "unsigned": tuple(one for one in report.decisions if not one.decided_by),
        "severity_options": [
            (name, messages.english(f"severity.{name}"), messages.chinese(f"severity.{name}"))
            for name in SEVERITIES
        ],
        "site_options": [
            (line.site_code, f"{line.site_code} {line.name_en}", f"{line.site_code} {line.name_zh}")
            for line in lines
        ],
        "rule_options": [(rule, rule, rule) for rule in rules],
    }


def _readings(cohort: Cohort) -> tuple[str, ...]:
    return list_readings((*cohort.eligibility, *cohort.criteria, *cohort.flow))


def _is_shown_whole(reading: str) -> bool:
    """Return whether a reading has words of its own; the others stand side by side in a table."""
    return f"reading.{reading}" in messages.read_messages()


def _reading_view(cohort: Cohort, name: str) -> ReadingView:
    counts = count_statuses(cohort.eligibility, name, len(cohort.subjects))
    return ReadingView(
        name=name,
        title=_known_text(f"reading.{name}", messages.text("reading.other", reading=name)),
        short=_known_text(f"reading_short.{name}", name),
        counts=counts,
        bar=charts.stack_bar(tuple(counts.items())),
        criteria=count_criteria(cohort.criteria, name, len(cohort.subjects)),
        missing=rank_missing(cohort.criteria, name)[:_MISSING_ROWS],
        flow=_flow(cohort, name, _ALL_SITES),
    )


def _flow(cohort: Cohort, reading: str, site_code: str) -> tuple[FlowNode, ...]:
    return lay_out_flow(
        [row for row in cohort.flow if (row.reading, row.site_code) == (reading, site_code)]
    )


def _index_context(
    report: ReportInput, cohort: Cohort, lines: Sequence[SiteLine]
) -> dict[str, Any]:
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
        "changes": compare_releases(report),
        "site_lines": lines,
        "most_subjects": max((line.subjects for line in lines), default=0),
    }


def _site_files(
    environment: Environment,
    shared: Mapping[str, Any],
    report: ReportInput,
    cohort: Cohort,
    line: SiteLine,
    owner: Mapping[str, str],
) -> dict[str, bytes]:
    code = line.site_code
    subjects = [one for one in cohort.subjects if one.site_code == code]
    members = {subject.subject_id for subject in subjects}
    series = [one for one in cohort.series if one.subject_id in members]
    matrix = complete_matrix(subjects, cohort.studies, series)
    findings = [one for one in report.findings if one.site_code == code]
    own = [batch for batch in report.batches if batch.site_code == code]
    context = {
        "line": line,
        "slot_totals": total_slots(matrix),
        "exams": _exam_widths(),
        "shapes": [(state, _SHAPES[state]) for state in CELL_STATES],
        "n_findings": len(findings),
        "rule_options": [(rule, rule, rule) for rule in sorted({one.rule_id for one in findings})],
        "batches": _batch_views(own),
        "n_earlier": max(0, len(own) - _BATCH_ROWS),
        "reasons": sum_reasons(own),
        "flow": _flow(cohort, DEFAULT_READING, code),
        "thickness": [
            (row, charts.draw_histogram(row.values_mm, row.limit_mm))
            for row in tabulate_thickness(series)
        ],
    }
    page = _page(
        environment,
        f"sites/{code}",
        {**shared, **context},
        template="site",
        title={"site": code},
        data=(f"site_{code}",),
        root="../",
    )
    rows = payloads.pack_findings(findings, owner) + payloads.pack_matrix(matrix)
    return {f"sites/{code}.html": page, f"data/site_{code}.js": rows}


def _exam_widths() -> list[tuple[str, int]]:
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


def _effect_bar(one: CriterionCount) -> tuple[charts.Segment, ...]:
    return charts.stack_bar(
        (("pass", one.passes), ("undetermined", one.undetermined), ("fail", one.fails))
    )


def _known_text(key: str, otherwise: str) -> Markup:
    """Words of data, not of ours, may be new: then they stand for themselves."""
    return messages.text(key) if key in messages.read_messages() else escape(otherwise)


def _version_name(name: str) -> Markup:
    return _known_text(f"version.{name}", name)


def _reason_text(code: str) -> Markup:
    return _known_text(f"reason.{code}", "")


def _millimetres(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
