"""The detector that is used gives the answers of the one that was published."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from schemas.run.atomic_files import sha256_of_bytes
from tasks.inspect.rules import load_rules
from tasks.inspect.store_models import read_models
from tests.unit.inspect.pictures import CORNER, body, written

PUBLISHED_SHA256 = "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"


def _published() -> bytes:
    # Found and not imported: the package's own code asks for libraries of screens.
    spec = importlib.util.find_spec("rapidocr_onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "models" / "ch_PP-OCRv4_det_infer.onnx").read_bytes()


def _map(model: bytes, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"x": picture[np.newaxis]})[0]
    return found


@pytest.mark.parametrize("shape", [(256, 256), (96, 352)], ids=str)
def test_the_detector_gives_the_map_of_the_published_one(shape: tuple[int, int]) -> None:
    """At the edges too, where its convolutions see zeros, and on a map of odd sides."""
    published = _published()
    assert sha256_of_bytes(published) == PUBLISHED_SHA256
    image: NDArray[Any] = written(body(0), CORNER)[: shape[0]].astype(np.float32)
    image = np.pad(image, ((0, 0), (0, shape[1] - 256)), mode="wrap") / 1200 - 1
    picture = np.stack([image, image[::-1], np.roll(image, 40, 1)]).astype(np.float32)
    lean = _map(read_models(load_rules())["detection"], picture)
    expected = _map(published, picture)
    assert expected.max() > 0.9
    assert np.abs(lean - expected).max() < 1e-4
