"""Contrast agents by any of their names, read from a table."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import label_tables_root
from schemas.rule_tables import Cells, TableShape, read_table

AGENT_CLASSES = frozenset({"extracellular", "gadoxetate", "gadobenate", "other", "iodinated"})
_COLUMNS = ("synonym", "agent", "agent_class", "reason", "source")
_SHAPE = TableShape(_COLUMNS, key=("synonym",), stated=_COLUMNS)

Agents = tuple[tuple[re.Pattern[str], str], ...]


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
    classes = {kind for pattern, kind in read_agent_table() if pattern.search(folded)}
    return classes.pop() if len(classes) == 1 else None


@lru_cache(maxsize=1)
def read_agent_table() -> Agents:
    """Read the table of agents in force, once: the pattern of each synonym, and its class."""
    return read_agents(label_tables_root() / "sequence_labels" / "contrast_agents.csv")


@lru_cache(maxsize=1)
def _any_agent() -> re.Pattern[str]:
    # Most texts name no agent; one search says so instead of one for each synonym. Those of one
    # kind stand together, so that a place where none can begin is passed at its first letter.
    patterns = [pattern.pattern for pattern, _ in read_agent_table()]
    words = [p[len(_LEFT) : -len(_RIGHT)] for p in patterns if p.startswith(_LEFT)]
    rest = [p for p in patterns if not p.startswith(_LEFT)]
    return re.compile("|".join([f"{_LEFT}(?:{'|'.join(words)}){_RIGHT}", *rest]))


def read_agents(path: Path) -> Agents:
    """Read a table of agents into patterns that match a synonym as a whole word.

    Raises
    ------
    ContractError
        If a row lacks a value, repeats a synonym or names an unknown class.
    """
    return tuple(read_table(path, _SHAPE, _agent))


def _agent(row: Cells) -> tuple[re.Pattern[str], str]:
    if row["agent_class"] not in AGENT_CLASSES:
        raise ContractError("an unknown agent class", expected=", ".join(sorted(AGENT_CLASSES)))
    return _pattern(row["synonym"]), row["agent_class"]


_LEFT, _RIGHT = "(?<![a-z])", "(?![a-z])"


def _pattern(synonym: str) -> re.Pattern[str]:
    folded = unicodedata.normalize("NFKC", synonym).lower()
    if not folded.isascii():
        return re.compile(re.escape(folded))
    spaced = re.escape(folded).replace(r"\-", r"[\s_\-]?").replace(r"\ ", r"[\s_\-]?")
    return re.compile(f"{_LEFT}{spaced}{_RIGHT}")
