"""Labels from text alone: what a description says, without header, time or exam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from schemas.dicom.descriptors import clean_words
from tasks.harmonise.decide import CT_PHASE_LABELS, decide
from tasks.harmonise.matching import Scope, read_matcher, text_votes, word_as_read
from tasks.harmonise.reconstruction import BODY, kernel_class_of_words
from tasks.harmonise.vocabulary import UNCLASSIFIED
from tasks.harmonise.votes import Facets, Vote, resolve

_NO_PHYSICS = Facets()
_CT_PHASES = frozenset(CT_PHASE_LABELS.values()) - {"CT_NC", "CT_MULTI"}


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
    words = clean_words(description)
    found = _label_words(tuple(map(word_as_read, words)), vendor, modality)
    if found.label in _CT_PHASES and kernel_class_of_words(" ".join(words)) not in (BODY, None):
        # The phase is that of the scan; alone, a lung or bone image of it is none of the liver.
        return StringLabel(UNCLASSIFIED, "X", (*found.evidence, "KERNEL SeriesDescription"))
    return found


@lru_cache(maxsize=65536)
def _label_words(words: tuple[str, ...], vendor: str, modality: str) -> StringLabel:
    scope = Scope(modality.strip().upper() or None, vendor.strip() or None)
    votes = text_votes(read_matcher(), " ".join(words), scope, "SeriesDescription")
    return _label_votes(scope.modality, tuple(votes))


@lru_cache(maxsize=65536)
def _label_votes(modality: str | None, votes: tuple[Vote, ...]) -> StringLabel:
    decision = decide(modality, resolve(votes), _NO_PHYSICS)
    return StringLabel(decision.label, decision.tier, decision.evidence)
