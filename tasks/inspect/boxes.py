"""From the map of a text detector to boxes. Pure.

Differentiable binarisation (Liao 2020, the detector of PP-OCR): the map says for each pixel how
surely it lies in the shrunk core of a line of text. Connected cores become the smallest turned
rectangle around them, grown again by what the training shrank them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: As the model's authors use it: core pixels, mean over a core, growth of a core.
CORE, SURE, GROWTH = 0.3, 0.5, 1.6
_SMALLEST_SIDE_PX, _MOST_BOXES = 3.0, 64
#: Length over height of a single character; of neighbours the one over the other, their distance
#: over the longer; height of a row over its longest box.
_SINGLE, _ALIKE, _NEAR, _LEVEL = 1.8, 1.6, 1.6, 1.3
_ANGLES_DEG = np.arange(0.0, 90.0, 3.0)
_TURNS = np.stack(
    [
        np.stack([np.cos(a), -np.sin(a), np.sin(a), np.cos(a)]).reshape(2, 2)
        for a in np.radians(_ANGLES_DEG)
    ]
)


@dataclass(frozen=True)
class TurnedBox:
    """A rectangle in pixels of a view: centre, unit vector along the longer side, both sides.

    `along` is (x, y), y downwards; `score` is the detector's mean over the core.
    """

    x: float
    y: float
    along: tuple[float, float]
    length: float
    height: float
    score: float

    @property
    def corners(self) -> NDArray[np.float64]:
        """Corners (x, y), shape (4, 2), in pixels of the view."""
        u = np.asarray(self.along) * self.length / 2
        v = np.asarray((-self.along[1], self.along[0])) * self.height / 2
        centre = np.asarray((self.x, self.y))
        return np.stack([centre - u - v, centre + u - v, centre + u + v, centre - u + v])


def boxes_of(probability: NDArray[np.float32]) -> list[TurnedBox]:
    """Return the boxes of a map of shape (rows, columns), the surest first."""
    core = _thickened(probability > CORE)
    labels, n_found = ndimage.label(core, np.ones((3, 3), dtype=np.int8))
    if not n_found:
        return []
    of_core, sure = labels[core], probability[core]
    scores = np.bincount(of_core, sure, n_found + 1)[1:] / np.bincount(of_core)[1:]
    found: list[TurnedBox] = []
    for number, part in enumerate(ndimage.find_objects(labels), start=1):
        if scores[number - 1] < SURE:
            continue
        corner = np.asarray((part[1].start, part[0].start)) + 0.5
        points = corner + _ends_of_rows(labels[part] == number)
        box = _around(points, float(scores[number - 1]))
        if min(box.length, box.height) >= _SMALLEST_SIDE_PX:
            found.append(_grown(box))
    return sorted(found, key=lambda box: -box.score)[:_MOST_BOXES]


def rows_of(boxes: list[TurnedBox]) -> list[TurnedBox]:
    """Return a box around each row of neighbouring boxes of single characters.

    Characters of Han that stand apart are boxed one by one, and one character alone says nothing.
    """
    single = [box for box in boxes if box.length <= _SINGLE * box.height]
    rows = []
    while single:
        row, reached = [single.pop()], 0
        while reached < len(row):
            near = [box for box in single if _are_neighbours(row[reached], box)]
            single = [box for box in single if box not in near]
            row += near
            reached += 1
        if len(row) > 1:
            around = _around(np.concatenate([box.corners for box in row]), row[0].score)
            # What lies in a heap is no line of writing.
            if around.height <= _LEVEL * max(box.length for box in row):
                rows.append(around)
    return rows


def _are_neighbours(a: TurnedBox, b: TurnedBox) -> bool:
    sides = sorted((a.length, b.length))
    apart = float(np.hypot(a.x - b.x, a.y - b.y))
    return sides[1] <= _ALIKE * sides[0] and apart <= _NEAR * sides[1]


def _thickened(core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return each pixel with the three above and to the left of it."""
    thick = core.copy()
    thick[:-1] |= core[1:]
    thick[:, :-1] |= thick[:, 1:].copy()
    return thick


