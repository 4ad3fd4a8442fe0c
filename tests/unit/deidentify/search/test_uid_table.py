"""UIDs found by their beginnings: the same, at the same places, as by a pattern for each."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace

import pytest

from tasks.deidentify.identifiers import Identifier, SubjectIdentifiers
from tasks.deidentify.identifiers import IdentifierKind as K
from tasks.deidentify.search import pattern_table, uid_table
from tasks.deidentify.search.needles import needles_of
from tasks.deidentify.search.residual_scan import Dictionary, Match, stands_alone

ROOT = "1.2.840.113619.2.55.3"
UIDS = (
    *(f"{ROOT}.{n}" for n in (1, 12, 123, 1234567)),
    f"{ROOT}.123.4",  # begins with another that is a UID as well
    f"{ROOT}.1234567.0.0.1",
    *("1.3.12.2.1107.5.2.7", "2.25.48104", "0.9.2342.19200300.100.1", "1.2.840.113619.2.55"),
    *("1.2.3.4.5.6.7.8", "1.2.3.4", "1.2.840.113619.2.55.3.x", f"{ROOT}.9.", "12345678"),
)
PEOPLE = [
    SubjectIdentifiers(f"S91-AAAAAAA{letter}", None, frozenset(Identifier(K.UID, u) for u in own))
    for letter, own in (("A", UIDS[::2]), ("B", UIDS[1::2]), ("C", UIDS[:3]))
]
NEEDLES = {needle for person in PEOPLE for needle in needles_of(person)}
BESIDE = (b"", b".", b"0", b"00", b"7", b" ", b"\0", b"\0.", b"\x001", b"1\0", b"9.", b".5", b"x")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


def by_a_pattern_for_each(data: bytes) -> frozenset[Match]:
    """Find each needle of each person by itself: no automaton, no table."""
    text = data.decode("latin-1")
    found = set()
    for needle in NEEDLES:
        looked_in = text.lower() if needle.folded else text
        pattern = needle.pattern.decode("latin-1")
        start = looked_in.find(pattern)
        while start >= 0:
            if stands_alone(looked_in, start + len(pattern) - 1, needle):
                found.add(Match(needle.kind, needle.subject_id, needle.one_word))
            start = looked_in.find(pattern, start + 1)
    return frozenset(found)


@pytest.mark.parametrize("few", [50_000, 6, 0], ids=["long", "shorter", "shortest"])
def test_uids_are_found_as_by_a_pattern_for_each(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uid_table, "_FEW", few)
    dictionary = Dictionary(PEOPLE)
    n_found = 0
    for before in BESIDE:
        for after in BESIDE[::2]:
            for uid in UIDS:
                for encoding in ENCODINGS:
                    data = before + uid.encode(encoding) + after
                    expected = by_a_pattern_for_each(data)
                    assert dictionary.search(data) == expected, (before, uid, encoding, after)
                    n_found += bool(expected)
    assert n_found > 1000


@pytest.mark.parametrize("piece", [5, 1 << 20])
def test_uids_among_chance_are_found_as_by_a_pattern_for_each(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(pattern_table, "_PIECE", piece)
    dictionary, chance = Dictionary(PEOPLE), random.Random(5)
    pieces = [uid.encode(e) for uid in UIDS for e in ENCODINGS]
    pieces += [piece[: len(piece) // 2] for piece in pieces] + [p for p in BESIDE if p]
    for _ in range(150):
        data = b"".join(chance.choice(pieces) for _ in range(12))
        assert dictionary.search(data) == by_a_pattern_for_each(data), data


def person(*uids: str) -> SubjectIdentifiers:
    found = frozenset(Identifier(K.UID, uid) for uid in uids)
    return SubjectIdentifiers("S91-AAAAAAAA", None, found)


def test_what_is_searched_for_does_not_grow_with_the_images_of_a_scanner() -> None:
    table = uid_table.UidTable()
    many = person(*(f"{ROOT}.{n}" for n in range(5000)))
    assert table.taken_from(many) == person()
    assert table.beginnings() == [ROOT[:16]]


def test_short_and_odd_uids_and_other_identifiers_are_left_to_the_needles() -> None:
    named = Identifier(K.NAME, "12345678.9")
    own = person(*UIDS)
    left = uid_table.UidTable().taken_from(replace(own, identifiers=own.identifiers | {named}))
    assert {one.value for one in left.identifiers} == {
        *("1.2.3.4", "1.2.840.113619.2.55.3.x", "12345678.9")
    }


def test_the_longest_needle_is_known_and_a_dictionary_goes_to_a_worker() -> None:
    dictionary = Dictionary(PEOPLE)
    assert dictionary.longest == 2 * max(map(len, UIDS))
    again = pickle.loads(pickle.dumps(dictionary))
    data = UIDS[3].encode("utf-16-be")
    assert again.search(data) == dictionary.search(data) != frozenset()
