"""Findings from a table: the words stand in YAML, the ids stay the same every night."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ContractError
from schemas.finding_texts import make_finding, read_finding_texts
from schemas.records import Finding

ROW = """\
  - rule_id: {rule}
    severity: {severity}
    message: {{en: "Row {{row}} of {{form}}", zh: "{{form}} 第 {{row}} 行"}}
    fix: {{en: "Site: enter {{expected}}.", zh: "中心：请填写 {{expected}}。"}}
"""


def write_texts(tmp_path: Path, *rows: tuple[str, str]) -> Path:
    path = tmp_path / "findings.yaml"
    body = "".join(ROW.format(rule=rule, severity=severity) for rule, severity in rows)
    path.write_text("findings:\n" + body, encoding="utf-8")
    return path


def found(object_id: str, row: int) -> Finding:
    return make_finding(
        "site_delivery",
        "CLIN_KEY_MISSING",
        "S91",
        object_type="form",
        object_id=object_id,
        form="x",
        row=row,
    )


def test_a_finding_fills_in_its_texts_and_keeps_its_id() -> None:
    first, second = (found("x:3", row) for row in (3, 4))
    assert "Form x row 3" in first.message_en
    assert "表单 x 第 3 行" in first.message_zh
    assert first.finding_id == second.finding_id, "the id names the object, not the words"


def test_another_object_is_another_finding() -> None:
    assert len({found(name, 3).finding_id for name in "xy"}) == 2


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [([("A", "minor"), ("A", "major")], "twice"), ([("A", "dreadful")], "severity")],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path: Path, rows: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(ContractError, match=complaint):
        read_finding_texts(write_texts(tmp_path, *rows))
