"""Findings from a table of texts: the words stand in YAML, the ids stay the same every night."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.records import Finding
from schemas.rule_documents import read_document
from schemas.states import Severity


class Bilingual(BaseModel):
    """A text for sites."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: str
    zh: str


class FindingText(BaseModel):
    """What is said, and what to do, when a rule finds something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule_id: str
    severity: Severity
    message: Bilingual
    fix: Bilingual


@cache
def read_finding_texts(path: Path) -> dict[str, FindingText]:
    """Return the texts of a `findings.yaml`, by rule id; see `parse_finding_texts`."""
    return parse_finding_texts(path)


def parse_finding_texts(path: Path) -> dict[str, FindingText]:
    """Return the texts of a `findings.yaml`, by rule id.

    Raises
    ------
    ContractError
        If a row cannot be used or a rule stands twice.
    """
    document = read_document(path)
    texts: dict[str, FindingText] = {}
    for number in range(len(document.rows("findings"))):
        place = ("findings", number)
        text = document.validated(FindingText, place)
        if text.rule_id in texts:
            raise ContractError("a rule stands twice", where=document.where(place))
        texts[text.rule_id] = text
    return texts


def make_finding(
    folder: str,
    rule_id: str,
    site: str,
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
    folder : str
        Folder of `data_contracts/` whose `findings.yaml` has the rule.
    rule_id : str
        The rule.
    site : str
        Who can mend it.
    object_type, object_id : str
        What it is about, without identifying values.
    column : str
        Field of a contract, never a heading that a site typed.
    observed : str
        A count or a code, never a value of a person.
    form, row, expected, n
        What the texts name.
    """
    text = read_finding_texts(data_contracts_dir() / folder / "findings.yaml")[rule_id]
    filled = {"column": column, "row": row, "expected": expected, "n": n, "form": form}
    parts = (text.rule_id, site, object_type, object_id, column, form)
    return Finding(
        finding_id=hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16],
        rule_id=text.rule_id,
        severity=text.severity,
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
