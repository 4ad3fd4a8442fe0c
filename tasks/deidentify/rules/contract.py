"""What a value must look like to stay: ranges, enumerations, patterns, closed word lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack

from pydicom.datadict import dictionary_has_tag

from schemas.dicom.descriptor_vocabulary import read_vocabulary
from tasks.deidentify.rules.values import is_number, is_registered_uid, numbers_of, texts_of
from tasks.deidentify.rules.word_shapes import (
    is_a_day,
    is_plain_number,
    tells_a_day_or_number,
)

#: Groups of the private attributes that dimension indices of the known vendors point to.
_PRIVATE_GROUPS = frozenset((0x0019, 0x0021, 0x0043, 0x0065, 0x2001, 0x2005))
_MOST_POINTERS = 16
_SPLIT = re.compile(r"[\s,;/\\()\[\]]+")


@dataclass(frozen=True)
class WordList:
    """A closed list of words and of patterns whole words may match."""

    name: str
    words: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    def has(self, word: str) -> bool:
        """Return whether the word is in the list, its case apart.

        Letters and digits of other alphabets (a wide digit, a dotless i) are none of any list, and
        what only a pattern admits is no day and no long number.
        """
        if not word.isascii():
            return False
        if word.upper() in self.words:
            return True
        return any(p.fullmatch(word) for p in self.patterns) and not tells_a_day_or_number(word)


@dataclass(frozen=True)
class Contract:
    """A parsed contract: its text for the documentation, and its test of one value field."""

    text: str
    accepts_values: Callable[[tuple[str, ...]], bool] | None = None
    accepts_numbers: Callable[[tuple[float, ...]], bool] | None = None
    word_list: WordList | None = None
    accepts_bytes: Callable[[bytes, bool], bool] | None = None
    items_place: str | None = None
    rebuilt_block: str | None = None
    code_list: str | None = None

    def accepts(self, vr: str, vm: str, value: bytes, *, little: bool) -> bool:
        """Return whether a value field fulfils VR, VM and contract; empty values do."""
        if self.accepts_bytes is not None:
            return self.accepts_bytes(value, little)
        if self.is_of_numbers(vr):
            numbers = numbers_of(vr, value, little=little)
            return numbers is not None and self.accepts_as_numbers(vm, numbers)
        texts = texts_of(value)
        if not vm_allows(vm, len(texts)):
            return False
        return not texts or (self.accepts_values is not None and self.accepts_values(texts))

    def is_of_numbers(self, vr: str) -> bool:
        """Return whether values under this contract and VR are numbers."""
        of_numbers = self.accepts_numbers is not None or is_number(vr)
        return of_numbers and self.accepts_bytes is None

    def accepts_as_numbers(self, vm: str, numbers: tuple[float, ...]) -> bool:
        """Return whether numbers fulfil VM and contract; none do. A day is no measured number."""
        if not vm_allows(vm, len(numbers)) or any(map(is_a_day, numbers)):
            return False
        return not numbers or (self.accepts_numbers is not None and self.accepts_numbers(numbers))


@lru_cache(maxsize=1024)
def vm_allows(vm: str, count: int) -> bool:
    """Return whether a value multiplicity admits `count` values; none is always allowed."""
    low, _, high = vm.partition("-")
    if count == 0:
        return True
    return int(low) <= count and (high == "n" or count <= int(high or low))


def keep_words(
    text: str, allowed: WordList, own_name: Collection[str] = (), before: Collection[str] = ()
) -> tuple[str, int]:
    """Return the words of `text` that the list has, and how many were dropped.

    Words are parted by blanks and punctuation; what parts them becomes one blank. Of words that
    are only digits one stays: several are a telephone or patient number, or a day, in pieces.

    Parameters
    ----------
    text : str
        One value.
    allowed : WordList
        The words that may stay.
    own_name : collection of str
        Parts of the person's name, in capitals (restricted): none of them stays, whatever it means
        elsewhere. A value of several words that the list has as one, like `GE MEDICAL SYSTEMS`,
        stays: many people are called Ge, and the whole of it is no name.
    before : collection of str
        What was kept of the values before this one: a number may be in pieces over them.
    """
    words = [w for w in _SPLIT.split(text) if w]
    if allowed.has(text) and (len(words) > 1 or _may_stay(text, own_name, before)):
        return text, 0
    kept: list[str] = []
    for word in words:
        if allowed.has(word) and _may_stay(word, own_name, [*before, *kept]):
            kept.append(word)
    return " ".join(kept), len(words) - len(kept)


def without_name(text: str, own_name: frozenset[str]) -> str:
    """Return a text without the words that are parts of the person's name.

    A technique is called like somebody now and then (`BRAVO`): in what is of a person of that name
    it does not stay. A word of the vocabulary's name-like ones (`FA`, `Dixon`), without which a
    label would be another, goes only where another part of the name stands in the text too.
    """
    if not own_name:
        return text
    pattern = _name_pattern(own_name)
    found = {part.lower() for part in pattern.findall(text)}
    if len(found) == 1 and found <= read_vocabulary().name_like:
        return text
    return pattern.sub(" ", text)


@lru_cache(maxsize=1024)
def _name_pattern(own_name: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(own_name, key=lambda part: (-len(part), part))
    latin = [re.escape(part) for part in longest_first if part.isascii()]
    other = [re.escape(part) for part in longest_first if not part.isascii()]
    alone = [rf"(?<![^\W\d_])(?:{'|'.join(latin)})(?![^\W\d_])"] if latin else []
    return re.compile("|".join((*alone, *other)), re.IGNORECASE)


def _may_stay(word: str, own_name: Collection[str], kept: Collection[str]) -> bool:
    """Return whether a word of a list is neither the person's name nor a piece of a number."""
    if word.upper() in own_name:
        return False
    if not is_plain_number(word):
        return True
    numbers = [one for text in kept for one in text.split() if is_plain_number(one)]
    if word.isdecimal() and any(map(str.isdecimal, numbers)):
        return False
    # `5.3.0` and then `5.3.0.3`: the release, and the release with its patch.
    fresh = [one for one in numbers if not word.startswith(one)]
    return not fresh or not tells_a_day_or_number(".".join((*fresh, word)))


