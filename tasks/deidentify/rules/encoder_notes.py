"""Notes that encoders leave about themselves in compressed images: software, and nobody's name.

Rows stand in `data_contracts/deidentification/encoder_notes.csv`. A note is known when it is
made of words of the table and of version numbers, a name of software first; so a new version
needs no row, and a name of a person never passes for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table

_FILE = "encoder_notes.csv"
_KINDS = ("name", "filler", "version", "whole")
_COLUMNS = ("kind", "value", "reason", "source")
_SHAPE = TableShape(_COLUMNS, key=("kind", "value"), stated=_COLUMNS)
_LONGEST_NOTE, _MOST_VERSIONS = 96, 3
_LATIN_NOTE = b"\0\x01"  # JPEG 2000 says so before a text (ISO/IEC 15444-1 table A.44)
_BETWEEN_WORDS = re.compile(r"[\s,:;/()\[\]]+|-(?=v?\d)|(?<=[a-z])_(?=v?\d)")


@dataclass(frozen=True)
class EncoderNotes:
    """Words and patterns that notes are made of."""

    names: frozenset[str]
    fillers: frozenset[str]
    versions: tuple[re.Pattern[str], ...]
    wholes: tuple[re.Pattern[str], ...]

    def know(self, note: bytes) -> bool:
        """Return whether a comment segment is a note of an encoder, and nothing else."""
        try:
            text = note.removeprefix(_LATIN_NOTE).rstrip(b"\0").decode("ascii")
        except UnicodeDecodeError:
            return False
        if any(pattern.fullmatch(text) for pattern in self.wholes):
            return True
        words = [word for word in _BETWEEN_WORDS.split(text) if word]
        if len(text) > _LONGEST_NOTE or not words:
            return False
        named = [word.upper() in self.names for word in words]
        versions = [any(p.fullmatch(word) for p in self.versions) for word in words]
        fillers = [word.upper() in self.fillers for word in words]
        # What stands before the first name may only be opening words.
        first = named.index(True) if True in named else len(words)
        known = all(map(any, zip(named, versions, fillers, strict=True)))
        return (
            known
            and first < len(words)
            and all(fillers[:first])
            and (sum(v and not f for v, f in zip(versions, fillers, strict=True)) <= _MOST_VERSIONS)
        )


@lru_cache(maxsize=1)
def load_encoder_notes() -> EncoderNotes:
    """Return the table in force."""
    return read_encoder_notes(data_contracts_dir() / "deidentification" / _FILE)


def read_encoder_notes(path: Path) -> EncoderNotes:
    """Read the table.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    texts: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for kind, text in read_table(path, _SHAPE, _note):
        texts[kind].append(text)
    names, fillers = (
        frozenset(word for text in texts[kind] for word in text.split("|"))
        for kind in ("name", "filler")
    )
    versions, wholes = (
        tuple(re.compile(text, re.IGNORECASE) for text in texts[kind])
        for kind in ("version", "whole")
    )
    return EncoderNotes(names, fillers, versions, wholes)


def _note(row: Cells) -> tuple[str, str]:
    if row["kind"] not in _KINDS:
        raise ContractError("a row of no known kind", expected=", ".join(_KINDS))
    try:
        re.compile(row["value"])
    except re.error:
        raise ContractError("a value that is no pattern") from None
    return row["kind"], row["value"]
