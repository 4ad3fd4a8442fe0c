"""Findings in the order a person should meet them, and grouped by rule for the first page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.records import Finding
from schemas.run.sites import SITE_CODE_PATTERN
from schemas.states import Severity
from tasks.report.model import Cohort

SEVERITIES: tuple[str, ...] = tuple(severity.value for severity in Severity)
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_SUBJECT_KEY = re.compile(rf"(?:{SITE_CODE_PATTERN})-[0-9A-Z]{{8}}(?=-)")
KEY_PARTS = re.compile(r"[\s/|,;=]+")


#: Who an instruction speaks to: the words it starts with.
_OWNER_WORDS = {
    "Site coordinator": "site",
    "Site": "site",
    "QC reviewer": "reviewer",
    "Reviewer": "reviewer",
    "Data manager": "data_manager",
}
OWNERS = ("site", "reviewer", "data_manager", "nobody")


def owner_of(fix_en: str) -> str:
    """Return who acts on a finding: site, reviewer, data_manager, or nobody when none is named."""
    return _OWNER_WORDS.get(fix_en.partition(":")[0], "nobody")


@dataclass(frozen=True)
class RuleGroup:
    """All findings of one rule: how many, where, and what to do about them."""

    severity: str
    rule_id: str
    n: int
    sites: tuple[str, ...]
    message_en: str
    message_zh: str
    fix_en: str
    fix_zh: str


def order_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, then site, rule and object."""
    return tuple(
        sorted(
            findings,
            key=lambda one: (
                _RANK[one.severity.value],
                one.site_code,
                one.rule_id,
                one.object_type,
                one.object_id,
                one.column_name,
                one.finding_id,
            ),
        )
    )


def group_by_rule(findings: Iterable[Finding]) -> tuple[RuleGroup, ...]:
    """Return one group per severity and rule, worst and most frequent first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in order_findings(findings):
        groups.setdefault((finding.severity.value, finding.rule_id), []).append(finding)
    made = [_group(severity, rule, members) for (severity, rule), members in groups.items()]
    return tuple(sorted(made, key=lambda one: (_RANK[one.severity], -one.n, one.rule_id)))


def _group(severity: str, rule_id: str, members: Sequence[Finding]) -> RuleGroup:
    first = members[0]
    return RuleGroup(
        severity=severity,
        rule_id=rule_id,
        n=len(members),
        sites=tuple(sorted({one.site_code for one in members if one.site_code})),
        message_en=first.message_en,
        message_zh=first.message_zh,
        fix_en=first.fix_en,
        fix_zh=first.fix_zh,
    )


def count_severities(findings: Iterable[Finding]) -> dict[str, int]:
    """Return the number of findings of every severity, zero included."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for finding in findings:
        counts[finding.severity.value] += 1
    return counts


def subject_of_object(cohort: Cohort) -> dict[str, str]:
    """Return the subject behind every object a finding may name: subject, study, series, volume."""
    owner = {subject.subject_id: subject.subject_id for subject in cohort.subjects}
    owner.update({study.study_uid: study.subject_id for study in cohort.studies})
    for series in cohort.series:
        owner[series.series_uid] = series.subject_id
        owner[series.sub_stack_digest] = series.subject_id
    owner.update({volume.volume_id: volume.subject_id for volume in cohort.volumes})
    return owner


def find_subject(object_id: str, owner: Mapping[str, str]) -> str:
    """Return the subject of a finding's object, empty when it belongs to none.

    The key of an object may have several parts (`series_uid/sub_stack_digest`); the first
    part that is known decides. Keys of lesions, specimens, follow-ups, treatments and ratings
    begin with the subject (`S91-7PTUFKAO-L1`).
    """
    for part in (object_id, *KEY_PARTS.split(object_id)):
        if part in owner:
            return owner[part]
    named = _SUBJECT_KEY.match(object_id)
    return owner.get(named[0], "") if named else ""
