"""Outcomes of rules and violations of contracts to findings, and the gate. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.finding_ids import finding_id
from schemas.records import Finding
from schemas.run.sites import SITE_CODE_PATTERN
from schemas.states import Severity
from schemas.tables.contracts import TableContract
from tasks.validate.conformity import Violation
from tasks.validate.engine import FailingRow, Outcome
from tasks.validate.suites import Rule

RULE_FAILED = "RUN-FAILED"
_EXPECTED_WORDS = {
    "expect_column_values_to_not_be_null": "a value",
    "expect_column_values_to_be_unique": "one row",
    "expect_compound_columns_to_be_unique": "one row",
    "expect_column_values_to_match_regex": "the form that the contract gives",
    "expect_column_pair_values_to_be_equal": "the same value twice",
    "expect_column_pair_values_a_to_be_greater_than_b": "the first greater than the second",
}
_SITE = re.compile(SITE_CODE_PATTERN)
_SUBJECT_SITE = re.compile(rf"({SITE_CODE_PATTERN})-")


@dataclass(frozen=True)
class ValidationReport:
    """What validation says: findings, evidence as JSON values, and whether the gate is shut."""

    findings: tuple[Finding, ...]
    gx_json: dict[str, object]
    blocked: bool
    rules_run: tuple[str, ...]


def build_report(
    outcomes: Sequence[Outcome],
    violations: Iterable[Violation],
    words: Mapping[str, Mapping[str, str]],
    sites: Mapping[str, Mapping[tuple[str, ...], str]],
    contracts: Mapping[str, TableContract],
) -> ValidationReport:
    """Join everything into one report, findings sorted by severity, rule and object.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the rules that applied.
    violations : iterable of Violation
        Of the contracts.
    words : mapping
        Messages and fixes of the rules that are not expectations, by rule id.
    sites : mapping
        Table → key of a row → site code, from `sites_of_rows`.
    contracts : mapping of str to TableContract
        To tell which values may be shown.
    """
    findings: dict[str, Finding] = {}
    for item in violations:
        finding = _of_violation(item, words[item.rule_id], sites)
        findings[finding.finding_id] = finding
    for outcome in outcomes:
        for finding in _of_outcome(outcome, words[RULE_FAILED], sites, contracts):
            findings[finding.finding_id] = finding
    rank = list(Severity)
    listed = sorted(
        findings.values(), key=lambda f: (rank.index(f.severity), f.rule_id, f.object_id)
    )
    return ValidationReport(
        findings=tuple(listed),
        gx_json=_evidence(outcomes),
        blocked=any(finding.severity is Severity.BLOCKER for finding in listed),
        rules_run=tuple(sorted(outcome.rule.meta.rule_id for outcome in outcomes if outcome.ran)),
    )


def rules_summary(findings: Iterable[Finding], waived: Collection[str]) -> list[dict[str, object]]:
    """Return one row per rule that found something: counts only, worst first."""
    rank = list(Severity)
    by_rule: dict[tuple[int, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_rule[rank.index(finding.severity), finding.rule_id].append(finding)
    return [
        {
            "rule_id": rule,
            "severity": rank[place].value,
            "findings": len(found),
            "waived": sum(finding.finding_id in waived for finding in found),
            "message_en": found[0].message_en,
            "message_zh": found[0].message_zh,
        }
        for (place, rule), found in sorted(by_rule.items())
    ]


def sites_of_rows(frame: pd.DataFrame, key: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return key → site code, by the site column or the pseudonym of each row."""
    column = next((name for name in ("site_code", "subject_id") if name in frame.columns), None)
    if column is None:
        return {}
    keys = zip(*(frame[name].astype(str) for name in key), strict=True)
    return {
        names: found[0]
        for names, value in zip(keys, frame[column], strict=True)
        if (found := _SITE.match(str(value)))
    }


def _of_violation(
    item: Violation,
    words: Mapping[str, str],
    sites: Mapping[str, Mapping[tuple[str, ...], str]],
) -> Finding:
    object_id = "/".join(item.key) or item.table
    return Finding(
        finding_id=finding_id(item.rule_id, f"{item.table}.{item.column}", object_id),
        rule_id=item.rule_id,
        severity=Severity.BLOCKER,
        site_code=sites.get(item.table, {}).get(item.key, ""),
        object_type=item.table,
        object_id=object_id,
        column_name=item.column,
        observed=item.observed,
        expected=item.expected,
        **_texts(words),
    )


