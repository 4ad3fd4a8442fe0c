"""What the first page says: the verdict in one sentence, the counts, what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from schemas.records import Finding
from schemas.run.sites import is_fictitious, read_registered_sites
from tasks.report.accounts import FileSum, sites_off, sum_files
from tasks.report.messages import bilingual, chinese, english, text
from tasks.report.model import BatchAccount, Cohort, ReportInput
from tasks.report.tables import EligibilityRow
from tasks.report.verdicts import DEFAULT_READING
from tasks.report.worklist import count_severities

_SITES_NAMED = 4


@dataclass(frozen=True)
class RunVerdict:
    """Level (blocked, attention, clear, idle), sentence, and the account of the files.

    `as_of` is the day of the newest export of forms, empty where none states one.
    """

    level: str
    sentence: Markup
    files: Markup | None
    as_of: str = ""


@dataclass(frozen=True)
class SiteLine:
    """One site on the first page."""

    site_code: str
    name_en: str
    name_zh: str
    files: FileSum
    off: bool
    subjects: int
    eligible: int
    severities: dict[str, int]


@dataclass(frozen=True)
class SiteCounts:
    """The three numbers every report prints, and who they are."""

    registered: int
    active: int
    contributing: int
    waiting: tuple[str, ...]
    fictitious: tuple[str, ...]


@dataclass(frozen=True)
class TableChange:
    """Rows of one table before and now."""

    table: str
    before: int
    now: int


@dataclass(frozen=True)
class VerdictMove:
    """Subjects of both releases whose verdict in force went from one status to another."""

    before: str
    now: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class LabelMove:
    """How many series of both releases went from one label to another."""

    before: str
    now: str
    n: int


@dataclass(frozen=True)
class Changes:
    """What differs from the release before: verdicts first, numbers of rows last."""

    version: str
    verdicts: tuple[VerdictMove, ...]
    added: tuple[str, ...]
    removed: int
    labels: tuple[LabelMove, ...]
    tables: tuple[TableChange, ...]


def judge_run(report: ReportInput) -> RunVerdict:
    """Return the verdict on a run: counts that do not close outrank every finding."""
    total = sum_files(report.batches)
    off = sites_off(report.batches)
    severities = count_severities(report.findings)
    if off:
        level, sentence = "blocked", _with_sites("verdict.sum", off)
    elif severities["blocker"]:
        sites = {one.site_code for one in report.findings if one.severity == "blocker"}
        level = "blocked"
        sentence = _with_sites("verdict.blocked", sorted(sites - {""}), n=severities["blocker"])
    elif severities["major"]:
        level, sentence = "attention", text("verdict.attention", n=severities["major"])
    elif not report.batches and not report.findings:
        return RunVerdict("idle", text("verdict.empty"), None)
    else:
        level, sentence = "clear", text("verdict.clear")
    key = "verdict.batches_off" if off else "verdict.batches"
    files = text(key, n=total.n_batches, files=total.n_files, gap=total.gap)
    days = [one.edc_export_as_of for one in report.batches if one.edc_export_as_of]
    return RunVerdict(level, sentence, files, max(days).isoformat() if days else "")


def _with_sites(key: str, sites: Sequence[str], **values: object) -> Markup:
    """Fill in the sites: by name while they are few, else by number."""
    if len(sites) <= _SITES_NAMED:
        in_english = ", ".join(sites) or english("verdict.whole_run")
        in_chinese = "、".join(sites) or chinese("verdict.whole_run")
    else:
        in_english = english("n_sites", n=len(sites))
        in_chinese = chinese("n_sites", n=len(sites))
    return bilingual(
        english(key, sites=in_english, **values), chinese(key, sites=in_chinese, **values)
    )


def count_sites(
    cohort: Cohort, batches: Sequence[BatchAccount], active: Sequence[str]
) -> SiteCounts:
    """Return registered, active and contributing sites; a fictitious one is never registered."""
    registered = [
        site.site_code
        for site in cohort.sites or read_registered_sites()
        if site.registration_status == "registered" and not is_fictitious(site.site_code)
    ]
    contributing = {subject.site_code for subject in cohort.subjects}
    delivered = contributing | {batch.site_code for batch in batches}
    return SiteCounts(
        registered=len(registered),
        active=len(set(active)),
        contributing=len(contributing),
        waiting=tuple(code for code in sorted(registered) if code not in delivered),
        fictitious=tuple(code for code in sorted(delivered) if is_fictitious(code)),
    )


def list_sites(
    cohort: Cohort, batches: Sequence[BatchAccount], findings: Sequence[Finding]
) -> tuple[SiteLine, ...]:
    """Return one line per site that has a batch, a subject or a finding, sorted by code."""
    names = {site.site_code: (site.name_en, site.name_zh) for site in cohort.sites}
    subjects = Counter(subject.site_code for subject in cohort.subjects)
    eligible = _eligible_by_site(cohort)
    codes = sorted(
        set(subjects)
        | {batch.site_code for batch in batches}
        | {one.site_code for one in findings if one.site_code}
    )
    lines = []
    for code in codes:
        own = [batch for batch in batches if batch.site_code == code]
        name_en, name_zh = names.get(code, (code, code))
        lines.append(
            SiteLine(
                site_code=code,
                name_en=name_en,
                name_zh=name_zh,
                files=sum_files(own),
                off=bool(sites_off(own)),
                subjects=subjects[code],
                eligible=eligible[code],
                severities=count_severities(one for one in findings if one.site_code == code),
            )
        )
    return tuple(lines)


def _eligible_by_site(cohort: Cohort) -> Counter[str]:
    site_of = {subject.subject_id: subject.site_code for subject in cohort.subjects}
    return Counter(
        site_of[row.subject_id]
        for row in cohort.eligibility
        if _is_eligible(row) and row.subject_id in site_of
    )


def _is_eligible(row: EligibilityRow) -> bool:
    return row.reading == DEFAULT_READING and row.status == "eligible"


def compare_releases(report: ReportInput) -> Changes | None:
    """Return what changed since the previous release, or None when there is none.

    Only tables whose number of rows differs are listed.
    """
    previous = report.previous
    if previous is None or report.release is None:
        return None
    before, now = _subject_ids(previous.tables), _subject_ids(report.tables)
    moved = _moves(previous.tables, report.tables, "eligibility", ("subject_id",), "status")
    relabelled = _moves(
        previous.tables, report.tables, "series", ("series_uid", "sub_stack_digest"), "label"
    )
    names = sorted(set(previous.tables) | set(report.tables))
    counted = (
        TableChange(name, _n_rows(previous.tables, name), _n_rows(report.tables, name))
        for name in names
    )
    return Changes(
        version=previous.version,
        verdicts=tuple(
            VerdictMove(*pair, tuple(key[0] for key in keys)) for pair, keys in moved.items()
        ),
        added=tuple(sorted(now - before)),
        removed=len(before - now),
        labels=tuple(LabelMove(*pair, len(keys)) for pair, keys in relabelled.items()),
        tables=tuple(change for change in counted if change.before != change.now),
    )


def _subject_ids(tables: Mapping[str, pa.Table]) -> set[str]:
    table = tables.get("subject")
    return set() if table is None else set(table.column("subject_id").to_pylist())


def _moves(
    before: Mapping[str, pa.Table],
    now: Mapping[str, pa.Table],
    table: str,
    key: tuple[str, ...],
    column: str,
) -> dict[tuple[str, str], list[tuple[str, ...]]]:
    """Return the keys of rows in both whose value changed, by the value before and now."""
    old, new = (_values(tables, table, key, column) for tables in (before, now))
    moves: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for one in sorted(old.keys() & new.keys()):
        if old[one] != new[one]:
            moves.setdefault((old[one], new[one]), []).append(one)
    return dict(sorted(moves.items()))


def _values(
    tables: Mapping[str, pa.Table], name: str, key: tuple[str, ...], column: str
) -> dict[tuple[str, ...], str]:
    table = tables.get(name)
    if table is None:
        return {}
    if "reading" in table.column_names:
        table = table.filter(pc.equal(table["reading"], DEFAULT_READING))
    keys = zip(*(table[part].to_pylist() for part in key), strict=True)
    return dict(zip(keys, table[column].to_pylist(), strict=True))


def _n_rows(tables: Mapping[str, pa.Table], name: str) -> int:
    return int(tables[name].num_rows) if name in tables else 0
