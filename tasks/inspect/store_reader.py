"""Detect and read text in a picture: PP-OCRv4 through onnxruntime, one thread, no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tasks.inspect.boxes import (
    TurnedBox,
    boxes_of,
    characters_of,
    crop,
    readings_of,
    rows_of,
)

_LINE_HEIGHT = 48
#: Widths that lines are padded to: few shapes, or the runtime's memory grows without end.
_LINE_WIDTHS = (64, 96, 160, 320, 640)
_CPU = ["CPUExecutionProvider"]


@dataclass(frozen=True)
class Reading:
    """What was read in a box of a plane (restricted: `text` never leaves a worker's memory)."""

    box: TurnedBox
    plane: int
    text: str
    confidence: float


class Reader:
    """The two models in this process.

    Parameters
    ----------
    detection, recognition : bytes
        ONNX files whose hashes have been checked.
    """

    def __init__(self, detection: bytes, recognition: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._detect = onnxruntime.InferenceSession(detection, options, providers=_CPU)
        self._read = onnxruntime.InferenceSession(recognition, options, providers=_CPU)
        words = self._read.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._alphabet = ("", *words, " ")

    def read(
        self,
        picture: NDArray[np.uint8],
        *,
        turned: bool = False,
        is_read: Callable[[TurnedBox], bool] = lambda _: True,
    ) -> list[Reading]:
        """Return what can be read in a picture.

        Parameters
        ----------
        picture : ndarray, shape (3, rows, columns)
            Three planes of the same place: the detector sees them as the colours of one
            picture; a line is read in each.
        turned : bool
            Whether it was turned by a quarter (`readings_of`).
        is_read : callable
            Whether a box is read at all.
        """
        planes = picture.astype(np.float32)
        planes /= 127.5
        planes -= 1
        (answer,) = self._detect.run(None, {"x": planes[np.newaxis]})
        different = [
            i
            for i in range(len(picture))
            if not any(np.array_equal(picture[i], other) for other in picture[:i])
        ]
        boxes = boxes_of(answer[0, 0])
        return [
            reading
            for box in (*boxes, *rows_of(boxes))
            if is_read(box)
            for along in readings_of(box, turned=turned)
            for plane in different
            if (reading := self._line(planes[plane], plane, box, along)) is not None
        ]

    def _line(
        self, values: NDArray[np.float32], plane: int, box: TurnedBox, along: tuple[float, float]
    ) -> Reading | None:
        line = crop(values, box, along, _LINE_HEIGHT, _LINE_WIDTHS[-1])
        width = next(w for w in _LINE_WIDTHS if w >= line.shape[1])
        padded = np.zeros((1, 3, _LINE_HEIGHT, width), dtype=np.float32)
        padded[..., : line.shape[1]] = line
        (answer,) = self._read.run(None, {"x": padded})
        if answer.shape[2] != len(self._alphabet):
            raise ValueError("the model reads other characters than it names")
        characters = characters_of(answer[0], self._alphabet)
        text = "".join(character for character, _ in characters).strip()
        if not text:
            return None
        return Reading(box, plane, text, float(np.mean([sure for _, sure in characters])))
