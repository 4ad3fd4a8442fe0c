"""Vessels and liver are found by what changes; their order is held against what labels say."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.measurements import NoValue
from tasks.measure.catalogue import load_catalogue
from tasks.measure.passes import PassLevels, levels_of_passes
from tasks.measure.phase_order import LabelledPass, Opinion, judge_order
from tasks.measure.volume import Grid, coarse_grid, patient_axes
from tests.unit.measure.bodies import exam

PAIRS = load_catalogue().pairs
TRUE = {"pre": (40.0, 55.0), "art": (300.0, 70.0), "pvp": (160.0, 120.0), "del": (110.0, 95.0)}
AFFINE = np.diag([5.0, 5.0, 5.0, 1.0])


def grids(moved: dict[str, int] | None = None) -> list[Grid]:
    return [coarse_grid(patient_axes(v, AFFINE), 4.0) for v in exam(TRUE, moved=moved).values()]


@pytest.mark.parametrize("moved", [None, {"art": 2, "del": -2}])
def test_levels_are_those_of_aorta_and_liver_also_after_a_breath(
    moved: dict[str, int] | None,
) -> None:
    found = levels_of_passes(grids(moved), is_ct=True)
    assert isinstance(found, list)
    for level, (aorta, liver) in zip(found, TRUE.values(), strict=True):
        assert level.liver == pytest.approx(liver, abs=6.0)
        # Smoothed over its neighbours: a narrow tube loses to the fat around it.
        assert level.aorta == pytest.approx(aorta, abs=0.4 * aorta + 25.0)
    aortas = [one.aorta for one in found]
    assert aortas[1] > aortas[2] > aortas[3] > aortas[0]
    assert (max(one.shift_mm for one in found) > 8.0) is bool(moved)


def test_the_aorta_is_not_the_caval_vein_and_the_portal_region_is_found() -> None:
    """Once no pass met the peak: the vein on the right changes more than the aorta."""
    veins = {"pre": (40.0, 40.0), "art": (45.0, 60.0), "pvp": (330.0, 210.0), "del": (120.0, 115.0)}
    passes = exam(TRUE | {"art": (230.0, 70.0)}, moved={"pvp": 1}, veins=veins)
    found = levels_of_passes(
        [coarse_grid(patient_axes(v, AFFINE), 4.0) for v in passes.values()], is_ct=True
    )
    assert isinstance(found, list)
    native, arterial, portal, late = found
    assert arterial.aorta > portal.aorta > late.aorta > native.aorta
    for level, (_, vein) in zip(found, veins.values(), strict=True):
        assert level.portal == pytest.approx(vein, abs=0.25 * vein + 15.0)


def test_no_portal_region_is_made_up_where_nothing_changes_like_a_vein() -> None:
    found = levels_of_passes(grids(), is_ct=True)
    assert isinstance(found, list)
    assert {one.portal for one in found} == {None}


def test_the_portal_region_tells_phases_apart_between_which_the_aorta_hardly_changes() -> None:
    levels = {"pre": (40.0, 55.0), "art": (400.0, 70.0), "pvp": (150.0, 110.0),
              "trans": (140.0, 112.0)}  # fmt: skip
    veins = {"pre": 42.0, "art": 60.0, "pvp": 190.0, "trans": 142.0}
    names = {"pvp": "trans", "trans": "pvp"}

    def judged(*, with_portal: bool) -> Opinion:
        said = [
            LabelledPass(names.get(p, p), *levels[p], veins[p] if with_portal else None)
            for p in levels
        ]
        return judge_order(said, PAIRS, is_ct=True).opinion

    assert judged(with_portal=False) is Opinion.SILENT
    assert judged(with_portal=True) is Opinion.DISAGREES


def test_without_contrast_no_vessel_is_found() -> None:
    native = exam(dict.fromkeys(("a", "b"), (40.0, 55.0)))
    same = [coarse_grid(patient_axes(v, AFFINE), 4.0) for v in native.values()]
    assert levels_of_passes(same, is_ct=True) is NoValue.NO_VESSEL


def test_one_pass_and_passes_of_other_places_have_no_levels() -> None:
    one, *_, last = grids()
    far = Grid(last.values, last.spacing_mm, (2000.0, 0.0, 0.0))
    assert levels_of_passes([one], is_ct=True) is NoValue.NO_PARTNER
    assert levels_of_passes([one, far], is_ct=True) is NoValue.GRIDS_DIFFER


def _labelled(**levels: tuple[float, float]) -> list[LabelledPass]:
    return [LabelledPass(phase, *level) for phase, level in levels.items()]


def _swapped(a: str, b: str) -> list[LabelledPass]:
    names = {a: b, b: a}
    return _labelled(**{names.get(phase, phase): level for phase, level in TRUE.items()})


def test_the_true_order_is_agreed_with() -> None:
    assert judge_order(_labelled(**TRUE), PAIRS, is_ct=True).opinion is Opinion.AGREES


@pytest.mark.parametrize(
    ("a", "b"), [("pre", "art"), ("art", "pvp"), ("pvp", "del"), ("pre", "del"), ("art", "del")]
)
def test_two_swapped_phases_are_contradicted(a: str, b: str) -> None:
    found = judge_order(_swapped(a, b), PAIRS, is_ct=True)
    assert found.opinion is Opinion.DISAGREES
    assert f"{a}>{b}" in found.contradicted


def test_an_arterial_phase_that_came_too_soon_is_no_swap() -> None:
    early = _labelled(**{**TRUE, "art": (45.0, 55.0)})
    assert judge_order(early, PAIRS, is_ct=True).opinion is Opinion.SILENT


def test_a_change_as_small_as_noise_says_nothing() -> None:
    flat = _labelled(pvp=(150.0, 110.0), **{"del": (151.0, 110.0)})
    assert judge_order(flat, PAIRS, is_ct=True).opinion is Opinion.SILENT


def test_one_phase_alone_or_unknown_phases_say_nothing() -> None:
    alone = [LabelledPass("art", 300.0, 60.0)]
    assert judge_order(alone, PAIRS, is_ct=True).opinion is Opinion.SILENT


def test_levels_do_not_depend_on_what_passes_are_called() -> None:
    forward, backward = grids(), grids()[::-1]
    one, other = (levels_of_passes(g, is_ct=True) for g in (forward, backward))
    assert isinstance(one, list)
    assert isinstance(other, list)
    assert [_rounded(level) for level in one] == [_rounded(level) for level in other[::-1]]


def _rounded(level: PassLevels) -> tuple[int, int]:
    return round(level.aorta), round(level.liver)
