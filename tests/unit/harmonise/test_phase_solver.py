"""The cheapest ordered assignment of phases, and how much dearer the next one is."""

from __future__ import annotations

import pytest

from schemas.errors import ContractError
from tasks.harmonise.phase_solver import Acquisition, solve
from tasks.harmonise.vocabulary import find_window, parse_phase_windows, parse_rungs

CT = [w for p in ("pre", "art", "pvp", "late") if (w := find_window("CT", p)) is not None]


def best(*times_s: float, **named: frozenset[str]) -> list[str]:
    acquisitions = [Acquisition(t, named.get(f"n{i}", frozenset())) for i, t in enumerate(times_s)]
    solution = solve(acquisitions, CT)
    return [solution.best(i) for i in range(len(times_s))]


def test_the_pattern_of_gaps_of_a_four_phase_ct_is_known() -> None:
    assert best(0, 220, 253, 380) == ["pre", "art", "pvp", "late"]


def test_the_same_exam_at_another_time_of_day_has_the_same_phases() -> None:
    assert best(50_000, 50_220, 50_253, 50_380) == ["pre", "art", "pvp", "late"]


def test_phases_are_never_out_of_order() -> None:
    order = ["pre", "art", "pvp", "late"]
    places = [order.index(p) for p in best(0, 10, 20, 30, 400, 900, 1500)]
    assert places == sorted(places)


def test_a_stated_start_makes_the_margin_larger() -> None:
    acquisitions = [Acquisition(35.0), Acquisition(70.0)]
    free, bound = solve(acquisitions, CT), solve(acquisitions, CT, (-5.0, 5.0))
    phase = frozenset({"pvp"})
    assert bound.margin(1, phase) > free.margin(1, phase)


def test_a_name_outweighs_an_unusual_gap_but_not_an_impossible_time() -> None:
    late = frozenset({"late"})
    named = Acquisition(115.0, late)
    assert solve([named], CT, (0.0, 0.0)).best(0) == "late"
    assert solve([Acquisition(30.0, late)], CT, (0.0, 0.0)).best(0) == "art"


def test_an_exam_without_acquisitions_has_an_empty_solution() -> None:
    assert solve([], CT).costs.shape == (0, 4)


@pytest.mark.parametrize(
    "row", ["CT,art,,25,45,50,15,5,75,1,1,r,s", "CT,art,,25,45,15,50,5,75,-1,1,r,s"]
)
def test_a_window_out_of_order_or_with_a_negative_cost_is_refused_by_line(row: str) -> None:
    header = (
        "modality,phase,agent,typical_from_s,typical_to_s,from_s,to_s,conflict_before_s,"
        "conflict_after_s,absent_cost,repeat_cost,reason,source\n"
    )
    with pytest.raises(ContractError) as caught:
        parse_phase_windows(header + row + "\n", "w.csv")
    assert caught.value.where == "w.csv:2"


def test_sources_of_time_zero_must_be_complete() -> None:
    header = "rung,tier,least_margin,earliest_s,latest_s,reason,source\n"
    with pytest.raises(ContractError, match="other rungs"):
        parse_rungs(header + "gap,C,2,0,0,r,s\n", "z.csv")
