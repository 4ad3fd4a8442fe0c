"""Detect and read text in a picture: PP-OCRv4 through onnxruntime, one thread, no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy import ndimage

from tasks.inspect.boxes import TurnedBox, boxes_of, characters_of, crop, readings_of

_LINE_HEIGHT = 48
#: Widths that lines are padded to: few shapes, or the runtime's memory grows without end.
_LINE_WIDTHS = (96, 160, 320, 640)
_CPU = ["CPUExecutionProvider"]


@dataclass(frozen=True)
class Reading:
    """What was read in a box (restricted: `text` never leaves a worker's memory)."""

    box: TurnedBox
    text: str
    confidence: float


class Reader:
    """The two models in this process.

    Parameters
    ----------
    detection, recognition : bytes
        ONNX files whose hashes have been checked.
    side : int
        Rows and columns of every picture that is looked at.
    """

    def __init__(self, detection: bytes, recognition: bytes, side: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._detect = onnxruntime.InferenceSession(detection, options, providers=_CPU)
        self._read = onnxruntime.InferenceSession(recognition, options, providers=_CPU)
        self._side = side
        words = self._read.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._alphabet = ("", *words, " ")

    def read(self, view: NDArray[np.float32]) -> list[Reading]:
        """Return what can be read in a picture, in pixels of that picture.

        Parameters
        ----------
        view : ndarray, shape (3, rows, columns)
            Three pictures of the same place, brightness from 0 to 1: the detector sees them as
            the colours of one; a line is read in each.
        """
        scale = self._side / max(view.shape[1:])
        fitted = np.stack([_fitted(plane, scale, self._side) for plane in view])
        (answer,) = self._detect.run(None, {"x": (fitted * 2 - 1)[np.newaxis]})
        boxes = boxes_of(answer[0, 0])
        self.n = getattr(self, "n", 0) + len(boxes)
        return [_unscaled(reading, scale) for box in boxes for reading in self._lines(fitted, box)]

    def _lines(self, view: NDArray[np.float32], box: TurnedBox) -> list[Reading]:
        found = []
        for along in readings_of(box):
            for plane in view:
                line = crop(plane, box, along, _LINE_HEIGHT, _LINE_WIDTHS[-1])
                characters = self._characters(line)
                text = "".join(c for c, _ in characters).strip()
                if text:
                    confidence = float(np.mean([sure for _, sure in characters]))
                    found.append(Reading(box, text, confidence))
        return sorted(found, key=lambda r: -r.confidence)

    def _characters(self, line: NDArray[np.float32]) -> list[tuple[str, float]]:
        width = next(w for w in _LINE_WIDTHS if w >= line.shape[1])
        padded = np.zeros((1, 3, _LINE_HEIGHT, width), dtype=np.float32)
        padded[..., : line.shape[1]] = line * 2 - 1
        (answer,) = self._read.run(None, {"x": padded})
        if answer.shape[2] != len(self._alphabet):
            raise ValueError("the model reads other characters than it names")
        return characters_of(answer[0], self._alphabet)


def _fitted(view: NDArray[np.float32], scale: float, side: int) -> NDArray[np.float32]:
    """Return the picture scaled into the upper left of a black square."""
    square = np.zeros((side, side), dtype=np.float32)
    scaled = view if scale == 1.0 else ndimage.zoom(view, scale, order=1, grid_mode=True, mode="nearest")
    rows, columns = min(side, scaled.shape[0]), min(side, scaled.shape[1])
    square[:rows, :columns] = scaled[:rows, :columns]
    return square


def _signed(view: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.broadcast_to(view * 2 - 1, (1, 3, *view.shape)))


def _unscaled(reading: Reading, scale: float) -> Reading:
    box = reading.box
    back = TurnedBox(
        box.x / scale, box.y / scale, box.along, box.length / scale, box.height / scale, box.score
    )
    return Reading(back, reading.text, reading.confidence)
