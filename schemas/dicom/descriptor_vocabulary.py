"""The closed vocabulary of technique words, read from its file into a typed model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from schemas.errors import ContractError
from schemas.package_data import label_tables_root
from schemas.rule_tables import read_signed, signed_text, table_name

_SECTION = re.compile(r"\[([A-Za-z][A-Za-z \-]*)\]")
_HAN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_WORD = re.compile(rf"[a-z0-9+\-*/.]+|[{_HAN}]+|[a-z]?\d?[{_HAN}]+\d?|重t2")
_SHORTEST_FREELY_GLUED = 4
_MAY_BE_GLUED = "short words that may be glued"


@dataclass(frozen=True)
class Vocabulary:
    """What a description may keep.

    `words` maps every surface form to the words written for it; `phrases` are the surfaces
    with punctuation or mixed scripts, found before the text is cut into words; `glueable`
    may be found inside a longer run of letters, `glue_starts` and `glue_ends` are their first and
    last two characters; `name_like` also name people.
    """

    words: dict[str, tuple[str, ...]]
    phrases: frozenset[str]
    glueable: frozenset[str]
    glue_starts: frozenset[str]
    glue_ends: frozenset[str]
    name_like: frozenset[str]
    longest_han: int


@dataclass
class _Section:
    name: str
    line_no: int
    reason: str = ""
    source: str = ""


@lru_cache(maxsize=1)
def read_vocabulary() -> Vocabulary:
    """Read the vocabulary in force, once."""
    path = label_tables_root() / "deidentification" / "descriptor_vocabulary.txt"
    return parse_vocabulary(read_signed(path), table_name(path))


def parse_vocabulary(data: bytes | str, file_name: str) -> Vocabulary:
    """Parse a vocabulary file.

    Raises
    ------
    ContractError
        For a section without reason or source, a word that is not written as words are, or
        a canonical form that is not a word; the message names file and line.
    """
    words: dict[str, tuple[str, ...]] = {}
    aliases: list[tuple[int, str, tuple[str, ...]]] = []
    glued_short: set[str] = set()
    name_like: set[str] = set()
    section = _Section("", 0)
    for line_no, raw in enumerate(signed_text(data, file_name).split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if _SECTION.fullmatch(line):
            section = _Section(line[1:-1], line_no)
        elif line.startswith("reason:"):
            section.reason = line.removeprefix("reason:").strip()
        elif line.startswith("source:"):
            section.source = line.removeprefix("source:").strip()
        else:
            surfaces = _read_words(line, section, words, aliases, f"{file_name}:{line_no}", line_no)
            if section.name == _MAY_BE_GLUED:
                glued_short.update(surfaces)
            if section.name.startswith("name-like"):
                name_like.update(surfaces)
    for line_no, surface, canonical in aliases:
        _require_words(canonical, words, f"{file_name}:{line_no}")
        words[surface] = canonical
    return _vocabulary(words, glued_short, name_like)


def _read_words(
    line: str,
    section: _Section,
    words: dict[str, tuple[str, ...]],
    aliases: list[tuple[int, str, tuple[str, ...]]],
    where: str,
    line_no: int,
) -> list[str]:
    if not section.reason or not section.source:
        raise ContractError(
            "words of a section without reason and source",
            where=where,
            hint="Write `reason:` and `source:` below the section's name.",
        )
    surface_part, _, canonical_part = line.partition(" = ")
    surfaces, canonical = surface_part.split(), tuple(canonical_part.split())
    for word in (*surfaces, *canonical):
        if not _WORD.fullmatch(word):
            raise ContractError(
                "a word in a form no cleaned text has",
                expected="lower case letters, digits and + - * / . or Chinese characters",
                where=where,
            )
    if canonical and len(surfaces) != 1:
        raise ContractError("an alias of more than one surface form", where=where)
    if canonical:
        aliases.append((line_no, surfaces[0], canonical))
    else:
        words.update((word, (word,)) for word in surfaces)
    return surfaces


def _require_words(
    canonical: tuple[str, ...], words: dict[str, tuple[str, ...]], where: str
) -> None:
    if any(words.get(word) != (word,) for word in canonical):
        raise ContractError("an alias of a form that is not itself a word", where=where)


def _vocabulary(
    words: dict[str, tuple[str, ...]], glued_short: set[str], name_like: set[str]
) -> Vocabulary:
    plain = re.compile(rf"[a-z0-9]+|[{_HAN}]+")
    glueable = {
        word
        for word in words
        if re.fullmatch("[a-z0-9]+", word)
        and word not in name_like
        and (len(word) >= _SHORTEST_FREELY_GLUED or word in glued_short)
    }
    return Vocabulary(
        words=words,
        phrases=frozenset(word for word in words if not plain.fullmatch(word)),
        glueable=frozenset(glueable),
        glue_starts=frozenset(word[:2] for word in glueable),
        glue_ends=frozenset(word[-2:] for word in glueable),
        name_like=frozenset(name_like),
        longest_han=max(len(word) for word in words if not word.isascii()),
    )
