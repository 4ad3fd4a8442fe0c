"""The rows of the long tables as classic scripts, every text once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence

from schemas.records import Finding
from tasks.report.completeness import SLOTS, MatrixRow
from tasks.report.messages import read_messages
from tasks.report.model import Cohort
from tasks.report.verdicts import DEFAULT_READING, missing_of_subject
from tasks.report.worklist import find_subject, order_findings

_UI_PREFIXES = ("table.", "severity.", "status.", "ascertainment.")
_FINDING_COLUMNS = (
    "severity",
    "site",
    "rule_id",
    "subject",
    "object_type",
    "object_id",
    "column_name",
    "observed",
    "expected",
    "message_en",
    "message_zh",
    "fix_en",
    "fix_zh",
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


def pack_findings(findings: Iterable[Finding], owner: Mapping[str, str]) -> bytes:
    """Return findings in worklist order with the subject each belongs to."""
    rows = [
        (
            one.severity.value,
            one.site_code,
            one.rule_id,
            find_subject(one.object_id, owner),
            one.object_type,
            one.object_id,
            one.column_name,
            one.observed,
            one.expected,
            one.message_en,
            one.message_zh,
            one.fix_en,
            one.fix_zh,
            one.finding_id,
        )
        for one in order_findings(findings)
    ]
    return _pack("findings", _FINDING_COLUMNS, rows)


def pack_matrix(rows: Iterable[MatrixRow]) -> bytes:
    """Return the completeness matrix of one site."""
    columns = ("subject", *(f"slot_{position}" for position in range(len(SLOTS))))
    return _pack("matrix", columns, [(row.subject_id, *row.cells) for row in rows])


def pack_subjects(cohort: Cohort, readings: Sequence[str], findings_of: Mapping[str, int]) -> bytes:
    """Return one row per subject with its verdict under every reading."""
    verdicts = {(row.subject_id, row.reading): row for row in cohort.eligibility}
    missing = missing_of_subject(cohort.criteria, DEFAULT_READING)
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
                ", ".join(missing.get(key, ())),
                str(findings_of.get(key, 0)),
                *(row.status if row else "undetermined" for row in decided),
            )
        )
    columns = (
        *("subject", "site", "sex", "age", "ascertainment", "first_failing", "missing", "findings"),
        *(f"status_{reading}" for reading in readings),
    )
    return _pack("subjects", columns, rows)


def _pack(name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    number: dict[str, int] = {}
    packed = [[number.setdefault(value, len(number)) for value in row] for row in rows]
    table = {"columns": list(columns), "strings": list(number), "rows": packed}
    return f"livercohort.tables.{name} = {_json(table)};\n".encode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
