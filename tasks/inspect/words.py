"""What was read, held against the closed list of marks and against the person's own words. Pure.

Nothing here is logged or returned in words: a reading becomes one of four standings.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from enum import IntEnum
from typing import NamedTuple

from tasks.inspect.rules import InspectionRules

#: Shapes that a recogniser takes for each other.
_ALIKE = str.maketrans("oil|!szb", "01111528")
_ROUND = str.maketrans("cegq69", "000000")
_SHORTEST_HAN, _SHORTEST_LATIN = 2, 4
_LONGEST_HAN_NAME = 4


class Standing(IntEnum):
    """What a reading is taken for."""

    NOTHING = 0
    MARK = 1
    TEXT = 2
    PERSON = 3


class BoxLooks(NamedTuple):
    """What a box looks like, as `standing_of` takes it."""

    aspect: float
    share: float
    still: float


def is_body(looks: BoxLooks, rules: InspectionRules) -> bool:
    """Return whether a box is the body whatever is read in it, so that nothing need be.

    As high as the body only Han and the person's own words count, and two characters of Han are
    longer than that; one alone counts where it stands still.
    """
    high = looks.share > rules["body_share"] and looks.aspect < rules["body_aspect"]
    return high and looks.still < rules["still_share"]


def standing_of(
    text: str,
    confidence: float,
    rules: InspectionRules,
    words: Collection[str],
    *,
    aspect: float = 1.0,
    share: float = 0.0,
    still: float = 0.0,
) -> Standing:
    """Return what a reading is.

    Parameters
    ----------
    text : str
        What was read (restricted).
    confidence : float
        Mean over its characters, 0 to 1.
    rules : InspectionRules
        Thresholds and marks.
    words : collection of str
        The person's own words as `folded` gives them (restricted).
    aspect : float
        Length of the box over its height.
    share : float
        Height of the box over the side of the picture.
    still : float
        Mean stillness of the box (`tasks.inspect.standing`), 0 to 1.
    """
    squeezed = folded(text)
    if _is_sign_of_name(squeezed, words) and still >= rules["still_share"]:
        return Standing.PERSON if confidence >= rules["still_confidence"] else Standing.NOTHING
    if len(squeezed) < rules["characters"] or _is_row_of_shapes(text, rules):
        return Standing.NOTHING
    if confidence >= rules["confidence_of_person"] and _is_of_person(squeezed, words):
        return Standing.PERSON
    if share > rules["body_share"] and _is_few_letters(squeezed, rules):
        return Standing.NOTHING
    if confidence < _enough(squeezed, rules, share, still):
        # Where it stands still less was asked already.
        other = still < rules["still_share"] and share <= rules["tall_share"]
        is_line = other and _is_line(squeezed, confidence, rules, aspect)
        return Standing.TEXT if is_line else Standing.NOTHING
    return Standing.MARK if _is_mark(text, rules) else Standing.TEXT


def _is_sign_of_name(squeezed: str, words: Collection[str]) -> bool:
    """Return whether it is one character of Han that a name of the person has.

    Small characters that stand apart are read one by one, not all of them well.
    """
    alone = len(squeezed) == 1 and not squeezed.isascii()
    return alone and any(squeezed in word for word in words if len(word) <= _LONGEST_HAN_NAME)


def _enough(squeezed: str, rules: InspectionRules, share: float, still: float) -> float:
    """Return the confidence that a reading needs: more where anatomy may look like it."""
    if still >= rules["still_share"]:
        # Two digits are what the edge of an organ looks like; two characters of Han are a name.
        if _n_han(squeezed) >= _SHORTEST_HAN:
            return rules["still_han_confidence"]
        short = len(squeezed) < rules["short_characters"]
        return rules["short_confidence" if short else "still_confidence"]
    if share > rules["tall_share"]:
        return rules["tall_confidence"]
    if len(squeezed) > rules["short_characters"]:
        return rules["confidence"]
    return rules["han_confidence" if _n_han(squeezed) >= _SHORTEST_HAN else "short_confidence"]


def _is_few_letters(squeezed: str, rules: InspectionRules) -> bool:
    return len(squeezed) <= rules["short_characters"] and _n_han(squeezed) < _SHORTEST_HAN


def _n_han(squeezed: str) -> int:
    return sum(not sign.isascii() for sign in squeezed)


def _is_line(squeezed: str, confidence: float, rules: InspectionRules, aspect: float) -> bool:
    """Return whether it is a line of writing, though in a hand that is not read for sure.

    A row of round sections, as a mosaic has them, is read as round letters in turn: one shape.
    """
    return (
        len(set(squeezed.translate(_ROUND))) >= rules["line_characters"]
        and aspect >= rules["line_aspect"]
        and confidence >= rules["line_confidence"]
    )


def _is_row_of_shapes(text: str, rules: InspectionRules) -> bool:
    signs = {c for c in text.lower() if c.isalnum()}
    return "".join(signs).isascii() and len(signs) < rules["different_latin_characters"]


def folded(text: str) -> str:
    """Return letters, digits and Han characters alone, those that look alike as one."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return "".join(c for c in plain if c.isalnum()).translate(_ALIKE)


def telling(words: Collection[str]) -> frozenset[str]:
    """Return the folded words that are long enough to say something."""
    short = {word for word in map(folded, words) if len(word) >= _shortest(word)}
    return frozenset(short)


def _shortest(word: str) -> int:
    return _SHORTEST_LATIN if word.isascii() else _SHORTEST_HAN


def _is_of_person(squeezed: str, words: Collection[str]) -> bool:
    """Return whether a word is part of the reading, or the reading a good part of a word."""
    enough = len(squeezed) >= _shortest(squeezed)
    return any(word in squeezed or (enough and squeezed in word) for word in words)


def _is_mark(text: str, rules: InspectionRules) -> bool:
    parts = unicodedata.normalize("NFKC", text).lower().split()
    return all(any(mark.fullmatch(part) for mark in rules.annotations) for part in parts)
