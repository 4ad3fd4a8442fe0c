"""Findings to what a query says: whom it is put to, whose examination it is. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from schemas.records import DELIVERED_STUDY, Finding
from schemas.run.sites import SITE_CODE_PATTERN
from schemas.tables.contracts import TableContract
from tasks.queries.states import About

#: How a fix instruction begins when the site is the one who mends.
SITE_ADDRESSED = ("Site coordinator: ", "Site: ")
_SUBJECT = re.compile(rf"(?:{SITE_CODE_PATTERN})-[A-Z2-7]{{8}}")
_DATE_COLUMNS = ("study_date_shifted", "specimen_date_shifted", "image_date_shifted")


@dataclass(frozen=True)
class _Place:
    """Whose examination a row is about."""

    subject_id: str | None = None
    date_shifted: dt.date | None = None
    modality: str | None = None
    label: str | None = None


def is_for_site(finding: Finding) -> bool:
    """Return whether a finding is put to a site: it can mend it, and it is a problem."""
    return bool(finding.site_code) and finding.fix_en.startswith(SITE_ADDRESSED)


def abouts_of(
    findings: Iterable[Finding],
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
) -> list[About]:
    """Return what the findings for sites say, sorted by finding.

    Parameters
    ----------
    findings : iterable of Finding
        All findings; those that others mend are left out.
    tables : mapping of str to pyarrow.Table
        Tables the findings are about, to name subject, date and series.
    contracts : mapping of str to TableContract
        Their keys.
    """
    chosen = {f.finding_id: f for f in findings if is_for_site(f)}
    wanted = {
        "imaging_study" if f.object_type == DELIVERED_STUDY else f.object_type
        for f in chosen.values()
    }
    places = {name: _places(name, tables, contracts) for name in wanted & tables.keys()}
    return [_about(chosen[name], places) for name in sorted(chosen)]


def row_keys(table: pa.Table, key: Sequence[str]) -> list[str]:
    """Return the key of each row as findings write it."""
    columns = [map(str, table[name].to_pylist()) for name in key]
    return ["/".join(parts) for parts in zip(*columns, strict=True)]


def _about(finding: Finding, places: Mapping[str, Mapping[str, _Place]]) -> About:
    table, key = finding.object_type, finding.object_id
    if table == DELIVERED_STUDY:
        table, key = "imaging_study", key.rpartition("/")[2]
    place = places.get(table, {}).get(key, _Place())
    named = _SUBJECT.search(finding.object_id)
    return About(
        site_code=finding.site_code,
        finding_id=finding.finding_id,
        rule_id=finding.rule_id,
        severity=finding.severity.value,
        object_type=finding.object_type,
        object_id=finding.object_id,
        field=finding.column_name,
        observed=finding.observed,
        expected=finding.expected,
        text_en=f"{finding.message_en} {finding.fix_en}",
        text_zh=f"{finding.message_zh}{finding.fix_zh}",
        subject_id=place.subject_id or (named[0] if named else None),
        examination_date_shifted=place.date_shifted,
        modality=place.modality,
        sequence_label=place.label,
    )


def _places(
    name: str, tables: Mapping[str, pa.Table], contracts: Mapping[str, TableContract]
) -> dict[str, _Place]:
    if name not in contracts:
        return {}
    table = tables[name]
    keys = row_keys(table, contracts[name].primary_key)
    dates = _study_dates(tables)
    return {key: _place(row, dates) for key, row in zip(keys, table.to_pylist(), strict=True)}


def _place(row: Mapping[str, object], study_dates: Mapping[object, object]) -> _Place:
    day = next((row[c] for c in _DATE_COLUMNS if row.get(c)), study_dates.get(row.get("study_uid")))
    return _Place(
        subject_id=_text(row.get("subject_id")),
        date_shifted=day if isinstance(day, dt.date) else None,
        modality=_text(row.get("modality")),
        label=_text(row.get("label")),
    )


def _study_dates(tables: Mapping[str, pa.Table]) -> dict[object, object]:
    if "imaging_study" not in tables:
        return {}
    table = tables["imaging_study"]
    days = table["study_date_shifted"].to_pylist()
    return dict(zip(table["study_uid"].to_pylist(), days, strict=True))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
