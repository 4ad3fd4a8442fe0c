"""Every word of the report stands in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import tasks.report.messages as module
from schemas.errors import ContractError
from schemas.states import Effect, FileState, ReasonCode, Severity
from tasks.report.completeness import CELL_STATES, SLOTS
from tasks.report.messages import Message, english, read_messages, text
from tasks.report.verdicts import CRITERIA

PACKAGE = Path(module.__file__).parent
_HAN = re.compile(r"[\u4e00-\u9fff]")


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_both_languages_have_the_same_places_to_fill() -> None:
    messages = read_messages()
    assert len(messages) > 500
    assert [key for key, m in messages.items() if places(m.en) != places(m.zh)] == []
    one = {key: m.en_one for key, m in messages.items() if m.en_one is not None}
    assert [key for key, text in one.items() if not places(text) <= places(messages[key].en)] == []


def test_no_chinese_stands_in_the_english_text() -> None:
    assert [key for key, message in read_messages().items() if _HAN.search(message.en)] == []


def test_every_code_of_the_project_has_words() -> None:
    keys = {
        *(f"severity.{one}" for one in Severity),
        *(f"state.{one}" for one in FileState),
        *(f"effect.{one}" for one in Effect),
        *(f"reason.{one}" for one in ReasonCode),
        *(f"criterion.{one}" for one in CRITERIA),
        *(f"cell.{one}" for one in CELL_STATES),
        *(f"exam.{one.exam}" for one in SLOTS),
    }
    assert keys - read_messages().keys() == set()


def test_every_message_is_used_somewhere() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for pattern in ("*.py", "templates/*", "assets/*.js")
        for path in sorted(PACKAGE.glob(pattern))
    )
    composed = (
        "state.",
        "reason.",
        "criterion.",
        "cell.",
        "exam.",
        "version.",
        "reading",
        "nav.",
        "ascertainment.",
        *("completeness.", "drift.", "query.", "owner.", "lane.", "event.", "role.", "sex."),
        *(
            "stratum.",
            "adjudicate.",
            "object.",
            "volume.window.",
            "rate.reason.",
            "picture.levels.",
        ),
        *("outcome.measure.", "outcome.by.", "outcome.arm.", "outcome.unit.", "outcome.result."),
        *("outcome.standing.", "outcome.kind."),
        *("rated.", "viewed.", "subject.rate_", "rate.window.", "rate.ct", "rate.mri"),
    )
    unused = [
        key
        for key in read_messages()
        if f'"{key}"' not in sources
        and f"'{key}'" not in sources
        and not key.startswith((*composed, "severity.", "status.", "effect."))
        and not key.endswith(".title")
    ]
    assert unused == []


def test_one_is_not_many() -> None:
    assert english("n_sites", n=1) == "1 site"
    assert english("n_sites", n=1200) == "1,200 sites"


def test_values_are_escaped_in_both_languages() -> None:
    assert "<b>" not in text("site.title", site="<b>")


def test_a_message_without_a_language_is_refused() -> None:
    with pytest.raises(ContractError, match="message k"):
        module._message("k", {"en": "only"})
    assert module._message("k", {"en": "a", "zh": "b"}) == Message("a", "b")
