"""The words for which somebody is held, where only the data manager may read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from schemas.errors import BadInputError
from schemas.run.atomic_files import write_bytes
from schemas.run.settings import Settings
from schemas.run.zones import Zones
from schemas.vault.keys import read_key_file
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.hits import ScanHit
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_accepted_words import (
    ACCEPTED_NAME,
    Accepted,
    Decision,
    add_decision,
    is_decidable,
    read_accepted,
)
from tasks.deidentify.search.store_identifiers import IDENTIFIERS_NAME, read_identifiers
from tasks.deidentify.search.store_scan import scan_paths

HELD_NAME = "held_words.csv"
#: So many files of those with a hit are searched again to tell which word it was.
_LOOKED_INTO = 5


class HeldWord(NamedTuple):
    """One word of one batch that keeps somebody out (restricted)."""

    site: str
    batch: str
    subject_id: str
    kind: str
    file: str
    value: str

    @property
    def identifier(self) -> Identifier:
        """What a decision would be about."""
        return Identifier(IdentifierKind(self.kind), self.value)


def sealed_files(settings: Settings) -> list[Path]:
    """Return the sealed identifiers of every batch."""
    return sorted((settings.zones.restricted / "batches").glob(f"[SX]*/*/{IDENTIFIERS_NAME}"))


def keep_held_words(settings: Settings, hits: Sequence[ScanHit], folder: Path) -> None:
    """Write down which words of which batch were found, beside those found already."""
    ring = read_key_file(settings.master_key_file)
    words = [
        word
        for path in sealed_files(settings)
        for word in held_words(
            path.parent.parent.name, path.parent.name, read_identifiers(path, ring), hits, folder
        )
    ]
    write_held_words(settings.zones.restricted / HELD_NAME, words)


def held_words(
    site: str,
    batch: str,
    people: Iterable[SubjectIdentifiers],
    hits: Sequence[ScanHit],
    folder: Path,
) -> list[HeldWord]:
    """Return which words of one batch were found in a folder, and in which file below it."""
    files: dict[tuple[str, IdentifierKind], list[Path]] = {}
    for hit in hits:
        files.setdefault((hit.subject_id, hit.kind), []).append(hit.path)
    return [
        HeldWord(
            site,
            batch,
            person.subject_id,
            str(one.kind),
            place.relative_to(folder).as_posix(),
            one.value,
        )
        for person in people
        for one in sorted(person.identifiers)
        for place in _place_of(person, one, files.get((person.subject_id, one.kind), ()))
    ]


def write_held_words(path: Path, words: Iterable[HeldWord]) -> None:
    """Add words to a file of them, mode 0600."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HeldWord._fields)
    for word in sorted({*_read(path), *words}):
        writer.writerow(word)
    write_bytes(path, text.getvalue().encode("utf-8"), mode=0o600)


def forget_held_words(zones: Zones) -> None:
    """Begin anew: a release says itself whom it holds."""
    (zones.restricted / HELD_NAME).unlink(missing_ok=True)


def undecided_words(zones: Zones) -> list[HeldWord]:
    """Return the words that hold somebody and are not decided, in the order of their numbers."""
    accepted = read_accepted(zones.restricted / ACCEPTED_NAME)
    places = [
        zones.restricted / HELD_NAME,
        *(zones.restricted / "batches").glob(f"[SX]*/*/{HELD_NAME}"),
    ]
    found = {word for path in places for word in _read(path)}
    return [word for word in sorted(found) if not _is_decided(word, accepted)]


def accept_word(zones: Zones, number: int, decision: Decision) -> HeldWord:
    """Decide that the word of a number in the list names nobody; return it.

    Raises
    ------
    BadInputError
        If there is no such number, or the word is of a kind that nobody may decide.
    """
    words = undecided_words(zones)
    if not 1 <= number <= len(words):
        raise BadInputError("there is no such word", expected=f"1 to {len(words)}")
    word = words[number - 1]
    if not is_decidable(word.identifier.kind):
        raise BadInputError(
            f"a {word.kind} of a patient cannot be decided",
            expected="a word of staff, a hospital or an address",
            hint="The subject stays held. Ask the site for corrected images.",
        )
    add_decision(zones.restricted / ACCEPTED_NAME, word.site, word.identifier, decision)
    return word


def _is_decided(word: HeldWord, accepted: Accepted) -> bool:
    return (word.site, word.identifier) in accepted


def _place_of(person: SubjectIdentifiers, one: Identifier, files: Sequence[Path]) -> Iterator[Path]:
    """Yield the first of the smaller files that holds this very identifier."""
    alone = Dictionary([replace(person, identifiers=frozenset([one]))])
    for path in sorted(set(files), key=lambda p: (p.stat().st_size, p))[:_LOOKED_INTO]:
        if scan_paths([path], alone):
            yield path
            return


def _read(path: Path) -> list[HeldWord]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [HeldWord(**row) for row in csv.DictReader(stream)]
