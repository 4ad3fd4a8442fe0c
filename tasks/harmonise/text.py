"""Labels from text alone: what a description says, without header, time or exam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from schemas.dicom.descriptors import clean_words
from tasks.harmonise.decide import decide
from tasks.harmonise.matching import Scope, read_matcher, text_votes, word_as_read
from tasks.harmonise.votes import Facets, Vote, resolve

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


def label_string(description: str, vendor: str = "", modality: str = "") -> StringLabel:
    """Label one description from its text alone; see `label_strings`."""
    return _label_words(tuple(map(word_as_read, clean_words(description))), vendor, modality)


@lru_cache(maxsize=65536)
def _label_words(words: tuple[str, ...], vendor: str, modality: str) -> StringLabel:
    scope = Scope(modality.strip().upper() or None, vendor.strip() or None)
    votes = text_votes(read_matcher(), " ".join(words), scope, "SeriesDescription")
    return _label_votes(scope.modality, tuple(votes))


@lru_cache(maxsize=65536)
def _label_votes(modality: str | None, votes: tuple[Vote, ...]) -> StringLabel:
    decision = decide(modality, resolve(votes), _NO_PHYSICS)
    return StringLabel(decision.label, decision.tier, decision.evidence)
