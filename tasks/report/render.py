"""The pages of a report as bytes: pure, and the same for the same input."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import BadInputError
from schemas.protocol import read_protocol
from schemas.records import Finding
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.sites import SITE_CODE_PATTERN
from tasks.report import frame, messages, payloads
from tasks.report.completeness import SLOTS
from tasks.report.conformity import view_conformity
from tasks.report.model import Cohort, ReportInput, read_cohort
from tasks.report.objects import ShownSeries, find_series, series_of_objects
from tasks.report.outcomes import view_outcomes
from tasks.report.precision import Precision, plan_precision
from tasks.report.queries import queries_context, site_queries_context
from tasks.report.rated_exams import exam_rows, exam_sha256, next_exams, rated_exams
from tasks.report.rating_windows import rating_windows
from tasks.report.reviews import REASONS
from tasks.report.strata import ALL_SITES, count_strata
from tasks.report.subject_view import (
    SubjectView,
    contact_sheet,
    rated_volumes,
    rating_series,
    view_subjects,
)
from tasks.report.summary import SiteLine, compare_releases, count_sites, list_sites
from tasks.report.verdicts import DEFAULT_READING, count_statuses
from tasks.report.verification import error_rates, overview
from tasks.report.views import (
    SiteView,
    completeness_lines,
    exam_widths,
    index_context,
    reading_view,
    readings_of,
    shown_readings,
    view_sites,
)
from tasks.report.worklist import OWNERS, SEVERITIES, find_subject, subject_of_object

#: What scrolls reduced volumes.
_SCROLL = ("volumes.js", "scroller.js")
_SITE_CODE = re.compile(SITE_CODE_PATTERN)


@dataclass(frozen=True)
class RenderedReport:
    """Every file of a report folder but its pictures; which pictures; which exams are rated.

    `exams` says for each `subject/exam` which images its rating page shows: their common
    hash, and the slices of each series. `page_keys` says what went into each subject's pages.
    """

    files: dict[str, bytes]
    pictures: tuple[str, ...]
    exams: dict[str, dict[str, Any]]
    page_keys: dict[str, str]


#: Pages of a subject from an earlier build, asked for by subject, key and names.
TakePages = Callable[[str, str, Sequence[str]], dict[str, bytes] | None]


def no_pages(_subject: str, _key: str, _names: Sequence[str]) -> None:
    """Keep nothing from earlier builds."""


def render_report(report: ReportInput, take_pages: TakePages = no_pages) -> RenderedReport:
    """Return the whole report.

    Parameters
    ----------
    report : ReportInput
        Tables, accounts, findings and names of pictures; nothing is read from elsewhere but
        templates and messages of this package.
    take_pages : callable
        Gives the pages of a subject whose key has not changed since an earlier build.

    Returns
    -------
    RenderedReport
        No address in any page leaves the folder except relative links to the release.

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
    readings = shown_readings(cohort)
    findings_of: dict[str, list[Finding]] = defaultdict(list)
    for one in report.findings:
        findings_of[find_subject(one.object_id, owner)].append(one)
    subjects = view_subjects(report, cohort, readings, findings_of)
    files = {f"assets/{name}": frame.read_asset(name) for name in frame.ASSETS}
    files["data/ui.js"] = payloads.pack_ui()
    series = series_of_objects(cohort, report.pictures)
    files |= payloads.pack_findings("", report.findings, owner, report, series)
    files |= payloads.pack_queries(report.queries, report.findings, owner)
    counts = {subject: len(found) for subject, found in findings_of.items()}
    files |= payloads.pack_subjects(cohort, readings, counts, report.evidence)
    files |= payloads.pack_exams(exam_rows(subjects))
    sites = view_sites(report, cohort, lines)
    files |= _site_pages(shared, report, sites, owner, subjects, series)
    exams = dict(rated_exams(subjects))
    files |= _cohort_pages(shared, report, cohort, lines, sites, len(exams))
    following = next_exams(exams)
    keys = {
        view.subject.subject_id: _page_key(shared, report, view, following) for view in subjects
    }
    for view in subjects:
        subject = view.subject.subject_id
        kept = take_pages(subject, keys[subject], _page_names(view))
        files |= _subject_pages(shared, report, view, following) if kept is None else kept
    return RenderedReport(dict(sorted(files.items())), _pictures_of(subjects), exams, keys)


