"""Findings of the intake, from `data_contracts/site_delivery/findings.yaml`."""

from __future__ import annotations

from schemas import finding_texts
from schemas.identifiers import SiteCode
from schemas.package_data import data_contracts_dir
from schemas.records import Finding


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
    """Return a finding of the intake; see `schemas.finding_texts.make_finding`."""
    texts = finding_texts.read_finding_texts(data_contracts_dir() / "site_delivery/findings.yaml")
    return finding_texts.make_finding(
        texts[rule_id],
        site,
        object_type=object_type,
        object_id=object_id,
        column=column,
        observed=observed,
        form=form,
        row=row,
        expected=expected,
        n=n,
    )
