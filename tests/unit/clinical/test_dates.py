"""Dates of forms: the agreed formats are read exactly, nothing else is guessed."""

from __future__ import annotations

import pytest

from schemas.errors import ContractError
from tasks.clinical.dates import compile_format, parse_date


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2025-03-06", "2025-03-06"),
        ("2025-3-6", "2025-03-06"),
        ("2025/3/6", "2025-03-06"),
        ("2025.03.06", "2025-03-06"),
        ("20250306", "2025-03-06"),
        ("2025年3月6日", "2025-03-06"),
        ("２０２５年０３月０６日", "2025-03-06"),
        (" 2025-03-06 ", "2025-03-06"),
        ("UK-03-2025", "2025-03"),
        ("uk-UK-2025", "2025"),
        ("2025-03", "2025-03"),
        ("2025年3月", "2025-03"),
        ("2025", "2025"),
        ("2025年", "2025"),
    ],
)
def test_an_agreed_date_is_read_with_its_precision(typed: str, meant: str) -> None:
    assert parse_date(typed).iso() == meant


@pytest.mark.parametrize(
    "typed",
    ["06/03/2025", "3/6/25", "45722", "2025-02-30", "2025-13-01", "Mar 2025", "2025-3-6 10:00", ""],
)
def test_any_other_date_is_refused_and_not_quoted(typed: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        parse_date(typed)
    assert not typed or typed not in str(refusal.value)


def test_a_format_without_a_year_is_a_broken_contract() -> None:
    with pytest.raises(ContractError, match="no year"):
        compile_format("MM-DD")
