"""A person's own words as they may stand in a picture: what the inspection matches.

Everything here is restricted: it goes to the memory of workers and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from schemas.handover.workbench import Workbench
from schemas.identifiers import BatchId, SiteCode
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.deidentify.identifiers import (
    Identifier,
    IdentifierKind,
    PersonsInHeaders,
    SubjectIdentifiers,
)
from tasks.deidentify.rules.values import read_date
from tasks.deidentify.search.name_forms import full_names, initials, name_groups
from tasks.deidentify.search.store_identifiers import read_identifiers
from tasks.deidentify.search.store_scan_batch import linked_identifiers
from tasks.deidentify.search.store_spellings import learn_spellings

_NAMES = frozenset({IdentifierKind.NAME, IdentifierKind.PHYSICIAN})
_DATES = frozenset({IdentifierKind.DATE, IdentifierKind.BIRTH_DATE})
_DAYS = ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%y%m%d", "%Y年%m月%d日")


def picture_words(bench: Workbench) -> Mapping[str, frozenset[str]]:
    """Return the words of each person of a batch, by pseudonym."""
    people = [*bench.take(PersonsInHeaders).identifiers.values(), *linked_identifiers(bench)]
    learn_spellings(people)
    found: dict[str, frozenset[str]] = {}
    for person in people:
        own = found.get(person.subject_id, frozenset())
        found[person.subject_id] = own | words_of(person)
    return found


def kept_picture_words(
    zones: Zones, ring: KeyRing, site: SiteCode, batch: BatchId
) -> Mapping[str, frozenset[str]]:
    """Return the words of each person of a committed batch, by pseudonym."""
    path = zones.restricted_batch(site, batch) / "identifiers.sealed"
    people = read_identifiers(path, ring) if path.is_file() else []
    learn_spellings(people)
    return {person.subject_id: words_of(person) for person in people}


def words_of(person: SubjectIdentifiers) -> frozenset[str]:
    """Return names in Han, pinyin and initials, numbers, dates, hospitals of one person."""
    return frozenset(word for identifier in person.identifiers for word in _words(identifier))


def _words(identifier: Identifier) -> Iterator[str]:
    kind, value = identifier
    if kind in _NAMES:
        yield from _name_words(value, with_initials=kind is IdentifierKind.NAME)
    elif kind in _DATES:
        day = read_date(value)
        if day is not None:
            yield from (f"{day:{form}}" for form in _DAYS)
    elif kind is not IdentifierKind.UID:
        yield value


def _name_words(name: str, *, with_initials: bool) -> Iterable[str]:
    for parts in name_groups(name):
        yield from full_names(parts)
        yield from parts
        if with_initials:
            yield from initials(parts)
