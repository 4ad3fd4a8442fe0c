"""Colour, few bits, many frames, and the same pixels packed otherwise: all are looked into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from schemas.dicom.pixel_digests import pixel_content
from schemas.dicom.pixel_values import decoded_values
from tasks.inspect import views
from tasks.inspect.records import ImageFile, InspectJob
from tasks.inspect.rules import load_rules
from tasks.inspect.store_models import read_models
from tasks.inspect.store_pixels import images_in, values_of_file
from tasks.inspect.store_worker import look, start_worker
from tasks.inspect.views import windowed
from tests.jpeg_2000 import in_jpeg_2000
from tests.unit.inspect.pictures import AIR, CORNER, body, write_file, written

RULES = load_rules()
EIGHT: dict[str, Any] = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
COLOUR: dict[str, Any] = {
    **EIGHT,
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
}
Draw = Callable[[NDArray[np.uint16]], NDArray[np.uint16]]


@pytest.fixture(scope="module", autouse=True)
def _models() -> None:
    start_worker(RULES, read_models(RULES))


def _named(image: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return written(image, CORNER)


def _eight(image: NDArray[np.uint16]) -> NDArray[np.uint8]:
    return np.minimum(image // 16, 255).astype(np.uint8)


def _grey_frames(path: Path, draw: Draw) -> Path:
    frames = np.stack([body(0), draw(body(1)), body(2)])
    return write_file(path, frames[0], "1", NumberOfFrames=3, PixelData=frames.tobytes())


def _eight_bit_frames(path: Path, draw: Draw) -> Path:
    frames = np.stack([_eight(body(0)), _eight(draw(body(1)))])
    data = frames.tobytes()
    return write_file(path, frames[0], "1", NumberOfFrames=2, PixelData=data, **EIGHT)


def _as_bright_as_the_body(path: Path, draw: Draw) -> Path:
    """Letters of another colour and of the same grey."""
    plain = body(0)
    grey = _eight(plain)
    colours = np.stack([grey] * 3, axis=-1).astype(np.int16)
    ink = draw(plain) != plain
    colours[ink] += np.array([60, -30, -30], np.int16)
    data = np.clip(colours, 0, 255).astype(np.uint8).tobytes()
    return write_file(path, grey, "1", PixelData=data, **COLOUR)


@pytest.mark.parametrize("made", [_grey_frames, _eight_bit_frames, _as_bright_as_the_body])
@pytest.mark.parametrize(("draw", "found"), [(_named, True), (lambda image: image, False)])
def test_a_name_is_found_in_every_kind_of_pixels_and_none_where_is_none(
    tmp_path: Path, made: Callable[[Path, Draw], Path], draw: Draw, found: bool
) -> None:
    path = made(tmp_path / "a.dcm", draw)
    n_frames = len(list(images_in(values_of_file(path))))
    looked = look(InspectJob((ImageFile("1", path, n_frames),), draw=5, every_frame=True))
    assert bool(looked.boxes) is found


def test_pixels_that_are_no_integers_are_not_looked_at(tmp_path: Path) -> None:
    """A picture of them would be black where one is not a number, and so would pass as clean."""
    values = _named(body(0)).astype(np.float32)
    values[0, 0] = np.nan
    path = write_file(tmp_path / "a.dcm", body(0), "1")
    data = dcmread(path)
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.BitsAllocated = 32
    data.add_new("FloatPixelData", "OF", values.tobytes())
    data.save_as(path)
    with pytest.raises(ValueError, match="float32"):
        look(InspectJob((ImageFile("1", path),), draw=5, every_frame=False))


@pytest.mark.parametrize("window", ["local", "whole"])
def test_values_that_are_no_numbers_or_are_lost_give_no_picture(
    window: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = body(0).astype(np.float32)
    flat = np.zeros_like(plane)
    assert windowed(plane, window, 1.0, RULES).std() > 1
    assert not windowed(flat, window, 1.0, RULES).std()
    with pytest.raises(ValueError, match="shows nothing"):
        windowed(np.where(plane > AIR, plane, np.nan), window, 1.0, RULES)
    monkeypatch.setattr(views, "_windowed", lambda *_: flat.astype(np.uint8))
    with pytest.raises(ValueError, match="shows nothing"):
        windowed(plane, window, 1.0, RULES)


def _packed(source: Path, syntax: Any) -> Path:
    data = dcmread(source)
    path = source.with_name(f"{syntax}.dcm")
    if syntax == JPEG2000Lossless:
        in_jpeg_2000(data)
    elif syntax in (RLELossless, JPEGLSLossless):
        data.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        data.PixelData = np.frombuffer(data.PixelData, "<u2").byteswap().tobytes()
    data.file_meta.TransferSyntaxUID = syntax
    dcmwrite(
        path,
        data,
        force_encoding=True,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
    )
    return path


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    "syntax",
    [
        *(RLELossless, JPEGLSLossless, ImplicitVRLittleEndian),
        *(DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless),
    ],
    ids=lambda syntax: str(syntax.name),
)
def test_the_same_pixels_are_known_again_however_they_are_packed(
    tmp_path: Path, syntax: Any, signed: int
) -> None:
    if syntax == JPEG2000Lossless:
        signed = 0  # the other encoder writes unsigned words only
    image = (body(0).astype(np.int32) // 2 - 500 * signed).astype(np.int16)
    bits = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": signed}
    plain = write_file(tmp_path / "plain.dcm", image, "1.2", **bits)
    again = _packed(plain, syntax)
    assert again.read_bytes() != plain.read_bytes()
    wanted = pixel_content(values_of_file(plain))
    assert pixel_content(values_of_file(again)) == wanted
    assert pixel_content(decoded_values(again.read_bytes())) == wanted
