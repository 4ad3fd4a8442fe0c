"""Words that our own outputs are made of: to find one of them says nothing of a person."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from schemas.package_data import data_contracts_dir

_LATIN = re.compile(r"[a-z]{3,}")
#: A source names its first author, who may be called as somebody's doctor is.
_AUTHORS = re.compile(r"[\w'-]+(?=,? et al)|[\w'-]+ and [\w'-]+(?=,? (?:19|20)\d\d)")
#: One to three syllables of pinyin, as the parts of a Han name are written.
_PINYIN = re.compile(
    r"(?:(?:[bpmfdtnlgkhjqxrzcsyw]|[zcs]h)?"
    r"(?:[iu]?ang|i?ong|[aeio]ng|u?ai|i?ao|[iu]?an|[aeiu]n|[eu]i|[io]u|ia|ie|ua|uo|ue|er|[aeiouv])){1,3}"
)
_SUFFIXES = (".yaml", ".csv", ".md", ".j2", ".js", ".txt", ".sql", ".R")
#: Keys and sentences of the documents of a release stand in the code that writes them.
_WRITES_DOCUMENTS = "publish"
#: Names of hospitals are no words of ours.
_NOT_OURS = "sites"


@cache
def _own_text() -> str:
    contracts = data_contracts_dir()
    tasks = Path(__file__).parents[2]
    found = [
        path
        for root in (contracts, tasks)
        for path in sorted(root.rglob("*"))
        if path.suffix in _SUFFIXES and _NOT_OURS not in path.relative_to(root).parts
    ]
    found += sorted((tasks / _WRITES_DOCUMENTS).rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8").lower() for path in found)


@cache
def _own_latin() -> frozenset[str]:
    return frozenset(_LATIN.findall(_AUTHORS.sub(" ", _own_text())))


def is_own_words(text: str) -> bool:
    """Return whether a text is nothing but words that stand in every release.

    Latin words count one by one, a Han text as it stands. Digits never do: `System 1234567`
    holds a number.
    """
    lower = text.strip().lower()
    if any(c.isdigit() for c in lower) or not lower:
        return False
    if not lower.isascii():
        return len(lower) <= _LONGEST_HAN and lower in _own_text()
    words = _LATIN.findall(lower)
    if len(words) > 1 and all(_PINYIN.fullmatch(word) for word in words):
        return False  # `Long Bin` is a name before it is two words
    rest = _LATIN.sub("", lower)
    return bool(words) and not any(c.isalpha() for c in rest) and _own_latin().issuperset(words)


_LONGEST_HAN = 4