def _ends_of_rows(core: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the first and last pixel (x, y) of each row: no other is outermost at any angle."""
    rows = np.nonzero(core.any(axis=1))[0]
    first = core[rows].argmax(axis=1)
    last = core.shape[1] - 1 - core[rows, ::-1].argmax(axis=1)
    points = np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=1)
    return points.astype(np.float64)


def _around(points: NDArray[np.float64], score: float) -> TurnedBox:
    """Return the smallest rectangle, of those turned by whole steps, around the points."""
    turned = points @ _TURNS  # (angles, points, 2)
    low, high = turned.min(axis=1) - 0.5, turned.max(axis=1) + 0.5
    sides = high - low
    # A hair of preference for upright rectangles: ties are common in small boxes.
    best = int(np.argmin(sides.prod(axis=1) * (1 + 0.02 * (_ANGLES_DEG > 0))))
    centre = _TURNS[best] @ ((low[best] + high[best]) / 2)
    first, second = _TURNS[best][:, 0], _TURNS[best][:, 1]
    width, height = sides[best]
    if width < height:
        first, width, height = second, height, width
    return TurnedBox(
        float(centre[0]), float(centre[1]), (float(first[0]), float(first[1])),
        float(width), float(height), score,
    )  # fmt: skip


def _grown(box: TurnedBox) -> TurnedBox:
    by = box.length * box.height * GROWTH / (2 * (box.length + box.height)) * 2
    return TurnedBox(box.x, box.y, box.along, box.length + by, box.height + by, box.score)


def readings_of(box: TurnedBox, *, turned: bool) -> list[tuple[float, float]]:
    """Return the directions (x, y) in which a box is read.

    Near the horizontal from left to right, near the vertical both upwards and downwards. In a
    `turned` picture near the horizontal both ways, since nobody knows which way it was turned;
    and not near the vertical: that line lies along an upright picture of the same.
    """
    x, y = box.along
    forward = (x, y) if x >= 0 else (-x, -y)
    if abs(y) <= abs(x) * np.tan(np.radians(50.0)):
        return [forward, (-forward[0], -forward[1])] if turned else [forward]
    return [] if turned else [(x, y), (-x, -y)]


def crop(
    view: NDArray[np.float32], box: TurnedBox, along: tuple[float, float], height: int, widest: int
) -> NDArray[np.float32]:
    """Return the box read in a direction, `height` rows and at most `widest` columns."""
    width = int(np.clip(round(box.length / box.height * height), height // 2, widest))
    u, v = np.asarray(along), np.asarray((-along[1], along[0]))
    across = (np.arange(width) + 0.5) / width - 0.5
    down = (np.arange(height) + 0.5) / height - 0.5
    places = (
        np.asarray((box.x, box.y))
        + across[np.newaxis, :, np.newaxis] * u * box.length
        + down[:, np.newaxis, np.newaxis] * v * box.height
    )
    at = [places[..., 1] - 0.5, places[..., 0] - 0.5]
    found: NDArray[np.float32] = ndimage.map_coordinates(view, at, order=1, mode="nearest")
    return found


def characters_of(
    probabilities: NDArray[np.float32], alphabet: tuple[str, ...]
) -> list[tuple[str, float]]:
    """Return characters and their confidence from steps over an alphabet (CTC, Graves 2006).

    Parameters
    ----------
    probabilities : ndarray, shape (steps, characters)
        Symbol 0 is the blank.
    alphabet : tuple of str
        What the symbols stand for.
    """
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    new = [True, *(a != b for a, b in pairwise(best))]
    return [
        (alphabet[symbol], float(confidence))
        for symbol, confidence, changed in zip(best, sure, new, strict=True)
        if changed and symbol
    ]
