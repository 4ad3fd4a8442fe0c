"""The rows of the long tables as classic scripts, every text once."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from schemas.records import Finding, QueryRow
from tasks.report.completeness import SLOTS, MatrixRow
from tasks.report.messages import read_messages
from tasks.report.model import Cohort, ReportInput
from tasks.report.objects import ShownSeries, find_series
from tasks.report.phrases import both
from tasks.report.queries import ENDED, finding_of_query, queries_by_finding
from tasks.report.unrated import RATED_EXAMS, RATING_EVIDENCE, exams_left, words_left
from tasks.report.verdicts import DEFAULT_READING, missing_of_subject
from tasks.report.worklist import find_subject, order_findings, owner_of

_UI_PREFIXES = (
    "table.",
    "severity.",
    "status.",
    "ascertainment.",
    "state_of.",
    "rate.",
    "adjudicate.ui_",
    "sign.",
    "owner.",
    "criterion.",
    "object.",
    "volume.",
    "sex.",
    "query.",
)
#: Rows of one script: a page loads the parts it shows, not the whole table.
PART_ROWS = 400
_FINDING_COLUMNS = (
    "severity",
    "site",
    "rule_id",
    "subject",
    "object_type",
    "object_id",
    "series",
    "picture",
    "place",
    "column_name",
    "observed_en",
    "observed_zh",
    "expected_en",
    "expected_zh",
    "message_en",
    "message_zh",
    "fix_en",
    "fix_zh",
    "owner",
    "since",
    "query",
    "finding_id",
)


def pack_ui() -> bytes:
    """Return the words that scripts show, in both languages."""
    wanted = {
        key: message for key, message in read_messages().items() if key.startswith(_UI_PREFIXES)
    }
    words = {
        "en": {key: message.en for key, message in wanted.items()},
        "zh": {key: message.zh for key, message in wanted.items()},
    }
    return f"livercohort.ui = {_json(words)};\n".encode()


def pack_findings(
    folder: str,
    findings: Iterable[Finding],
    owner: Mapping[str, str],
    report: ReportInput,
    series: Mapping[str, ShownSeries],
) -> dict[str, bytes]:
    """Return findings in worklist order, in parts.

    Each with its subject, its series and picture where it is about one, who acts, since when it
    stands, and the state of its query.
    """
    query_of = queries_by_finding(report.queries)
    rows = [
        (
            one.severity.value,
            one.site_code,
            one.rule_id,
            find_subject(one.object_id, owner),
            one.object_type,
            one.object_id,
            *_shown(find_series(one.object_id, series)),
            one.column_name,
            *both(one.observed, one.object_type, one.column_name),
            *both(one.expected, one.object_type, one.column_name),
            one.message_en,
            one.message_zh,
            one.fix_en,
            one.fix_zh,
            owner_of(one.fix_en),
            report.since.get(one.finding_id, ""),
            query_of[one.finding_id].status if one.finding_id in query_of else "",
            one.finding_id,
        )
        for one in order_findings(findings)
    ]
    return _pack(
        "findings", folder, _FINDING_COLUMNS, rows, ("severity", "site", "rule_id", "owner")
    )


def _shown(series: ShownSeries | None) -> tuple[str, str, str]:
    return (series.title, series.mosaic, series.digest) if series else ("", "", "")


def pack_queries(
    queries: Sequence[QueryRow], findings: Iterable[Finding], owner: Mapping[str, str]
) -> dict[str, bytes]:
    """Return queries, those that wait longest first, with what each is about while it stands."""
    standing = {one.finding_id: one for one in findings}
    rows = []
    for one in sorted(queries, key=lambda q: (q.status in ENDED, -(q.age_days or 0), q.query_id)):
        finding = standing.get(finding_of_query(one.query_id))
        rows.append(
            (
                one.status,
                one.site_code,
                one.query_id,
                one.rule_id,
                find_subject(finding.object_id, owner) if finding else "",
                finding.message_en if finding else "",
                finding.message_zh if finding else "",
                "" if one.age_days is None else str(one.age_days),
                "" if one.days_to_close is None else str(one.days_to_close),
            )
        )
    columns = (
        *("query", "site", "query_id", "rule_id", "subject"),
        *("message_en", "message_zh", "age_days", "days_to_close"),
    )
    return _pack("queries", "", columns, rows, ("query", "site"))


def pack_matrix(folder: str, rows: Iterable[MatrixRow]) -> dict[str, bytes]:
    """Return the completeness matrix of one site, in parts."""
    columns = ("subject", *(f"slot_{position}" for position in range(len(SLOTS))))
    return _pack("matrix", folder, columns, [(row.subject_id, *row.cells) for row in rows], ())


def pack_exams(rows: Iterable[tuple[str, str, int, int]]) -> dict[str, bytes]:
    """Return the exams to rate: subject, exam, series, and readers of the full series so far.

    Those that nobody has rated come first.
    """
    ordered = sorted(rows, key=lambda row: (row[3], row[0], row[1]))
    packed = [(key, exam, f"{key}_{exam}", str(n), str(m)) for key, exam, n, m in ordered]
    return _pack("exams", "", ("subject", "exam", "page", "series", "readers"), packed, ("exam",))


def pack_subjects(
    cohort: Cohort,
    readings: Sequence[str],
    findings_of: Mapping[str, int],
    evidence: Mapping[str, tuple[str, str]],
) -> dict[str, bytes]:
    """Return one row per subject with its verdict under every reading, in parts."""
    verdicts = {(row.subject_id, row.reading): row for row in cohort.eligibility}
    missing = missing_of_subject(cohort.criteria, DEFAULT_READING)
    left = exams_left(cohort.ratings)
    rows = []
    for subject in sorted(cohort.subjects, key=lambda one: one.subject_id):
        key = subject.subject_id
        decided = [verdicts.get((key, reading)) for reading in readings]
        in_force = verdicts.get((key, DEFAULT_READING))
        rows.append(
            (
                key,
                subject.site_code,
                subject.sex or "",
                "" if subject.age_years is None else str(math.floor(subject.age_years)),
                subject.ascertainment or "",
                (in_force.first_failing_criterion or "") if in_force else "",
                *_named(missing.get(key, ()), evidence, left.get(key, RATED_EXAMS)),
                str(findings_of.get(key, 0)),
                *(row.status if row else "undetermined" for row in decided),
            )
        )
    columns = (
        *("subject", "site", "sex", "age", "ascertainment", "first_failing"),
        *("missing", "missing_en", "missing_zh", "findings"),
        *(f"status_{reading}" for reading in readings),
    )
    return _pack("subjects", "", columns, rows, ("site",))


def _named(
    names: Sequence[str], evidence: Mapping[str, tuple[str, str]], unrated: Sequence[str]
) -> tuple[str, str, str]:
    texts = [evidence.get(name, (name, name)) for name in names]
    if RATING_EVIDENCE in names and unrated:
        place = list(names).index(RATING_EVIDENCE)
        texts[place] = words_left(texts[place], unrated)
    return "; ".join(names), "; ".join(en for en, _ in texts), "; ".join(zh for _, zh in texts)


def _pack(
    name: str,
    folder: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[str],
) -> dict[str, bytes]:
    """Return the table of contents `data/<folder><name>.js` and the parts beside it.

    The contents count the rows of each part by the `groups` columns, so that a page knows
    which parts a filter needs before it has loaded any.
    """
    places = [columns.index(column) for column in groups]
    parts, files = [], {}
    for number, first in enumerate(range(0, len(rows), PART_ROWS)):
        members = rows[first : first + PART_ROWS]
        counted = Counter(tuple(row[place] for place in places) for row in members)
        file = f"{folder}{name}_{number:03d}.js"
        parts.append({"file": file, "counts": [[*key, n] for key, n in sorted(counted.items())]})
        files[f"data/{file}"] = _part(name, number, members)
    contents = {"columns": list(columns), "groups": list(groups), "parts": parts}
    files[f"data/{folder}{name}.js"] = f"livercohort.tables.{name} = {_json(contents)};\n".encode()
    return files


def _part(name: str, number: int, rows: Sequence[Sequence[str]]) -> bytes:
    place: dict[str, int] = {}
    packed = [[place.setdefault(value, len(place)) for value in row] for row in rows]
    part = {"strings": list(place), "rows": packed}
    return f'livercohort.takePart("{name}", {number}, {_json(part)});\n'.encode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
