"""Stillness: what does not vary over the slices while its surroundings do, whatever it shows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.inspect.rules import load_rules
from tasks.inspect.standing import Spread, stillness
from tasks.inspect.views import close_tiles_of
from tasks.inspect.words import Standing, standing_of

RULES = load_rules()


def _spread(images: NDArray[np.int16]) -> Spread:
    spread = Spread(images[0])
    for image in images[1:]:
        spread.add(image)
    return spread


def _noise(n: int, offset: int = 0) -> NDArray[np.int16]:
    rng = np.random.default_rng(4)
    return (offset + rng.normal(0, 12, (n, 64, 64))).astype(np.int16)


@pytest.mark.parametrize("offset", [-2000, 0, 30000])
def test_mean_and_deviation_are_those_of_all_images(offset: int) -> None:
    images = _noise(7, offset)
    spread = _spread(images)
    assert np.allclose(spread.mean(), images.mean(axis=0), atol=0.05)
    assert np.allclose(spread.deviation(), images.std(axis=0), atol=0.05)


@pytest.mark.parametrize("n_images", [4, 8, 40])
def test_ink_stands_out_of_noise_and_noise_does_not(n_images: int) -> None:
    images = _noise(n_images)
    ink = np.zeros((64, 64), bool)
    ink[20:34, 30:32] = ink[26:28, 20:40] = True
    images[:, ink] = 3
    still = stillness(_spread(images).deviation(), n_images)
    assert still[ink].mean() > 0.9
    assert still[~ink].mean() < 0.8 * RULES["still_share"]


def test_ink_in_an_image_that_never_changes_is_no_stiller_than_the_rest() -> None:
    assert not stillness(np.zeros((32, 32), np.float32), 8).any()


def test_what_is_wider_than_a_stroke_is_no_letter() -> None:
    images = _noise(16)
    images[:, 10:40, 10:40] = 3
    assert not stillness(_spread(images).deviation(), 16)[18:32, 18:32].any()


@pytest.mark.parametrize(
    ("text", "confidence", "still", "standing"),
    [
        ("ZHANG WEI", 0.65, 0.3, Standing.TEXT),
        ("ZHANG WEI", 0.65, 0.05, Standing.NOTHING),
        ("ZHANG WEI", 0.55, 0.3, Standing.NOTHING),
        ("李建国", 0.65, 0.3, Standing.TEXT),
        ("李建国", 0.52, 0.3, Standing.TEXT),
        ("南华", 0.52, 0.3, Standing.TEXT),
        ("南华", 0.52, 0.05, Standing.NOTHING),
        ("华", 0.99, 0.3, Standing.NOTHING),
        ("华3", 0.75, 0.3, Standing.NOTHING),
        ("LI", 0.75, 0.3, Standing.NOTHING),
        ("10cm", 0.65, 0.3, Standing.MARK),
    ],
)
def test_less_confidence_is_asked_of_letters_that_stand_still(
    text: str, confidence: float, still: float, standing: Standing
) -> None:
    assert standing_of(text, confidence, RULES, (), share=0.2, still=still) is standing


@pytest.mark.parametrize(
    ("shape", "most"), [((256, 320), 1), ((512, 512), 4), ((512, 400), 4), ((2048, 2048), 25)]
)
def test_parts_of_a_close_look_cover_the_image_and_are_not_too_many(
    shape: tuple[int, int], most: int
) -> None:
    tiles = close_tiles_of(shape, RULES)
    assert len(tiles) <= most
    covered = np.zeros(shape, np.uint8)
    for tile in tiles:
        covered[tile.y : tile.y + tile.rows, tile.x : tile.x + tile.columns] = 1
    assert covered.all()
