"""Labels from text alone: what a description says, without header, time or exam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from schemas.descriptors import clean_descriptor
from tasks.harmonise.decide import Decision, decide
from tasks.harmonise.matching import Scope, read_matcher, text_votes
from tasks.harmonise.votes import Facets, resolve

_NO_PHYSICS = Facets()


@dataclass(frozen=True)
class StringLabel:
    """The label of one description: tier and evidence as on a series."""

    label: str
    tier: str
    evidence: tuple[str, ...]


def label_strings(rows: Iterable[Mapping[str, str]]) -> list[StringLabel]:
    """Label descriptions from their text alone.

    Parameters
    ----------
    rows : iterable of mapping
        `description`, `vendor`, `modality`; the last two may be empty or missing.

    Returns
    -------
    list of StringLabel
        One per row, in order. What the text does not settle is UNCLASSIFIED.
    """
    return [
        label_string(
            row.get("description") or "", row.get("vendor") or "", row.get("modality") or ""
        )
        for row in rows
    ]


@lru_cache(maxsize=65536)
def label_string(description: str, vendor: str = "", modality: str = "") -> StringLabel:
    """Label one description from its text alone; see `label_strings`."""
    scope = Scope(modality.strip().upper() or None, vendor.strip() or None)
    decision = decide_text(clean_descriptor(description), scope)
    return StringLabel(decision.label, decision.tier, decision.evidence)


@lru_cache(maxsize=65536)
def decide_text(text: str, scope: Scope) -> Decision:
    """Return what a cleaned description settles on its own."""
    votes = text_votes(read_matcher(), text, scope, "SeriesDescription")
    return decide(scope.modality, resolve(votes), _NO_PHYSICS)
