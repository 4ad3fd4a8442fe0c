"""Letters drawn into pixels: a 3x5 font, enough for a name and a number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Five rows of three bits per character, top row first.
_GLYPHS = {
    "A": "25755", "B": "65656", "C": "34443", "D": "65556", "E": "74647", "F": "74644",
    "G": "34553", "H": "55755", "I": "72227", "J": "11152", "K": "55655", "L": "44447",
    "M": "57755", "N": "67555", "O": "25552", "P": "65644", "Q": "25563", "R": "65655",
    "S": "34216", "T": "72222", "U": "55557", "V": "55552", "W": "55775", "X": "55255",
    "Y": "55222", "Z": "71247", "0": "75557", "1": "26227", "2": "61247", "3": "61216",
    "4": "55711", "5": "74616", "6": "34757", "7": "71122", "8": "75757", "9": "75716",
}  # fmt: skip


def dots_of(character: str) -> list[tuple[int, int]]:
    """Return the dots (x, y) of a letter in its box of 3 by 5."""
    rows = _GLYPHS.get(character.upper(), "00000")
    return [(x, y) for y, bits in enumerate(rows) for x in range(3) if int(bits) >> (2 - x) & 1]


def text_mask(text: str, shape: tuple[int, int], *, row: int, column: int) -> NDArray[np.bool_]:
    """Return where the strokes of `text` lie in an image of this shape; it is cut at the edge."""
    mask = np.zeros(shape, dtype=np.bool_)
    for index, character in enumerate(text):
        for dot_x, dot_y in dots_of(character):
            y, x = row + dot_y, column + index * 4 + dot_x
            if y < shape[0] and x < shape[1]:
                mask[y, x] = True
    return mask
