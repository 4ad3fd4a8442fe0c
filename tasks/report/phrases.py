"""What a finding or a criterion saw and wanted, in Chinese: from a table of short phrases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from schemas.errors import ContractError
from schemas.rule_documents import read_document
from schemas.tables.contracts import read_code_lists, read_table_contracts

_FILE = Path(__file__).with_name("phrases.yaml")
_PLACES = {"{n}": r"([^\s,;/]+)", "{w}": r"(.+)"}
_PLACE = re.compile(r"\{[nw]\}")
#: Numbers with their unit, limits, codes in capitals and names of columns: no language.
_LANGUAGE_FREE = re.compile(r"[\W\d_]*|[\d.+-]+ (mm|T|%)|[A-Z][A-Z0-9_-]*|[a-z0-9]+(_[a-z0-9]+)+")
_SEPARATORS = (("; ", "；"), (", ", "、"), ("/", " / "))


@lru_cache(maxsize=4096)
def in_chinese(text: str, table: str = "", column: str = "") -> str | None:
    """Return the Chinese of a short text, the text itself when it has no language.

    Parameters
    ----------
    text : str
        What was observed or expected.
    table, column : str
        Where it was: a code there is called by its label.

    Returns
    -------
    str or None
        None when nobody has put it into Chinese.
    """
    found = _codes_of(table, column).get(text) or _phrase(text)
    if found is not None or _LANGUAGE_FREE.fullmatch(text):
        return found or text
    for separator, chinese in _SEPARATORS:
        if separator not in text:
            continue
        parts = [in_chinese(one, table, column) for one in text.split(separator)]
        return None if None in parts else chinese.join(one or "" for one in parts)
    return None


def both(text: str, table: str = "", column: str = "") -> tuple[str, str]:
    """Return a short text in English and Chinese; one that nobody put into Chinese stays."""
    return text, in_chinese(text, table, column) or text


def _phrase(text: str) -> str | None:
    for pattern, kinds, chinese in _patterns():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        words = [
            in_chinese(value) if kind == "{w}" else value
            for kind, value in zip(kinds, match.groups(), strict=True)
        ]
        return None if None in words else _filled(chinese, words)
    return None


def _filled(chinese: str, words: Sequence[str | None]) -> str:
    following = iter(words)
    return _PLACE.sub(lambda _place: next(following) or "", chinese)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], tuple[str, ...], str], ...]:
    rows: Any = read_document(_FILE).value
    return tuple(_pattern(row) for row in rows)


def _pattern(row: Mapping[str, str]) -> tuple[re.Pattern[str], tuple[str, ...], str]:
    places = tuple(_PLACE.findall(row["en"]))
    if set(row) != {"en", "zh"} or places != tuple(_PLACE.findall(row["zh"])):
        raise ContractError(
            "a phrase is not a pair of texts with the same places",
            where=f"{_FILE.name}: {row['en']}",
            expected="en and zh with the same {n} and {w} in the same order",
        )
    pieces = _PLACE.split(row["en"])
    parts = [re.escape(pieces[0])]
    for place, piece in zip(places, pieces[1:], strict=True):
        parts += [_PLACES[place], re.escape(piece)]
    return re.compile("".join(parts)), places, row["zh"]


@cache
def _codes_of(table: str, column: str) -> Mapping[str, str]:
    contract = read_table_contracts().get(table)
    known = next((c for c in contract.columns if c.name == column), None) if contract else None
    return code_labels(known.code_list, "zh") if known and known.code_list else {}


@cache
def code_labels(code_list: str, language: str) -> Mapping[str, str]:
    """Return what the codes of a list are called, in `en` or `zh`."""
    codes = read_code_lists().get(code_list, ())
    return {one.code: one.label_zh if language == "zh" else one.label_en for one in codes}
