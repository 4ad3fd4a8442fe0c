"""Contrast agents by any of their names, read from a table."""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import lru_cache
from io import StringIO

from schemas.errors import ContractError
from schemas.package_data import label_tables_root
from schemas.rule_tables import refusing_bad_csv

AGENT_CLASSES = frozenset({"extracellular", "gadoxetate", "gadobenate", "other", "iodinated"})
_COLUMNS = ["synonym", "agent", "agent_class", "reason", "source"]


def read_agent_class(text: str) -> str | None:
    """Return the class of the contrast agent that a text names.

    Parameters
    ----------
    text : str
        ContrastBolusAgent (0018,0010), a protocol name or a cleaned description.

    Returns
    -------
    str or None
        `extracellular`, `gadoxetate`, `gadobenate` (apart, because it has a delayed and a late
        hepatobiliary phase), `other` (of MR: blood pool, iron, manganese) or `iodinated`; None
        when the text names no known agent or agents of several classes.
    """
    return _read_agent_class(text)


@lru_cache(maxsize=4096)
def _read_agent_class(text: str) -> str | None:
    folded = unicodedata.normalize("NFKC", text).lower()
    if _any_agent().search(folded) is None:
        return None
    classes = {kind for pattern, kind in _agent_patterns() if pattern.search(folded)}
    return classes.pop() if len(classes) == 1 else None


@lru_cache(maxsize=1)
def _agent_patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    path = label_tables_root() / "sequence_labels" / "contrast_agents.csv"
    return parse_agents(path.read_text(encoding="utf-8"), path.name)


@lru_cache(maxsize=1)
def _any_agent() -> re.Pattern[str]:
    # Most texts name no agent; one search says so instead of one for each synonym. Those of one
    # kind stand together, so that a place where none can begin is passed at its first letter.
    patterns = [pattern.pattern for pattern, _ in _agent_patterns()]
    words = [p[len(_LEFT) : -len(_RIGHT)] for p in patterns if p.startswith(_LEFT)]
    rest = [p for p in patterns if not p.startswith(_LEFT)]
    return re.compile("|".join([f"{_LEFT}(?:{'|'.join(words)}){_RIGHT}", *rest]))


def parse_agents(text: str, file_name: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Parse the table of agents into patterns that match a synonym as a whole word.

    Raises
    ------
    ContractError
        If a row lacks a value, repeats a synonym or names an unknown class.
    """
    reader = csv.DictReader(StringIO(text))
    with refusing_bad_csv(file_name, ContractError):
        if reader.fieldnames != _COLUMNS:
            raise ContractError("other columns", expected=", ".join(_COLUMNS), where=file_name)
        rows = [(reader.line_num, row) for row in reader]
    seen: set[str] = set()
    patterns = []
    for line, row in rows:
        where = f"{file_name}:{line}"
        if not all(row[column] for column in _COLUMNS):
            raise ContractError("a row with an empty value", where=where)
        if row["agent_class"] not in AGENT_CLASSES:
            raise ContractError(
                "an unknown agent class", expected=", ".join(sorted(AGENT_CLASSES)), where=where
            )
        if row["synonym"] in seen:
            raise ContractError("a synonym that stands twice", where=where)
        seen.add(row["synonym"])
        patterns.append((_pattern(row["synonym"]), row["agent_class"]))
    return tuple(patterns)


_LEFT, _RIGHT = "(?<![a-z])", "(?![a-z])"


def _pattern(synonym: str) -> re.Pattern[str]:
    folded = unicodedata.normalize("NFKC", synonym).lower()
    if not folded.isascii():
        return re.compile(re.escape(folded))
    spaced = re.escape(folded).replace(r"\-", r"[\s_\-]?").replace(r"\ ", r"[\s_\-]?")
    return re.compile(f"{_LEFT}{spaced}{_RIGHT}")