def parse_contract(text: str, lists: Mapping[str, WordList]) -> Contract:
    """Read a contract cell.

    Kinds: `range:lo..hi` (alternatives by `|`, positions by `;`, the last repeats),
    `enum:A|B`, `regex:...` (each value, wholly), `words:LIST`, `registered_uid` (a UID of
    PS3.6 table A-1), `tags` (pointers to registered or private attributes), `items:PLACE`
    (a sequence whose items follow the rows of that place; without a place only private
    attributes of the table stay in it), `rebuild:BLOCK` (see `blob_fields.csv`),
    `codes:LIST` (coded entries of `codes.csv`),
    `fixed:VALUE`; empty for actions that need none.

    Raises
    ------
    ValueError
        If the cell is not a contract.
    """
    kind, _, rest = text.partition(":")
    if kind in ("", "fixed"):
        return Contract(text)
    if kind in _STRUCTURES:
        return _STRUCTURES[kind](text, rest)
    if kind == "range":
        return Contract(text, accepts_numbers=_ranges(rest))
    if kind == "enum":
        allowed = frozenset(rest.split("|"))
        return Contract(text, accepts_values=lambda values: allowed.issuperset(values))
    if kind == "regex":
        pattern = re.compile(rest)
        return Contract(text, accepts_values=lambda vs: all(pattern.fullmatch(v) for v in vs))
    if kind == "words":
        if rest not in lists:
            raise ValueError("no word list has this name")
        return Contract(text, word_list=lists[rest], accepts_values=_all_words(lists[rest]))
    if kind == "registered_uid":
        return Contract(text, accepts_values=lambda vs: all(map(is_registered_uid, vs)))
    raise ValueError("the contract has an unknown kind")


_STRUCTURES: dict[str, Callable[[str, str], Contract]] = {
    "items": lambda text, place: Contract(text, items_place=place),
    "rebuild": lambda text, block: Contract(text, rebuilt_block=block),
    "tags": lambda text, rest: Contract(text, accepts_bytes=_are_tags),
    "codes": lambda text, name: Contract(text, code_list=name),
}


def _are_tags(value: bytes, little: bool) -> bool:
    halves = unpack(f"{'<' if little else '>'}{len(value) // 2}H", value[: len(value) // 2 * 2])
    tags = [
        group << 16 | element for group, element in zip(halves[::2], halves[1::2], strict=False)
    ]
    whole = len(value) % 4 == 0 and len(value) <= _MOST_POINTERS * 4
    return whole and all(t >> 16 in _PRIVATE_GROUPS or dictionary_has_tag(t) for t in tags)


def _all_words(allowed: WordList) -> Callable[[tuple[str, ...]], bool]:
    return lambda values: all(allowed.has(value) for value in values)


def _ranges(text: str) -> Callable[[tuple[float, ...]], bool]:
    positions = [[_range(r) for r in part.split("|")] for part in text.split(";")]

    def accepts(numbers: tuple[float, ...]) -> bool:
        for index, number in enumerate(numbers):
            for low, high in positions[min(index, len(positions) - 1)]:
                if low <= number <= high:
                    break
            else:
                return False
        return True

    return accepts


def _range(text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    if not dots or float(low) > float(high):
        raise ValueError("a range is written lo..hi")
    return float(low), float(high)
