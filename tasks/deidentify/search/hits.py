"""What a search found, whom that keeps out of what is about to be published, and what stops it.

One word in one header must not stop the sites that never wrote it. What stands in a person's
own row or object keeps that person out. What stands where nobody's data stand (a document, a
code list) keeps out who brought the word: made again without that person, the text either has
lost it, or has never had it from there. So what still holds a word of somebody who is not
inside does not have it from them. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.deidentify.identifiers import IdentifierKind

#: What stands in rows of more other sites than this, none of which brought it, is a word of the
#: trade there (the name of a scanner, say) and no name that wandered.
_MOST_OTHER_SITES = 1


@dataclass(frozen=True, order=True)
class ScanHit:
    """One kind of identifier of one person in one file; never the value.

    Parameters
    ----------
    path : Path
        The file.
    kind : IdentifierKind
        What sort of identifier it is.
    subject_id : str
        Whose identifier it is: empty for what generic detectors find.
    whose : str
        The person whose row, object or file it stands in; empty where that is nobody's.
    one_word : bool
        Whether it is one Latin word without a digit.
    """

    path: Path = field(repr=False)
    kind: IdentifierKind
    subject_id: str
    whose: str = ""
    one_word: bool = False


@dataclass(frozen=True)
class Judged:
    """What follows from the hits of one search.

    Parameters
    ----------
    hold : frozenset of str
        Pseudonyms of those who are inside and must not be.
    stop : tuple of ScanHit
        What nobody can be held for: a number by its form alone, where nobody's data stand.
    """

    hold: frozenset[str]
    stop: tuple[ScanHit, ...]

    @property
    def is_clean(self) -> bool:
        """Whether what was searched may be published."""
        return not self.hold and not self.stop


def judge_hits(hits: Iterable[ScanHit], inside: Collection[str]) -> Judged:
    """Return whom the hits keep out, and which of them stop everything.

    Parameters
    ----------
    hits : iterable of ScanHit
        What was found.
    inside : collection of str
        Pseudonyms of everybody of whom something stands in what was searched.
    """
    found = list(hits)
    sites = _other_sites(found)
    hold = {person for hit in found for person in _held_for(hit, sites)}
    stop = tuple(sorted(hit for hit in found if not hit.subject_id and not hit.whose))
    return Judged(frozenset(hold & set(inside)), stop)


def telling_hits(hits: Iterable[ScanHit], inside: Collection[str]) -> list[ScanHit]:
    """Return the hits that keep somebody out, or stop everything."""
    found, people = list(hits), set(inside)
    sites = _other_sites(found)
    return [
        hit for hit in found if people & _held_for(hit, sites) or not (hit.subject_id or hit.whose)
    ]


_Sites = dict[tuple[str, IdentifierKind], set[str]]


def _held_for(hit: ScanHit, sites: _Sites) -> set[str]:
    if not hit.subject_id or site_of(hit.whose) == site_of(hit.subject_id):
        return {hit.subject_id, hit.whose}
    wandered = not hit.one_word and len(sites[hit.subject_id, hit.kind]) <= _MOST_OTHER_SITES
    return {hit.subject_id, hit.whose} if wandered else {hit.subject_id}


def _other_sites(hits: Iterable[ScanHit]) -> _Sites:
    sites: _Sites = defaultdict(set)
    for hit in hits:
        if hit.whose and site_of(hit.whose) != site_of(hit.subject_id):
            sites[hit.subject_id, hit.kind].add(site_of(hit.whose))
    return sites


def site_of(subject_id: str) -> str:
    """Return the site code of a pseudonym."""
    return subject_id.partition("-")[0]
