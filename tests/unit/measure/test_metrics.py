"""Each metric answers to what it is named for, and says why where it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.measurements import NoValue
from tasks.measure import contrasts, coverage, encoding, noise, slices
from tasks.measure.volume import coarse_grid
from tests.unit.measure.bodies import body_ct, volume


@pytest.mark.parametrize("noise_hu", [6.0, 12.0, 24.0])
def test_the_noise_of_a_ct_is_the_deviation_that_was_put_in(noise_hu: float) -> None:
    found = noise.ct_noise(volume(body_ct(noise_hu=noise_hu)))
    # Squares of three pixels: their deviations scatter, and the mode lies below the mean.
    assert found.value == pytest.approx(noise_hu, rel=0.2)


def test_noise_of_air_is_no_noise_of_tissue() -> None:
    assert (
        noise.ct_noise(volume(np.full((40, 40, 10), -1000, np.int16))).reason is NoValue.NO_TISSUE
    )


def test_a_slice_that_stands_twice_is_counted_and_padding_is_not() -> None:
    ct = body_ct(noise_hu=5.0)
    assert slices.repeated_slices(volume(ct)).value == 0.0
    ct[:, :, 7] = ct[:, :, 6]
    ct[:, :, 15] = ct[:, :, 14]
    ct[:, :, :3] = -1000
    assert slices.repeated_slices(volume(ct)).value == 2.0


def test_a_slice_equal_but_for_one_pixel_is_another_slice() -> None:
    ct = body_ct(noise_hu=5.0)
    ct[:, :, 7] = ct[:, :, 6]
    ct[51, 41, 7] += 1
    assert slices.repeated_slices(volume(ct)).value == 0.0


def test_neighbours_dip_where_slices_are_missing() -> None:
    ct = body_ct((100, 80, 30))
    whole = slices.slice_correlation_dip(volume(ct)).value
    holed = slices.slice_correlation_dip(volume(np.delete(ct, [14, 15, 16], axis=2))).value
    assert whole is not None
    assert holed is not None
    assert holed > 3 * whole + 0.001


def test_a_short_stack_has_no_surroundings_to_compare_with() -> None:
    short = volume(body_ct((100, 80, 5)))
    assert slices.slice_correlation_dip(short).reason is NoValue.TOO_FEW_SLICES


def test_lung_at_the_top_is_seen_on_the_right_and_not_on_the_left() -> None:
    ct, left = body_ct(), body_ct()
    ct[55:75, 30:50, -3:] = -850
    left[25:45, 30:50, -3:] = -850
    right_share = coverage.top_lung_share(coarse_grid(volume(ct), 4.0)).value
    assert right_share == pytest.approx(0.3, abs=0.12)
    assert coverage.top_lung_share(coarse_grid(volume(left), 4.0)).value == 0.0


def test_a_body_within_the_field_is_not_cut_and_one_beyond_it_is() -> None:
    ct = body_ct()
    assert coverage.body_cut_mm(coarse_grid(volume(ct), 4.0)).value == 0.0
    cut = coverage.body_cut_mm(coarse_grid(volume(ct[24:76]), 4.0)).value
    assert cut is not None
    assert cut > 60.0


def test_the_edge_of_a_reconstructed_circle_is_an_edge() -> None:
    ct = body_ct()
    x, y = np.meshgrid(np.arange(100), np.arange(80), indexing="ij")
    ct[(x - 50) ** 2 + (y - 40) ** 2 > 28**2] = -2000
    cut = coverage.body_cut_mm(coarse_grid(volume(ct), 4.0)).value
    assert cut is not None
    assert cut > 20.0


def _mr(ghost_axis: int | None) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    body = np.where(body_ct((128, 128, 6)) > -500, 400.0, 0.0)
    rng = np.random.default_rng(3)
    values = body.copy()
    if ghost_axis is not None:
        values += 0.1 * np.roll(body, 52, axis=ghost_axis)
    return (np.abs(values + rng.normal(0, 5, body.shape)) + 1).astype(np.int16)


def test_a_ghost_counts_along_the_phase_encoding_and_not_across_it() -> None:
    along = encoding.ghost_ratio(volume(_mr(1), encoding="j")).value
    across = encoding.ghost_ratio(volume(_mr(0), encoding="j")).value
    clean = encoding.ghost_ratio(volume(_mr(None), encoding="j-")).value
    assert along is not None
    assert across is not None
    assert clean == pytest.approx(0.0, abs=0.2)
    assert along > 1.0
    assert across < 0.0


def test_nothing_is_said_of_ghosts_where_the_encoding_or_the_air_is_unknown() -> None:
    image = _mr(1)
    assert encoding.ghost_ratio(volume(image)).reason is NoValue.ENCODING_UNKNOWN
    blanked = np.where(image > 40, image, 0)
    found = encoding.ghost_ratio(volume(blanked, encoding="j"))
    assert found.reason is NoValue.BACKGROUND_MASKED


def test_matter_on_the_edge_along_the_encoding_is_a_risk_of_fold_over() -> None:
    image = _mr(None)
    inside = encoding.phase_edge_signal(volume(image, encoding="i")).value
    beyond = encoding.phase_edge_signal(volume(image[28:100], encoding="i")).value
    assert inside is not None
    assert beyond is not None
    assert beyond > inside + 20.0


def test_diffusion_that_fades_does_not_rise_and_mixed_up_volumes_do() -> None:
    body = np.where(body_ct((64, 64, 6)) > -500, 1.0, 0.02)
    series = np.stack([900 * body, 500 * body, 200 * body], axis=3).astype(np.int16)
    fading = contrasts.dwi_rise(volume(series), (0.0, 400.0, 800.0))
    mixed = contrasts.dwi_rise(volume(series), (0.0, 800.0, 400.0))
    assert fading.value == 0.0
    assert mixed.value == pytest.approx(100 * 300 / 900, abs=1.0)


def test_b_values_that_do_not_match_the_volumes_are_not_judged() -> None:
    one = volume(body_ct((64, 64, 6)))
    assert contrasts.dwi_rise(one, (0.0, 800.0)).reason is NoValue.NO_PARTNER


def test_fat_lies_below_the_skin_unless_the_two_are_swapped() -> None:
    outer = body_ct((100, 80, 8)) > -500
    inner = np.zeros_like(outer)
    inner[18:82, 16:64] = outer[18:82, 16:64] & outer[10:74, 16:64] & outer[26:90, 16:64]
    water = np.where(inner, 300, np.where(outer, 30, 2)).astype(np.int16)
    fat = np.where(inner, 30, np.where(outer, 300, 2)).astype(np.int16)
    right = contrasts.ring_water_share(volume(water), volume(fat)).value
    swapped = contrasts.ring_water_share(volume(fat), volume(water)).value
    assert right is not None
    assert swapped is not None
    assert right < 0.3 < 0.7 < swapped
    elsewhere = replace(volume(fat), origin_mm=(50.0, 0.0, 0.0))
    assert contrasts.ring_water_share(volume(water), elsewhere).reason is NoValue.GRIDS_DIFFER
