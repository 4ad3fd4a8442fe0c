"""Words that change what their neighbours mean, settled before a description is cut into words.

`no IV contrast` denies the contrast, `post ablation` speaks of a treatment, `in expiration` of
breathing. The idioms stand in `data_contracts/sequence_labels/idioms.csv`. Whatever follows
`post`, `pre` and the like without being a technique word is taken for such an event as well:
an open list that nobody can complete is closed by default.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import label_tables_root, reads_kept_tables
from schemas.rule_tables import Cells, TableShape, read_table

_SHAPE = TableShape(
    ("name", "trigger", "pattern", "written", "reason", "source"),
    key=("name",),
    stated=("name", "pattern", "reason", "source"),
)
#: Words that only mean contrast, or an echo, when a technique word or nothing follows.
_OPENING = frozenset({"post", "pre", "nach", "vor", "apres", "avant", "in"})
_OPEN = re.compile(
    rf"(?<![a-z])(?:{'|'.join(sorted(_OPENING))})[ ._\-]+"
    r"(?!(?:and|und|with|the)(?![a-z]))(?=([a-z]{3,})(?![a-z]))"
)
_BREAK = re.compile(r"[^a-z]+")
_CAMEL = re.compile(r"(?<![A-Za-z])[A-Za-z]*[a-z][A-Z][A-Za-z]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Idiom:
    """One idiom: words of which one must be there, its pattern, and what is written for it."""

    trigger: frozenset[str]
    pattern: re.Pattern[str]
    written: str


@lru_cache(maxsize=1)
def read_idioms() -> tuple[tuple[Idiom, ...], tuple[Idiom, ...]]:
    """Read the idioms in force, once: those of ASCII texts, and the others."""
    path = label_tables_root() / "sequence_labels" / "idioms.csv"
    if reads_kept_tables() and not path.is_file():
        return (), ()  # tables of a version before 2.0.0, kept to compare with
    every = read_idiom_table(path)
    plain = tuple(idiom for idiom in every if idiom.pattern.pattern.isascii())
    return plain, tuple(idiom for idiom in every if idiom not in plain)


def read_idiom_table(path: Path) -> tuple[Idiom, ...]:
    """Read a table of idioms.

    Raises
    ------
    ContractError
        For a row without reason, source or a pattern that can be used; names file and line.
    """
    return tuple(read_table(path, _SHAPE, _idiom))


def _idiom(row: Cells) -> Idiom:
    try:
        pattern = re.compile(row["pattern"])
    except re.error:
        raise ContractError("a pattern that cannot be used") from None
    written = row["written"]
    # Cells have no spaces at their ends: a word stands apart again, Han characters need not.
    apart = f" {written} " if written and written.isascii() else written or " "
    return Idiom(frozenset(row["trigger"].split()), pattern, apart)


def settle_idioms(text: str, known: Container[str]) -> str:
    """Return a normalised text with its idioms written as words.

    Parameters
    ----------
    text : str
        Lower case, width and diacritics folded.
    known : container of str
        The technique words.
    """
    ascii_idioms, others = read_idioms()
    if not text.isascii():
        for idiom in others:
            text = idiom.pattern.sub(idiom.written, text)
    words = set(_BREAK.split(text))
    # Most texts hold no word that begins an idiom.
    if _triggers() & words:
        for idiom in ascii_idioms:
            if idiom.trigger & words:
                text = idiom.pattern.sub(idiom.written, text)
        if _OPENING & words:
            text = _OPEN.sub(lambda match: match[0] if match[1] in known else " ", text)
    return text


@lru_cache(maxsize=1)
def _triggers() -> frozenset[str]:
    return _OPENING.union(*(idiom.trigger for idiom in read_idioms()[0]))


def part_camel_case(text: str, is_known: Container[str]) -> str:
    """Return a text with the parts of words like `IsoADC` set apart, where the whole is unknown."""
    if text.isupper() or text.islower():
        return text
    return _CAMEL.sub(
        lambda match: match[0] if match[0].lower() in is_known else _HUMP.sub(" ", match[0]), text
    )
