"""From the images of a series to the pictures that are looked at. Pure.

A picture is three planes, which the detector takes for the colours of one: what is text in one
of them is coloured text. So three looks cost one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from schemas.held_series import MAXIMUM, MEAN, MINIMUM
from tasks.inspect.rules import InspectionRules, View
from tasks.inspect.standing import Plane, Spread, Steps, stillness

_PROJECTIONS = {
    "min": MINIMUM,
    "mean": MEAN,
    "max": MAXIMUM,
    "still": MEAN,
    "up": MAXIMUM,
    "down": MINIMUM,
}
Picture = NDArray[np.uint8]
#: Local contrast is told in so many standard deviations of the surroundings.
_DEVIATIONS = 2.5
#: The least deviation that counts, as a share of the range of the series: noise of empty air
#: must not look like strokes.
_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Tile:
    """A part of an image that one picture shows, in pixels of the image."""

    x: int
    y: int
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def of(self, plane: Picture) -> Picture:
        """Return the part of a plane."""
        return plane[self.y : self.y + self.rows, self.x : self.x + self.columns]


def tiles_of(shape: tuple[int, int], rules: InspectionRules) -> list[Tile]:
    """Return the parts in which an image is looked at: the whole, and of a large one tiles too.

    Scaled to one input size, letters of a large image become too small to be seen.
    """
    whole = [Tile(0, 0, *shape)]
    if max(shape) <= rules["whole_side_px"]:
        return whole
    return whole + _grid(shape, int(rules["input_side_px"]), int(rules["tile_overlap_px"]))


def close_tiles_of(shape: tuple[int, int], rules: InspectionRules) -> list[Tile]:
    """Return the parts in which an image is looked at closely: letters at twice their size."""
    if max(shape) <= rules["close_whole_side_px"]:
        return [Tile(0, 0, *shape)]
    side = max(int(rules["close_whole_side_px"]), int(max(shape) * rules["close_share"]))
    return _grid(shape, side, int(rules["close_overlap_px"]))


def _grid(shape: tuple[int, int], side: int, overlap: int) -> list[Tile]:
    rows, columns = shape
    return [
        Tile(x, y, min(side, rows), min(side, columns))
        for y in _starts(rows, side, overlap)
        for x in _starts(columns, side, overlap)
    ]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Return where tiles of a side begin that cover a length, each over a part of the next."""
    steps = max(0, -(-(length - side) // (side - overlap)))
    return [round(step * (length - side) / steps) for step in range(steps + 1)] if steps else [0]


class Projections:
    """Minimum, mean and maximum over images of one size, and the images kept by their place.

    Parameters
    ----------
    keep : collection of int
        Places of the images that are kept whole; the last one always is.
    """

    def __init__(self, keep: Iterable[int]) -> None:
        self._keep = frozenset(keep)
        self._kept: dict[int, tuple[str, NDArray[Any]]] = {}
        self._last: tuple[str, NDArray[Any]] | None = None
        self.n_images = 0
        self._low: NDArray[Any] | None = None
        self._high: NDArray[Any] | None = None
        self._spread: Spread | None = None
        self._steps: Steps | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        if self._low is None:
            raise ValueError("no image was taken in")
        return self._low.shape[0], self._low.shape[1]

    def add(self, image: NDArray[Any], name: str = "") -> None:
        """Take in the next image, of shape (rows, columns), and what it is called."""
        if self._low is None or self._high is None or not self._spread or not self._steps:
            self._low, self._high = image.copy(), image.copy()
            self._spread, self._steps = Spread(image), Steps(image)
        else:
            np.minimum(self._low, image, out=self._low)
            np.maximum(self._high, image, out=self._high)
            self._spread.add(image)
            self._steps.add(image)
        self._last = (name, image)
        if self.n_images in self._keep:
            self._kept[self.n_images] = self._last
        self.n_images += 1

    def plane(self, source: str, places: dict[str, int]) -> Plane:
        """Return what a plane is made of, in stored values."""
        found = {"min": self._low, "max": self._high}.get(source)
        if source == "mean" and self._spread is not None:
            found = self._spread.mean()
        if source == "still" and self._spread is not None:
            found = stillness(self._spread.deviation(), self.n_images)
        if source in ("up", "down") and self._steps is not None:
            found = self._steps.up() if source == "up" else self._steps.down()
        if source in places:
            _, found = self._image(places[source])
        if found is None:
            raise ValueError("no image was taken in")
        return found.astype(np.float32)

    def name_of(self, source: str, places: dict[str, int]) -> str:
        """Return what a plane was made of: the name of an image, or which projection."""
        return self._image(places[source])[0] if source in places else _PROJECTIONS[source]

    def _image(self, place: int) -> tuple[str, NDArray[Any]]:
        """Return an image kept; where images of this size are fewer than that, the last one."""
        found = self._kept.get(place, self._last)
        if found is None:
            raise ValueError("no image was taken in")
        return found


def places_of(n_images: int, draw: Callable[[int], int]) -> dict[str, int]:
    """Return which image is the first, the middle, the last, and the sample that `draw` gives."""
    return {"first": 0, "middle": n_images // 2, "last": n_images - 1, "sample": draw(n_images)}


def pictures(
    seen: Projections, places: dict[str, int], rules: InspectionRules
) -> Iterable[tuple[View, Tile, Picture]]:
    """Yield the views of a series, each of shape (3, side, side), and what part each shows."""
    wanted = _wanted(seen, rules)
    least = least_deviation(seen.plane("mean", places))
    made: dict[tuple[str, str], Picture] = {}
    for view in wanted:
        for source, window in view.planes:
            if (source, window) not in made:
                made[source, window] = windowed(seen.plane(source, places), window, least, rules)
    for close, tiles in ((False, tiles_of), (True, close_tiles_of)):
        views = [view for view in wanted if view.close is close]
        for tile in tiles(seen.shape, rules) if views else ():
            used = {plane for view in views for plane in view.planes}
            most = int(rules["close_input_side_px" if close else "input_side_px"])
            fit = {what: fitted(tile.of(made[what]), rules, most) for what in used}
            for view in views:
                yield view, tile, _turned([fit[plane] for plane in view.planes], view)


def _wanted(seen: Projections, rules: InspectionRules) -> list[View]:
    """Return the views that are made; one whose place another takes is not."""
    wanted = [view for view in rules.views if view.frames_min <= seen.n_images]
    replaced = {view.replaces for view in wanted}
    return [view for view in wanted if view.name not in replaced]


def frame_pictures(
    frames: Sequence[NDArray[Any]], rules: InspectionRules
) -> Iterable[tuple[Tile, Picture]]:
    """Yield up to three images of one size as pictures, and what part each shows."""
    planes = [frame.astype(np.float32) for frame in frames]
    made = [windowed(p, "local", least_deviation(p), rules) for p in planes]
    made += [made[-1]] * (3 - len(made))
    for tile in tiles_of(made[0].shape, rules):
        most = int(rules["input_side_px"])
        yield tile, np.stack([fitted(tile.of(plane), rules, most) for plane in made])


def _turned(planes: list[Picture], view: View) -> Picture:
    picture = np.stack(planes)
    return np.ascontiguousarray(np.rot90(picture, 1, (1, 2))) if view.turned else picture


def turned_back(x: float, y: float, side: int) -> tuple[float, float]:
    """Return where a place of a turned picture lies in the picture."""
    return side - y, x


def least_deviation(plane: Plane) -> float:
    """Return the least deviation that counts as contrast, in stored values."""
    floor, ceiling = _bounds(plane)
    sparse = plane[::4, ::4]
    usual = sparse[(sparse >= floor) & (sparse <= ceiling)]
    low, high = np.percentile(usual if usual.size else sparse, [2, 98])
    return max(float(high - low) * _LEAST_SHARE, 1e-3)


def _bounds(plane: Plane) -> tuple[float, float]:
    """Return between which values a plane is looked at.

    The least and the greatest value may lie far off all others, as padding of the field of view
    does (PS3.3 C.7.5.1.1.2): against a step of 32 768 no letter has contrast. They count as no
    further from the others than these are from each other.
    """
    low, high = float(plane.min()), float(plane.max())
    inner = plane[(plane > low) & (plane < high)]
    if not inner.size:
        return low, high
    least, most = float(inner.min()), float(inner.max())
    reach = max(most - least, 1.0)
    return max(low, least - reach), min(high, most + reach)


def windowed(plane: Plane, window: str, least: float, rules: InspectionRules) -> Picture:
    """Return brightness from 0 to 255, of the same shape.

    `given` takes values of 0 to 1 for it; `whole` is the whole range of values; `local` sets
    each pixel against the mean and the deviation of its surroundings: a name on bone and one in
    air are as easily seen.

    Raises
    ------
    ValueError
        If values vary and their picture does not, or they are no numbers: nobody has looked.
    """
    if window == "given":
        return _bytes(plane)
    reach = float(plane.max()) - float(plane.min())
    if not np.isfinite(reach):
        raise ValueError("values are no numbers: a picture shows nothing of them")
    picture = _windowed(np.clip(plane, *_bounds(plane)), window, least, rules)
    if reach >= least and picture.min() == picture.max():
        raise ValueError("a picture shows nothing of values that vary")
    return picture


def _windowed(plane: Plane, window: str, least: float, rules: InspectionRules) -> Picture:
    if window == "whole":
        low, high = float(plane.min()), float(plane.max())
        return _bytes((plane - low) / max(high - low, 1e-6))
    size = 2 * int(rules["local_window_px"]) * max(plane.shape) // 512 + 1
    size = max(size, 7)
    mean = ndimage.uniform_filter(plane, size, mode="nearest")
    deviation = ndimage.uniform_filter(np.square(plane - mean), size, mode="nearest")
    return _bytes(
        0.5 + (plane - mean) / (2 * _DEVIATIONS * (np.sqrt(np.maximum(deviation, 0)) + least))
    )


def _bytes(brightness: Plane) -> Picture:
    return (np.clip(brightness, 0, 1) * 255).astype(np.uint8)


def fitted(plane: Picture, rules: InspectionRules, most: int) -> Picture:
    """Return the plane scaled into the upper left of a black picture, its sides whole steps.

    The detector's time goes with the area of the picture: a small image is enlarged until its
    letters are as large as those of a large one looked at closely, and no further than to
    `most`. Sides are whole steps, so that the runtime sees few sizes.
    """
    longest = max(plane.shape)
    step = int(rules["input_step_px"])
    wanted = max(longest * rules["input_scale"], rules["input_least_side_px"])
    side = min(_whole_steps(wanted, step), most)
    rows, columns = scaled_shape(plane.shape[0], plane.shape[1], side)
    image = Image.fromarray(plane).resize((columns, rows), Image.Resampling.BILINEAR)
    picture = np.zeros((_whole_steps(rows, step), _whole_steps(columns, step)), dtype=np.uint8)
    picture[:rows, :columns] = np.asarray(image)
    return picture


def _whole_steps(length: float, step: int) -> int:
    return -(-round(length) // step) * step


def scaled_shape(rows: int, columns: int, side: int) -> tuple[int, int]:
    """Return rows and columns after scaling the longer to `side`."""
    scale = side / max(rows, columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))
