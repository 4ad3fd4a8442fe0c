"""Findings of the intake: texts from the table, ids that stay the same from night to night."""

from __future__ import annotations

import hashlib

from schemas.identifiers import SiteCode
from schemas.records import Finding
from schemas.states import Severity
from tasks.clinical.form_contracts import read_finding_texts


def make_finding(
    rule_id: str,
    site: SiteCode,
    *,
    object_type: str,
    object_id: str,
    column: str = "",
    observed: str = "",
    form: str = "",
    row: int = 0,
    expected: str | int = "",
    n: int = 0,
) -> Finding:
    """Return a finding with its texts filled in.

    Parameters
    ----------
    rule_id : str
        A rule of `findings.yaml`.
    object_type, object_id : str
        What it is about, without identifying values.
    column : str
        Field of the contract, never a heading that a site typed.
    observed : str
        A count or a code, never a value of a person.
    form, row, expected, n
        What the texts name.
    """
    text = read_finding_texts()[rule_id]
    filled = {"column": column, "row": row, "expected": expected, "n": n, "form": form}
    parts = (rule_id, site, object_type, object_id, column)
    return Finding(
        finding_id=hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16],
        rule_id=rule_id,
        severity=Severity(text.severity),
        site_code=site,
        object_type=object_type,
        object_id=object_id,
        column_name=column,
        observed=observed,
        expected=str(expected),
        message_en=text.message.en.format(**filled),
        message_zh=text.message.zh.format(**filled),
        fix_en=text.fix.en.format(**filled),
        fix_zh=text.fix.zh.format(**filled),
    )
