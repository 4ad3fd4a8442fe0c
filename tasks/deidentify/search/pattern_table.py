"""Patterns to search for, a thousand a person: by their beginnings first, then in a sorted list.

A node of an automaton for each byte of each pattern took most of a megabyte a person. Names and
doctors share beginnings in every script and encoding, so a text is searched for those; only where
one stands, what follows is looked up. What is found is the same, at the same places.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import ahocorasick

from tasks.deidentify.identifiers import IdentifierKind
from tasks.deidentify.search.needles import Edge, Needle

#: Bytes of a beginning: with fewer many are found that go on otherwise, with more there are more.
_BEGINNING = 8
#: Characters of a text that are looked at at a time.
_PIECE = 1 << 20


class _Meaning(NamedTuple):
    """What all of a needle but its pattern says, and whose it is."""

    kind: IdentifierKind
    own_only: bool
    edge: Edge
    one_word: bool
    owners: frozenset[str]


class _Taken(NamedTuple):
    """What was taken in: patterns, and the number of what each means."""

    patterns: list[bytes]
    meanings: array[int]


def found_in_pieces(
    automaton: ahocorasick.Automaton, text: str, longest: int
) -> Iterator[tuple[int, Any]]:
    """Yield what an automaton finds in a text, of which it copies four bytes for each character.

    Parameters
    ----------
    automaton : ahocorasick.Automaton
        Without words it finds nothing.
    text : str
        The bytes searched, as Latin-1.
    longest : int
        No word of it is longer.
    """
    if not len(automaton):
        return
    for begin in range(0, len(text), _PIECE):
        behind = max(0, begin - longest + 1)
        for end, value in automaton.iter(text[behind : begin + _PIECE]):
            if behind + end >= begin:  # else it was found in the piece before
                yield behind + end, value


class PatternTable:
    """Patterns and what they mean (restricted: never written).

    Parameters
    ----------
    folded : bool
        Whether these are lower case, and are searched for in what was made lower case.
    """

    def __init__(self, *, folded: bool) -> None:
        self._folded, self.longest = folded, 0
        self._taken = _Taken([], array("I"))
        self._meanings: dict[_Meaning, int] = {}
        self._told: list[_Meaning] = []
        # Pattern n is bytes starts[n] to starts[n + 1]; its meanings, and the patterns that begin
        # alike, are told after the same manner.
        self._bytes, self._starts = b"", array("Q", [0])
        self._means, self._means_from = array("I"), array("Q", [0])
        self._firsts, self._n_bytes = array("I", [0]), array("B")
        self._lengths: list[tuple[int, ...]] = []
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)

    def add(self, needle: Needle, owners: frozenset[str]) -> None:
        """Take in a pattern of some people; an empty one is nobody's."""
        if needle.pattern:
            means = _Meaning(needle.kind, needle.own_only, needle.edge, needle.one_word, owners)
            self._taken.patterns.append(needle.pattern)
            self._taken.meanings.append(self._meanings.setdefault(means, len(self._meanings)))

    def close(self) -> None:
        """Make ready to search; nothing can be taken in any more."""
        taken, self._taken = self._taken, _Taken([], array("I"))
        self._told, self._meanings = list(self._meanings), {}
        order = sorted(range(len(taken.patterns)), key=taken.patterns.__getitem__)
        whole = bytearray()
        for pattern, places in groupby(order, key=taken.patterns.__getitem__):
            whole += pattern
            self._starts.append(len(whole))
            self._means.extend(sorted({taken.meanings[place] for place in places}))
            self._means_from.append(len(self._means))
            self.longest = max(self.longest, len(pattern))
        self._bytes = bytes(whole)
        del taken, order, whole
        self._begin()

    def standing_in(self, text: str) -> Iterator[tuple[int, Needle, frozenset[str]]]:
        """Yield each pattern that stands in a text: the place of its last byte, and whose it is.

        Parameters
        ----------
        text : str
            The bytes searched, as Latin-1.
        """
        for end, group in found_in_pieces(self._automaton, text, _BEGINNING):
            start = end + 1 - self._n_bytes[group]
            alike = range(self._firsts[group], self._firsts[group + 1])
            for length in self._lengths[group]:
                if start + length > len(text):
                    break  # and so are the others, which are longer
                wanted = text[start : start + length].encode("latin-1")
                place = bisect_left(alike, wanted, key=self._at)
                if place < len(alike) and self._at(alike[place]) == wanted:
                    yield from self._told_of(alike[place], wanted, start + length - 1)

    def _begin(self) -> None:
        """Find the beginnings, and where in the list those are that begin so."""
        known: dict[tuple[int, ...], tuple[int, ...]] = {}
        numbers = range(len(self._starts) - 1)
        for begins, alike in groupby(numbers, key=lambda one: self._at(one)[:_BEGINNING]):
            sizes = [len(self._at(one)) for one in alike]
            lengths = tuple(sorted(set(sizes)))
            self._automaton.add_word(begins.decode("latin-1"), len(self._lengths))
            self._lengths.append(known.setdefault(lengths, lengths))
            self._n_bytes.append(len(begins))
            self._firsts.append(self._firsts[-1] + len(sizes))
        if self._lengths:
            self._automaton.make_automaton()

    def _at(self, number: int) -> bytes:
        return self._bytes[self._starts[number] : self._starts[number + 1]]

    def _told_of(
        self, number: int, pattern: bytes, end: int
    ) -> Iterator[tuple[int, Needle, frozenset[str]]]:
        for place in range(self._means_from[number], self._means_from[number + 1]):
            kind, own_only, edge, one_word, owners = self._told[self._means[place]]
            yield end, Needle(self._folded, pattern, kind, "", own_only, edge, one_word), owners
