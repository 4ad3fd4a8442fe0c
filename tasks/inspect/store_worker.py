"""What runs in a worker process: the files of one series in, boxes without words out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.pixel_digests import pixel_content, tells_apart
from tasks.inspect.boxes import TurnedBox, crop
from tasks.inspect.faces import HeadRun
from tasks.inspect.records import FoundBox, ImageFile, InspectJob, Looked, PixelsOfFile
from tasks.inspect.rules import InspectionRules
from tasks.inspect.store_pixels import images_in, values_of_file
from tasks.inspect.store_reader import Reader
from tasks.inspect.views import (
    Picture,
    Projections,
    Tile,
    frame_pictures,
    pictures,
    places_of,
    scaled_shape,
    turned_back,
)
from tasks.inspect.words import BoxLooks, Standing, is_body, standing_of

#: A detector boxes the strokes closely; a mask has to cover their soft edges too.
_MARGIN_PX = 2
_PLANES = 3


@dataclass(frozen=True)
class _State:
    rules: InspectionRules
    reader: Reader


_state: list[_State] = []


def start_worker(rules: InspectionRules, models: Mapping[str, bytes]) -> None:
    """Load the models into this process; libraries may not print what they find."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    _state[:] = [_State(rules, Reader(models["detection"], models["recognition"]))]


def look(job: InspectJob) -> Looked:
    """Look at one series.

    Raises
    ------
    Exception
        Whatever reading, decoding or a model raises: the caller holds the series.
    """
    series = _Series(job, _state[0])
    series.read()
    return series.looked()


class _Series:
    """The images of one series on their way through; images of one size go together."""

    def __init__(self, job: InspectJob, state: _State) -> None:
        self._job, self._rules, self._reader = job, state.rules, state.reader
        self._places = places_of(job.n_images, lambda n: job.draw % n)
        self._seen: dict[tuple[int, int], Projections] = {}
        self._pixels: list[PixelsOfFile] = []
        self._found: list[tuple[FoundBox, Standing]] = []
        self._heads = HeadRun(state.rules)
        self._n_views = 0

    def read(self) -> None:
        waiting: list[tuple[str, NDArray[Any]]] = []
        for file in self._job.files:
            values = values_of_file(file.path)
            content = pixel_content(values)
            self._pixels.append(PixelsOfFile(file.sop_uid, content, tells_apart(values)))
            for image in images_in(values):
                self._take(image, file)
                if self._job.every_frame:
                    if waiting and waiting[-1][1].shape != image.shape:
                        self._frames(waiting)
                    waiting.append((file.sop_uid, image))
                    if len(waiting) == _PLANES:
                        self._frames(waiting)
        self._frames(waiting)
        for seen in self._seen.values():
            self._views(seen)

    def looked(self) -> Looked:
        rows, columns = max(self._seen, key=lambda shape: self._seen[shape].n_images)
        held = [box for box, standing in self._found if standing > Standing.MARK]
        marks = sum(standing is Standing.MARK for _, standing in self._found)
        return Looked(
            boxes=tuple(joined(held)),
            n_marks=marks,
            n_views=self._n_views,
            head_sections=self._heads.longest(),
            rows=rows,
            columns=columns,
            pixels=tuple(self._pixels),
        )

    def _take(self, image: NDArray[Any], file: ImageFile) -> None:
        shape = (image.shape[0], image.shape[1])
        if shape not in self._seen:
            self._seen[shape] = Projections(self._places.values())
        self._seen[shape].add(image, file.sop_uid)
        self._heads.add(image, file.spacing_mm)

    def _views(self, seen: Projections) -> None:
        for view, tile, picture in pictures(seen, self._places, self._rules):
            sources = [source for source, _ in view.planes]
            names = [seen.name_of(source, self._places) for source in sources]
            still = picture[sources.index("still")] if "still" in sources else None
            self._keep(picture, names, tile, turned=view.turned, still=still)

    def _frames(self, waiting: list[tuple[str, NDArray[Any]]]) -> None:
        if waiting:
            names = [name for name, _ in waiting]
            names += [names[-1]] * (_PLANES - len(names))
            images = [image for _, image in waiting]
            waiting.clear()
            for tile, picture in frame_pictures(images, self._rules):
                self._keep(picture, names, tile, turned=False)

    def _keep(
        self,
        picture: Picture,
        names: list[str],
        tile: Tile,
        *,
        turned: bool,
        still: Picture | None = None,
    ) -> None:
        self._n_views += 1
        side = max(picture.shape[1:])
        brightness = None if still is None else still.astype(np.float32)
        known: dict[TurnedBox, BoxLooks] = {}

        def looks_of(box: TurnedBox) -> BoxLooks:
            if box not in known:
                stands = 0.0 if brightness is None else _mean_in(brightness, box)
                known[box] = BoxLooks(box.length / box.height, box.height / side, stands)
            return known[box]

        def is_read(box: TurnedBox) -> bool:
            return not is_body(looks_of(box), self._rules)

        for reading in self._reader.read(picture, turned=turned, is_read=is_read):
            standing = standing_of(
                reading.text,
                reading.confidence,
                self._rules,
                self._job.words,
                **looks_of(reading.box)._asdict(),
            )
            if standing is not Standing.NOTHING:
                corners = _corners(reading.box, picture.shape[1], turned=turned)
                x, y, width, height = _box(corners, tile.shape, side)
                of_person = standing is Standing.PERSON
                box = FoundBox(
                    names[reading.plane],
                    tile.x + x,
                    tile.y + y,
                    width,
                    height,
                    round(reading.confidence, 3),
                    of_person,
                )
                self._found.append((box, standing))


