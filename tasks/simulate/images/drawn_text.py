"""Text drawn into pixels at any size and angle: Latin letters, digits, Han of the names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import BadInputError
from tasks.simulate.images.burned_text import dots_of
from tasks.simulate.images.han_strokes import HAN, Segment, strokes_of

# Boxes are 12 units high. A Latin letter is 3 by 5 dots of 2.2 units.
_BOX = 12.0
_DOT = 2.2
_HAN_STEP, _LATIN_STEP = 13.0, 8.8
_HAN_PEN, _LATIN_PEN = 0.55, 1.1
_THINNEST_PX = 0.55


@dataclass(frozen=True)
class TextStyle:
    """How a text is drawn: height of a character, place of its start, angle, brightness.

    `top` and `left` are fractions of the picture; `level` is the stored value of the ink.
    """

    name: str
    height_px: float
    top: float
    left: float
    angle_deg: float = 0.0
    level: int = 4095
    han: bool = False


def text_pixels(text: str, shape: tuple[int, int], style: TextStyle) -> NDArray[np.bool_]:
    """Return where the ink of a text lies in an image of this shape; it is cut at the edge.

    Raises
    ------
    BadInputError
        If the text holds a Han character that nobody has drawn.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    scale = style.height_px / _BOX
    angle = math.radians(style.angle_deg)
    turn = np.asarray(((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))))
    start = np.asarray((style.left * shape[1], style.top * shape[0]))
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([x, y], axis=-1).astype(np.float64)
    for segment, pen in _segments(text):
        a, b = (turn @ np.asarray(point) * scale + start for point in (segment[:2], segment[2:]))
        mask |= _distance(places, a, b) <= max(pen * scale, _THINNEST_PX)
    return mask


def _segments(text: str) -> list[tuple[Segment, float]]:
    found: list[tuple[Segment, float]] = []
    offset = 0.0
    for character in text:
        if character.isascii():
            dots = dots_of(character)
            marks = [(x * _DOT, y * _DOT, x * _DOT, y * _DOT) for x, y in dots]
            pen, step = _LATIN_PEN, _LATIN_STEP
        elif character in HAN:
            marks, pen, step = strokes_of(character), _HAN_PEN, _HAN_STEP
        else:
            raise BadInputError("a character nobody has drawn", expected="one of the names")
        found += [((x0 + offset, y0, x1 + offset, y1), pen) for x0, y0, x1, y1 in marks]
        offset += step
    return found


def _distance(
    places: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance of every place from the segment from a to b, in pixels."""
    along = b - a
    length = float(along @ along)
    share = np.clip((places - a) @ along / length, 0.0, 1.0) if length else np.zeros(1)
    nearest = a + share[..., np.newaxis] * along
    return np.asarray(np.linalg.norm(places - nearest, axis=-1), dtype=np.float64)