def _of_outcome(
    outcome: Outcome,
    failed: Mapping[str, str],
    sites: Mapping[str, Mapping[tuple[str, ...], str]],
    contracts: Mapping[str, TableContract],
) -> Iterable[Finding]:
    rule, table = outcome.rule, outcome.table
    if not outcome.ran:
        yield Finding(
            finding_id=finding_id(RULE_FAILED, "rule", rule.meta.rule_id),
            rule_id=RULE_FAILED,
            severity=Severity.BLOCKER,
            site_code="",
            object_type="rule",
            object_id=rule.meta.rule_id,
            column_name="",
            observed="did not run",
            expected="ran",
            **_texts(failed),
        )
        return
    if outcome.success:
        return
    # A rule about a whole table has no failing row: the table itself is the object.
    for row in outcome.failing or (FailingRow((), None),):
        object_id = "/".join(row.key) or table
        yield Finding(
            finding_id=finding_id(rule.meta.rule_id, table, object_id),
            rule_id=rule.meta.rule_id,
            severity=rule.severity,
            site_code=sites.get(table, {}).get(row.key, "") or _site_of_subject(row.key),
            object_type=table,
            object_id=object_id,
            column_name=rule.columns[0] if rule.columns else "",
            observed=_shown(row.value, outcome, contracts),
            expected=expected_of(rule),
            **_texts(rule.meta.model_dump()),
        )


def _site_of_subject(key: tuple[str, ...]) -> str:
    found = next((match for part in key if (match := _SUBJECT_SITE.match(part))), None)
    return found[1] if found else ""


def _texts(words: Mapping[str, str]) -> dict[str, str]:
    return {name: words[name] for name in ("message_en", "message_zh", "fix_en", "fix_zh")}


def _shown(value: object, outcome: Outcome, contracts: Mapping[str, TableContract]) -> str:
    """Show numbers, truth values and known codes; of any other text only that it is there."""
    if outcome.rule.keys_of:
        return "no such row"
    if outcome.rule.sql:
        return str(value)
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "missing"
    if isinstance(value, bool | np.bool_):
        return _word(bool(value))
    if not isinstance(value, str):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    column = outcome.rule.columns[0]
    contract = contracts.get(outcome.table)
    known = (
        next((c.allowed_values for c in contract.columns if c.name == column), None)
        if (contract)
        else None
    )
    return value if known and value in known else "another value"


def expected_of(rule: Rule) -> str:
    """Return what a rule expects, in words a person reads: `0`, `0 to 90`, `at least 1.45`."""
    kwargs = rule.kwargs
    if rule.keys_of:
        return f"a row of {rule.keys_of[0]}"
    if rule.sql:
        return str(kwargs["expected"])
    if "value_set" in kwargs:
        excluded = "none of " if rule.type.endswith("not_be_in_set") else ""
        return excluded + ", ".join(_word(value) for value in kwargs["value_set"])
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None:
        return _word(low) if low == high else f"{_word(low)} to {_word(high)}"
    if low is not None:
        return f"at least {_word(low)}"
    if high is not None:
        return f"at most {_word(high)}"
    return _EXPECTED_WORDS.get(rule.type, "")


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _evidence(outcomes: Sequence[Outcome]) -> dict[str, object]:
    listed = [
        {
            "table": outcome.table,
            "rule_id": outcome.rule.meta.rule_id,
            "type": outcome.rule.type,
            "severity": outcome.rule.severity.value,
            "ran": outcome.ran,
            "success": outcome.success,
            **{name: _number(value) for name, value in sorted(outcome.evidence.items())},
        }
        for outcome in sorted(outcomes, key=lambda o: (o.table, o.rule.meta.rule_id))
    ]
    return {
        "engines": sorted({outcome.engine for outcome in outcomes}),
        "results": listed,
        "success": all(outcome.ran and outcome.success for outcome in outcomes),
    }


def _number(value: object) -> object:
    return float(str(value)) if isinstance(value, float) else value