def _mean_in(plane: NDArray[np.float32], box: TurnedBox) -> float:
    """Return the mean of a plane of 0 to 255 in a box, 0 to 1."""
    size = max(1, round(box.height))
    return float(crop(plane, box, box.along, size, plane.shape[1]).mean()) / 255


def _corners(box: TurnedBox, side: int, *, turned: bool) -> NDArray[np.float64]:
    corners = box.corners
    if turned:
        corners = np.asarray([turned_back(float(x), float(y), side) for x, y in corners])
    return corners


def _box(
    corners: NDArray[np.float64], shape: tuple[int, int], side: int
) -> tuple[int, int, int, int]:
    """Return x, y, width and height in pixels of the image, inside it."""
    rows, columns = scaled_shape(shape[0], shape[1], side)
    scale = np.asarray((columns / shape[1], rows / shape[0]))
    low = np.floor(corners.min(axis=0) / scale) - _MARGIN_PX
    high = np.ceil(corners.max(axis=0) / scale) + _MARGIN_PX
    low = np.clip(low, 0, (shape[1] - 1, shape[0] - 1)).astype(int)
    high = np.clip(high, low + 1, (shape[1], shape[0])).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def joined(boxes: list[FoundBox]) -> Iterator[FoundBox]:
    """Yield boxes of which none touches another: one around all that do, seen where it was surest.

    The same words are read in several views, each time with other edges.
    """
    apart: list[FoundBox] = []
    for box in sorted(boxes, key=lambda b: (-b.confidence, b.y, b.x, b.seen_in)):
        touching = [other for other in apart if _touch(other, box)]
        while touching:
            apart = [other for other in apart if other not in touching]
            for other in touching:
                box = _around(other, box)
            touching = [other for other in apart if _touch(other, box)]
        apart.append(box)
    yield from sorted(apart, key=lambda b: (b.y, b.x))


def _touch(a: FoundBox, b: FoundBox) -> bool:
    across = a.x < b.x + b.width and b.x < a.x + a.width
    return across and a.y < b.y + b.height and b.y < a.y + a.height


def _around(a: FoundBox, b: FoundBox) -> FoundBox:
    surest = max(a, b, key=lambda box: box.confidence)
    x, y = min(a.x, b.x), min(a.y, b.y)
    width = max(a.x + a.width, b.x + b.width) - x
    height = max(a.y + a.height, b.y + b.height) - y
    of_person = a.of_person or b.of_person
    return replace(
        surest,
        x=x,
        y=y,
        width=width,
        height=height,
        of_person=of_person,
        also_in=a.views | b.views,
    )
