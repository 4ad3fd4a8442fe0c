"""What stands still while the anatomy goes by, and what comes and goes between slices. Pure.

Ink does not vary from slice to slice, what lies around it does: with the noise of the scanner at
the least. So the deviation of a pixel over the slices tells ink from anatomy whatever the
brightness of either, which no projection does: grey letters over grey tissue.

Text on some slices alone comes from one slice to the next and goes again, and does so with all
its contrast; anatomy changes by little from slice to slice. So the greatest step up and down of
each pixel shows it on whichever slices it stands, dark or bright.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.float32]
#: Of the usual deviation of a series: what lies below is no stiller than still.
_LEAST_SHARE = 0.05
#: Wider than the strokes of letters of 30 px; lines of the table of a scanner are as thin.
_STROKE_PX = 7


class Spread:
    """Mean and standard deviation of each pixel over images of one size, one pass, flat memory."""

    def __init__(self, first: NDArray[Any]) -> None:
        # Told from the first image: ink is the same in all, to the last digit.
        self._first = first.astype(np.float32)
        self._sum = np.zeros(first.shape, np.float32)
        self._squares = np.zeros(first.shape, np.float32)
        self._n = 1

    def add(self, image: NDArray[Any]) -> None:
        """Take in the next image."""
        beyond = image - self._first
        self._sum += beyond
        np.square(beyond, out=beyond)
        self._squares += beyond
        self._n += 1

    def mean(self) -> Plane:
        """Return the mean of each pixel, in stored values."""
        return self._first + self._sum / np.float32(self._n)

    def deviation(self) -> Plane:
        """Return the standard deviation of each pixel, in stored values."""
        n = np.float32(self._n)
        variance: Plane = self._squares / n - np.square(self._sum / n)
        return np.sqrt(np.maximum(variance, np.float32(0)))


class Steps:
    """The greatest step up and down of each pixel between neighbouring images of one size."""

    def __init__(self, first: NDArray[Any]) -> None:
        self._before = first
        self._up = np.zeros(first.shape, np.float32)
        self._down = np.zeros(first.shape, np.float32)

    def add(self, image: NDArray[Any]) -> None:
        """Take in the next image."""
        step = np.subtract(image, self._before, dtype=np.float32)
        np.maximum(self._up, step, out=self._up)
        np.minimum(self._down, step, out=self._down)
        self._before = image

    def up(self) -> Plane:
        """Return the greatest step to a greater value, in stored values."""
        return self._up

    def down(self) -> Plane:
        """Return the greatest step to a smaller value, in stored values, as a positive number."""
        return -self._down


def stillness(deviation: Plane, n_images: int) -> Plane:
    """Return how still each pixel stands beside its surroundings, 0 to 1.

    Parameters
    ----------
    deviation : ndarray, shape (rows, columns)
        Over the slices, in any unit.
    n_images : int
        Over how many: the fewer, the more a deviation varies by chance.
    """
    moving = deviation[deviation > 0]
    if not moving.size:
        return np.zeros_like(deviation)
    logs = np.log(deviation + _LEAST_SHARE * np.median(moving))
    # Thin and dark in the picture of deviations (black top hat, Serra 1982).
    depth = ndimage.grey_closing(logs, (_STROKE_PX, _STROKE_PX), mode="nearest") - logs
    # The closing follows the most moving of about twenty neighbours: 1.5 to 2 of the deviations
    # that the logarithm of a deviation over n images has by chance.
    chance = 1.0 / np.sqrt(2.0 * max(n_images - 1, 1))
    still: Plane = np.clip((depth - 2.2 * chance) / 1.2, 0, 1).astype(np.float32)
    return still
