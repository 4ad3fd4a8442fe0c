"""Every word of the report in Chinese and English, from one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from schemas.errors import ContractError
from schemas.rule_documents import read_document

_FILE = Path(__file__).with_name("messages.yaml")
_KEYS = {"en", "zh", "en_one"}


@dataclass(frozen=True)
class Message:
    """One text in both languages; `en_one` is the English singular where it differs."""

    en: str
    zh: str
    en_one: str | None = None

    def fill(self, values: Mapping[str, object]) -> tuple[str, str]:
        """Return the English and the Chinese text with its places filled."""
        english = self.en_one if self.en_one is not None and values.get("n") == 1 else self.en
        shown = {
            name: f"{value:,}" if isinstance(value, int) else value
            for name, value in values.items()
        }
        return english.format(**shown), self.zh.format(**shown)


@cache
def read_messages() -> dict[str, Message]:
    """Return all messages by key.

    Raises
    ------
    ContractError
        If a message lacks a language or has an unknown field.
    """
    raw: Any = read_document(_FILE).value
    return {key: _message(key, entry) for key, entry in raw.items()}


def _message(key: str, entry: object) -> Message:
    if not isinstance(entry, dict) or not {"en", "zh"} <= set(entry) <= _KEYS:
        raise ContractError(
            f"message {key} is not a pair of texts",
            where=_FILE.name,
            expected="en, zh and, where it differs, en_one",
        )
    return Message(**entry)


def bilingual(english: object, chinese: object) -> Markup:
    """Return both texts as marked-up spans, of which the style sheet shows one."""
    if english == chinese:
        return escape(english)
    en, zh = escape(english), escape(chinese)
    # Put together at once: `Markup.format` takes ten times as long, and a page has hundreds.
    return Markup(f'<span lang="en">{en}</span><span lang="zh-CN">{zh}</span>')  # noqa: S704


def text(key: str, **values: object) -> Markup:
    """Return the message of a key in both languages, its values escaped.

    Raises
    ------
    KeyError
        If there is no such message: a page with a hole is never written.
    """
    return bilingual(*read_messages()[key].fill(values)) if values else _plain_text(key)


@cache
def _plain_text(key: str) -> Markup:
    return bilingual(*read_messages()[key].fill({}))


def english(key: str, **values: object) -> str:
    """Return the English text alone, for places that hold plain text."""
    return read_messages()[key].fill(values)[0]


def chinese(key: str, **values: object) -> str:
    """Return the Chinese text alone, for places that hold plain text."""
    return read_messages()[key].fill(values)[1]
