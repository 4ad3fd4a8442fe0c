"""A report's input as a release would give it, at any size; the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from random import Random
from typing import Any

import pyarrow as pa

from schemas.records import Finding, QueryRow
from schemas.states import Severity
from schemas.tables.contracts import read_table_contracts
from schemas.verification_counts import FieldCounts
from tasks.report.model import (
    BatchAccount,
    ColumnLine,
    Decision,
    PreviousRelease,
    ReleaseDocuments,
    ReportInput,
    columns_read,
)
from tasks.report.render import render_report
from tests.unit.report.synthetic_rows import batch_id, digest, make_rows

LIMITS = {"mri_window_days": 15.0, "pathology_window_days": 30.0, "follow_up_months": 3.0}
RULES: tuple[tuple[str, Severity, str, str, str, str], ...] = (
    (
        "SERIES_WITHOUT_VOLUME",
        Severity.BLOCKER,
        "A series the protocol needs has no volume",
        "方案所需序列没有体数据",
        "Site: export the whole series again, all slices.",
        "中心：请重新完整导出该序列的所有层面。",
    ),
    (
        "T1_THICKER_THAN_5MM",
        Severity.MAJOR,
        "A required T1 series is thicker than 5 mm",
        "所需 T1 序列层厚超过 5 mm",
        "Site: send the thin original series if it exists; QC reviewer: else mark I4 as not met.",
        "中心：如有薄层原始序列请补传；审核员：否则 I4 记为不满足。",
    ),
    (
        "LABEL_UNCLASSIFIED",
        Severity.MAJOR,
        "The phase of a series cannot be told from text and times",
        "根据文字和时间无法判断序列期相",
        "QC reviewer: look at the series and add an override for this protocol.",
        "审核员：查看序列，并为该扫描方案添加覆盖规则。",
    ),
    (
        "SLICES_MISSING",
        Severity.MINOR,
        "Slices are missing between the first and the last",
        "首末层之间缺少层面",
        "Site: export the series again and check the number of images.",
        "中心：请重新导出并核对图像数量。",
    ),
    (
        "IMAGES_BEFORE_RECRUITMENT",
        Severity.INFO,
        "Images were made before recruitment started",
        "图像早于招募开始日期",
        "Nobody: kept for the record; the subject counts as retrospective.",
        "无需处理：仅作记录，该受试者计为回顾性。",
    ),
)


def make_report(
    *,
    n_sites: int = 28,
    subjects_per_site: int = 4,
    findings_per_site: int = 45,
    batches_per_site: int = 2,
    fictitious: bool = False,
    run: str = "release-1.2.0",
    blockers: bool = True,
    seed: int = 7,
) -> ReportInput:
    """Return the input of a report over `n_sites` sites."""
    random = Random(seed)
    codes = [f"S{91 + n}" if fictitious else f"S{n + 1:02d}" for n in range(n_sites)]
    rows = make_rows(random, codes, subjects_per_site)
    tables = {name: to_table(name, members) for name, members in rows.items()}
    findings = tuple(
        one
        for code in codes
        for one in make_findings(random, code, rows["series"], findings_per_site)
        if blockers or one.severity not in (Severity.BLOCKER, Severity.MAJOR)
    )
    before = {**tables, "subject": tables["subject"].slice(0, max(0, len(rows["subject"]) - 9))}
    return ReportInput(
        run=run,
        release="1.2.0",
        tables=tables,
        batches=tuple(
            make_batch(random, code, night) for code in codes for night in range(batches_per_site)
        ),
        findings=findings,
        decisions=tuple(
            Decision(f"D{n:02d}", "I4", "One-sided or two-sided window?", "two-sided", "")
            for n in range(1, 27)
        ),
        active_sites=tuple(codes),
        versions={"software": "0.1.0", "protocol": "ChiCTR2500107646@V1.0", "mapping": "1.0.0"},
        release_files=("README.md", "CHANGELOG.md", "cohort.duckdb", "data_dictionary.csv"),
        previous=PreviousRelease("1.1.0", before),
        limits=LIMITS,
        evidence={"edc.treatment.prior_treatment": ("whether treated before", "是否既往治疗")},
        reasons={"MET": ("the evidence fulfils the criterion", "证据符合该标准")},
        documents=make_documents(),
        queries=make_queries(findings),
        verification=tuple(make_counts(codes)),
        since={one.finding_id: "1.1.0 · 2026-11-01" for one in findings[::3]},
    )


def make_counts(codes: Sequence[str]) -> list[FieldCounts]:
    """Return what comparing found at every site, a field without any source among it."""
    return [
        FieldCounts(code, form, field, critical, 1, compared, differed, 20 - compared)
        for number, code in enumerate(codes)
        for form, field, critical, compared, differed in (
            ("diagnosis", "reference_class", True, 18, number % 3),
            ("pathology", "report_date", False, 0, 0),
        )
    ]


def make_queries(findings: Sequence[Finding]) -> tuple[QueryRow, ...]:
    """Return a query for what sites can mend, in every state, and one closed for each."""
    asked = [one for one in findings if one.fix_en.startswith("Site:")]
    states = ("open", "open", "candidate", "answered", "reissued")
    standing = [
        QueryRow(f"Q-{one.finding_id}", one.site_code, one.rule_id, states[n % 5], n % 40, None)
        for n, one in enumerate(asked)
    ]
    closed = [
        QueryRow(f"Q-gone{n:04d}", one.site_code, one.rule_id, "closed", None, n % 21)
        for n, one in enumerate(asked)
    ]
    return (*standing, *closed)


def make_documents() -> ReleaseDocuments:
    contracts = read_table_contracts().values()
    return ReleaseDocuments(
        changelog="# Changelog of the cohort\n\n## 1.2.0\n\n- subject: 9 rows added\n",
        queries_sql="SELECT count(*) FROM subject;\n",
        dictionary=tuple(
            ColumnLine(
                table=contract.name,
                column=column.name,
                type=column.duckdb_type,
                unit=column.unit or "",
                nullable="yes" if column.nullable else "no",
                description_en=column.description_en,
                description_zh=column.description_zh,
            )
            for contract in contracts
            for column in contract.columns
        ),
        checksums=(("README.md", "0" * 64),),
    )


def make_batch(random: Random, code: str, night: int) -> BatchAccount:
    held = random.randint(0, 9)
    counts = {
        "accepted": random.randint(1500, 4000),
        "quarantined": held,
        "duplicate": random.randint(0, 30),
        "clinical": 7,
        "control": 2,
    }
    return BatchAccount(
        site_code=code,
        batch_id=batch_id(code, night),
        n_files=sum(counts.values()),
        counts=counts,
        reasons={"TRUNCATED": held} if held else {},
        edc_export_as_of=date(2026, 10 + night % 2, 19 + night % 11),
    )


def make_findings(random: Random, code: str, series: list[dict[str, Any]], n: int) -> list[Finding]:
    own = [row for row in series if row["subject_id"].startswith(code)] or series
    findings = []
    for number in range(n):
        weights = [0.01, 0.2, 0.15, 0.4, 0.24]
        drawn = random.choices(RULES, weights)[0]
        chosen = RULES[0] if number == 0 and int(code[1:]) % 3 == 1 else drawn
        rule, severity, message_en, message_zh, fix_en, fix_zh = chosen
        row = random.choice(own)
        findings.append(
            Finding(
                finding_id=digest(code, number)[:16],
                rule_id=rule,
                severity=severity,
                site_code=code,
                object_type="series",
                object_id=f"{row['series_uid']}/{row['sub_stack_digest']}",
                column_name="slice_thickness_mm" if rule.startswith("T1") else "",
                observed="6.00" if rule.startswith("T1") else row["label"],
                expected="at most 5.05 mm" if rule.startswith("T1") else "",
                message_en=message_en,
                message_zh=message_zh,
                fix_en=fix_en,
                fix_zh=fix_zh,
            )
        )
    return findings


def to_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as an Arrow table, the columns present typed as the data contract says."""
    schema = read_table_contracts()[name].arrow_schema()
    wanted = rows[0] if rows else columns_read(name)
    columns = [field for field in schema if field.name in wanted]
    assert len(columns) == len(wanted)
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def render_site(report: ReportInput) -> dict[str, bytes]:
    """Return every file of the report folder by its relative path."""
    return render_report(report).files
