"""What a person typed is searched for whoever it names; technique and counts may stand."""

from __future__ import annotations

import pytest

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.free_text import identifying_kinds
from tasks.deidentify.search.residual_scan import Dictionary

KNOWN = Dictionary(
    [
        SubjectIdentifiers(
            "S91-AAAA2222",
            700,
            frozenset(
                {
                    Identifier(IdentifierKind.NAME, "王小明"),
                    Identifier(IdentifierKind.PATIENT_ID, "A0012345"),
                }
            ),
        )
    ]
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("王小明 seen again", "name"),
        ("wang xiaoming seen again", "name"),
        ("patient A0012345", "patient_id"),
        ("call 13912345678", "phone"),
        ("call 139-1234-5678", "phone"),
        ("电话：１３９１２３４５６７８", "phone"),
        ("id 11010519491231002X", "resident_id"),
        ("number 20061234", "number of seven or more digits"),
        ("write to doctor@example.cn", "mail address"),
        ("患者姓名：李某", "labelled identifier"),
        ("住院号 A77", "labelled identifier"),
    ],
)
def test_what_names_somebody_is_told_by_kind(text: str, kind: str) -> None:
    kinds = identifying_kinds(text, KNOWN)
    assert kind in kinds
    assert not any(part in "".join(kinds) for part in ("王小明", "13912345678", "A0012345"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arterial phase of S91-AAAA2222 is late by 12 s, 5.0 mm, 3 T",
        "动脉期偏晚，建议复查",
        "v1.2.0",
    ],
)
def test_what_names_nobody_is_clean(text: str) -> None:
    assert identifying_kinds(text, KNOWN) == ()
