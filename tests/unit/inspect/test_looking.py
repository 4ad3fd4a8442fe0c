"""Text in pixels is found where a person would see it, and anatomy is not taken for text."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import EnvironmentProblemError
from schemas.held_series import MAXIMUM, MEAN, MINIMUM
from schemas.run.pool import Loss
from tasks.inspect.records import ImageFile, InspectJob, Looked
from tasks.inspect.rules import load_rules
from tasks.inspect.store import look_at
from tasks.inspect.store_models import read_models
from tasks.inspect.store_pixels import values_of_file
from tasks.inspect.store_worker import look, start_worker
from tasks.inspect.views import tiles_of
from tasks.simulate.images.drawn_text import TextStyle
from tests.unit.inspect.pictures import (
    AIR,
    BODY,
    CORNER,
    HAN,
    NAME,
    TURNED,
    WHITE,
    body,
    job,
    write_file,
    written,
)

RULES = load_rules()


@pytest.fixture(scope="module", autouse=True)
def _models() -> None:
    start_worker(RULES, read_models(RULES))


def _look(folder: Path, style: TextStyle | None, text: str = NAME, n: int = 6) -> Looked:
    images = [body(number) for number in range(n)]
    if style is not None:
        images = [written(image, style, text) for image in images]
    return look(job(folder, images))


def test_a_body_without_text_is_clean(tmp_path: Path) -> None:
    looked = _look(tmp_path, None)
    assert looked.boxes == ()
    assert looked.n_marks == 0
    assert (looked.rows, looked.columns) == (256, 256)
    assert len(looked.pixels) == 6


@pytest.mark.parametrize("style", [CORNER, TURNED], ids=lambda style: style.name)
def test_a_name_on_every_slice_is_found_where_it_stands(tmp_path: Path, style: TextStyle) -> None:
    looked = _look(tmp_path, style)
    assert looked.boxes
    where = [(b.x + b.width / 2, b.y + b.height / 2) for b in looked.boxes]
    upright = style is CORNER
    assert any((y < 40 if upright else x > 200) for x, y in where)


def test_letters_of_dots_over_the_body_are_found_though_badly_read(tmp_path: Path) -> None:
    assert _look(tmp_path, TextStyle("dots", 16.0, 0.45, 0.3, level=1800)).boxes


def test_a_name_in_han_is_found(tmp_path: Path) -> None:
    assert _look(tmp_path, HAN, "欧阳淑珍").boxes


def test_a_name_on_the_last_slice_alone_is_found(tmp_path: Path) -> None:
    images = [body(number) for number in range(6)]
    images[-1] = written(images[-1], CORNER)
    assert look(job(tmp_path, images)).boxes


@pytest.mark.parametrize("level", [BODY - 100, BODY + 100], ids=["dark", "bright"])
def test_a_name_on_one_inner_slice_is_found_where_others_are_as_dark_or_as_bright(
    tmp_path: Path, level: int
) -> None:
    """No projection shows it, and first, last and the keyed sample are other slices."""
    images = [body(number) for number in range(16)]
    for image in images[-2:]:
        image[90:160, 60:200] = level
    images[3] = written(images[3], TextStyle("inner", 16.0, 0.45, 0.3, level=level))
    assert look(job(tmp_path, images)).boxes


def test_every_frame_of_a_derived_series_is_looked_at(tmp_path: Path) -> None:
    images = [body(number) for number in range(9)]
    images[2] = written(images[2], HAN, "欧阳淑珍")
    looked = look(job(tmp_path, images, every_frame=True))
    # Of four images on, one view takes the place of another.
    assert looked.n_views == 3 + len(RULES.views) - 1
    # Files are named 1.1 to 1.9: in the third it is read, in the others there is nothing to read.
    views = {name for box in looked.boxes for name in box.views}
    assert views - {MINIMUM, MEAN, MAXIMUM} == {"1.3"}
    sample = look(job(tmp_path, images, every_frame=False))
    assert "1.3" not in {name for box in sample.boxes for name in box.views}


def test_small_letters_of_a_large_image_are_found_where_they_stand(tmp_path: Path) -> None:
    # As wide as a large image and no higher than a tile: as a whole it is scaled as much.
    y, x = np.mgrid[:640, :2048]
    noise = np.random.default_rng(1).normal(0, 1, x.shape)
    inside = ((x - 1024) / 900) ** 2 + ((y - 320) / 290) ** 2 < 1
    image = (np.where(inside, BODY, AIR + 30) + noise).astype(np.uint16)
    small = TextStyle("small", 16.0, 0.2, 0.1, level=WHITE)
    image[370:434, 1400:1656] = written(image[370:434, 1400:1656], small)
    looked = look(job(tmp_path, [image]))
    assert any(abs(box.x - 1425) < 40 and abs(box.y - 383) < 40 for box in looked.boxes)


def test_grey_letters_over_grey_tissue_are_found_because_they_stand_still(tmp_path: Path) -> None:
    """As bright as the tissue: only that they do not vary tells them from it."""
    ink = written(np.zeros((256, 256), np.uint16), TextStyle("grey", 14.0, 0.45, 0.3, level=1)) > 0
    images = [body(number) for number in range(8)]
    for image in images:
        image[ink] = BODY
    assert look(job(tmp_path, images)).boxes


def test_tiles_cover_a_large_image_and_a_usual_one_has_none() -> None:
    assert len(tiles_of((512, 768), RULES)) == 1
    covered = np.zeros((700, 2048), dtype=np.uint8)
    for tile in tiles_of(covered.shape, RULES)[1:]:
        assert max(tile.shape) <= RULES["input_side_px"]
        assert tile.of(covered).shape == tile.shape
        covered[tile.y : tile.y + tile.rows, tile.x : tile.x + tile.columns] = 1
    assert covered.all()


@pytest.mark.parametrize("padding", [-32768, 32767])
def test_padding_far_from_all_values_does_not_hide_a_name(tmp_path: Path, padding: int) -> None:
    y, x = np.mgrid[:256, :256]
    outside = (x - 128) ** 2 + (y - 128) ** 2 > 125**2
    faint = TextStyle("faint", 22.0, 0.45, 0.3, level=1200, han=True)
    files = []
    for number in range(6):
        image = written(body(number), faint, "欧阳淑珍").astype(np.int16)
        image[outside] = padding
        path = write_file(tmp_path / f"{number}.dcm", image, f"1.{number}", PixelRepresentation=1)
        files.append(ImageFile(f"1.{number}", path))
    looked = look(InspectJob(tuple(files), draw=5, every_frame=False))
    assert looked.boxes


def test_nothing_of_what_was_read_comes_back(tmp_path: Path) -> None:
    looked = _look(tmp_path, CORNER)
    assert looked.boxes
    said = repr(looked).upper()
    assert not any(word in said for word in NAME.split())


def test_a_plain_file_is_read_as_a_decoder_reads_it(tmp_path: Path) -> None:
    image = body(0)
    path = write_file(tmp_path / "a.dcm", image, "1.2")
    assert np.array_equal(values_of_file(path), image)
    signed = (image.astype(np.int32) - 1024).astype(np.int16)
    path = write_file(tmp_path / "b.dcm", signed, "1.3", PixelRepresentation=1)
    assert np.array_equal(values_of_file(path), signed)


def _raise(_: InspectJob) -> Looked:
    raise RuntimeError("the runtime")


def _die(_: InspectJob) -> Looked:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(("fault", "loss"), [(_raise, Loss.FAILED), (_die, Loss.DIED)])
def test_a_worker_that_fails_or_dies_gives_no_result(
    tmp_path: Path, fault: object, loss: Loss
) -> None:
    jobs = [job(tmp_path, [body(0)])]
    found = look_at(jobs, RULES, read_models(RULES), workers=1, look_with=fault)  # type: ignore[arg-type]
    assert found == [loss]


def test_a_file_that_cannot_be_decoded_gives_no_result(tmp_path: Path) -> None:
    broken = job(tmp_path, [body(0)])
    broken.files[0].path.write_bytes(b"\0" * 200)
    assert look_at([broken], RULES, read_models(RULES), workers=1) == [Loss.FAILED]


def test_models_that_the_runtime_cannot_load_give_no_result(tmp_path: Path) -> None:
    models = {"detection": b"no model", "recognition": b"no model"}
    assert look_at([job(tmp_path, [body(0)])], RULES, models, workers=1) == [Loss.DIED]


def _copied(folder: Path) -> dict[str, Path]:
    found = {}
    for part, data in read_models(RULES).items():
        model = RULES.models[part]
        found[part] = folder / model.package / model.file
        found[part].parent.mkdir(parents=True, exist_ok=True)
        found[part].write_bytes(data)
    return found


@pytest.mark.parametrize("part", ["detection", "recognition"])
@pytest.mark.parametrize("fault", ["missing", "truncated", "other bytes"])
def test_a_model_that_is_not_the_measured_one_is_refused(
    tmp_path: Path, part: str, fault: str
) -> None:
    place = _copied(tmp_path)[part]
    assert set(read_models(RULES, tmp_path)) == {"detection", "recognition"}
    data = place.read_bytes()
    if fault == "missing":
        place.unlink()
    else:
        place.write_bytes(data[:-1] if fault == "truncated" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(EnvironmentProblemError, match=part):
        read_models(RULES, tmp_path)