def _page_key(
    shared: Mapping[str, Any],
    report: ReportInput,
    view: SubjectView,
    following: Mapping[str, str],
) -> str:
    """Return the hash of everything that the pages of a subject are made from."""
    facts = (
        frame.code_sha256(),
        bool(shared["sites"].fictitious),
        report.evidence,
        report.reasons,
        view,
        [following.get(f"{view.subject.subject_id}_{exam}") for exam in view.rated_exams],
    )
    return sha256_of_bytes(repr(facts).encode())


def _page_names(view: SubjectView) -> list[str]:
    key = view.subject.subject_id
    return [f"subjects/{key}.html", *(f"rating/{key}_{exam}.html" for exam in view.rated_exams)]


def _require_site_codes(codes: Iterable[str]) -> None:
    for code in codes:
        if _SITE_CODE.fullmatch(code) is None:
            raise BadInputError(
                "a site code is not one of this project",
                where="batches, findings or the subject table",
                expected="S and two digits",
                hint="A site code names a page; check where the row came from.",
            )


def _shared_context(
    report: ReportInput, cohort: Cohort, lines: Sequence[SiteLine]
) -> dict[str, Any]:
    rules = sorted({one.rule_id for one in report.findings})
    return {
        "report": report,
        "changes": compare_releases(report),
        "absent_tables": cohort.absent_tables if report.release else (),
        "sites": count_sites(cohort, report.batches, report.active_sites),
        "n_subjects": len(cohort.subjects),
        "readings": tuple(reading_view(cohort, name) for name in shown_readings(cohort)),
        "side_by_side": tuple(
            (name, count_statuses(cohort.eligibility, name, len(cohort.subjects)))
            for name in readings_of(cohort)
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
        "site_lines": lines,
        "owner_options": [
            (name, messages.english(f"owner.{name}"), messages.chinese(f"owner.{name}"))
            for name in OWNERS
        ],
        "rule_options": [(rule, rule, rule) for rule in rules],
    }


def _cohort_pages(
    shared: Mapping[str, Any],
    report: ReportInput,
    cohort: Cohort,
    lines: Sequence[SiteLine],
    sites: Mapping[str, SiteView],
    n_exams: int,
) -> dict[str, bytes]:
    matrices = {code: view.matrix for code, view in sites.items()}
    outcomes = [(one.name, view_outcomes(one)) for one in report.evaluations]
    context = {
        "index": index_context(report, cohort, lines),
        "completeness": {
            "lines": completeness_lines(cohort, lines, matrices),
            "exams": exam_widths(),
            "slots": SLOTS,
        },
        "rating": {"n_exams": n_exams},
        "queries": queries_context(report.queries),
        "verification": {"rates": overview(report.verification)},
        "eligibility": {
            "strata": count_strata(cohort.subjects, cohort.eligibility, DEFAULT_READING),
            "reading_strata": tuple(
                (name, one)
                for name in readings_of(cohort)
                for one in count_strata(cohort.subjects, cohort.eligibility, name)
                if one.site_code == ALL_SITES
            ),
        },
        "evaluation": {
            "outcomes": outcomes,
            "precision": _precision(report, cohort),
            "accrual_target": read_protocol().study.accrual_target,
        },
        "release": {"conformity": view_conformity(report.conformity, cohort.series)},
        "drift": {"drifts": [view.drift for view in sites.values() if view.drift]},
    }
    data = {
        "worklist": ("findings",),
        "queries": ("queries",),
        "subjects": ("subjects",),
        "rating": ("exams",),
    }
    scripts = {"signoff": ("reviews.js",)}
    files = {
        f"evaluations/{name}.html": frame.page(
            f"evaluations/{name}",
            shared,
            template="outcomes",
            title={"name": name},
            root="../",
            name_shown=name,
            one=one,
        )
        for name, one in outcomes
    }
    return files | {
        f"{name}.html": frame.page(
            name,
            shared,
            data=data.get(name, ()),
            scripts=scripts.get(name, ()),
            **context.get(name, {}),
        )
        for name in frame.NAVIGATION
    }


def _precision(report: ReportInput, cohort: Cohort) -> Precision:
    subjects = report.tables.get("subject")
    references: dict[str, str] = {}
    if subjects is not None and "patient_reference" in subjects.column_names:
        columns = (subjects[c].to_pylist() for c in ("subject_id", "patient_reference"))
        references = dict(zip(*columns, strict=True))
    return plan_precision(references, cohort.eligibility, report.enrolled_by_month)


def _site_pages(
    shared: Mapping[str, Any],
    report: ReportInput,
    sites: Mapping[str, SiteView],
    owner: Mapping[str, str],
    subjects: Sequence[SubjectView],
    series: Mapping[str, ShownSeries],
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for code, view in sites.items():
        own = [one for one in report.findings if one.site_code == code]
        members = [one for one in subjects if one.subject.site_code == code]
        files[f"sites/{code}.html"] = frame.page(
            f"sites/{code}",
            {**shared, **view.context},
            template="site",
            title={"site": code},
            data=(f"{code}/matrix", f"{code}/findings"),
            root="../",
            contact=contact_sheet(members),
            rates=error_rates([one for one in report.verification if one.site_code == code]),
            **site_queries_context(code, report.queries, own),
        )
        files |= payloads.pack_findings(f"{code}/", own, owner, report, series)
        files |= payloads.pack_matrix(f"{code}/", view.matrix)
    return files


def _subject_pages(
    shared: Mapping[str, Any],
    report: ReportInput,
    view: SubjectView,
    following: Mapping[str, str],
) -> dict[str, bytes]:
    key = view.subject.subject_id
    title = {"subject": key}
    files = {
        f"subjects/{key}.html": frame.page(
            f"subjects/{key}",
            shared,
            template="subject",
            title=title,
            scripts=_SCROLL,
            root="../",
            view=view,
            evidence=report.evidence,
            reasons=report.reasons,
            series_shown=_series_of_subject(view),
        )
    }
    for exam in view.rated_exams:
        files[f"rating/{key}_{exam}.html"] = frame.page(
            f"rating/{key}_{exam}",
            shared,
            template="rate",
            title=title,
            scripts=("reviews.js", "rating.js", *_SCROLL),
            state=frame.RATER_STATE_SCRIPT,
            root="../",
            subject_id=key,
            exam=exam,
            next_exam=following.get(f"{key}_{exam}"),
            reasons=REASONS,
            exam_sha256=exam_sha256(rating_series(view.exams, exam)),
            windows=rating_windows(exam),
            series=rating_series(view.exams, exam),
            volumes=rated_volumes(view.exams, exam),
        )
    return files


def _series_of_subject(view: SubjectView) -> Callable[[str], ShownSeries | None]:
    """Return what finds the series of a finding among those on the page of its subject."""
    shown = {
        one.series.sub_stack_digest: ShownSeries(one.title, "", one.series.sub_stack_digest)
        for exam in view.exams
        for one in (*exam.phases, *exam.others)
    }
    return lambda object_id: find_series(object_id, shown)


def _pictures_of(subjects: Iterable[SubjectView]) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                name
                for view in subjects
                for exam in view.exams
                for one in (*exam.phases, *exam.others)
                if one.pictures
                for name in one.pictures.names
            }
        )
    )
