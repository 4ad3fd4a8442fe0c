"""The goals for contrast phases hold on exams that no rule or weight was set on."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks" / "harmonise"
_HELD_OUT_SEED, _N_EXAMS = 500_000, 1000


@pytest.fixture(scope="module")
def measured() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_BENCHMARKS)
        return importlib.import_module("phases").measure(_HELD_OUT_SEED, _N_EXAMS)


@pytest.mark.slow
def test_phases_of_adversarial_exams_are_found(measured: Any) -> None:
    assert measured.macro_f1 >= 0.93
    assert measured.delayed_f1 >= 0.90


@pytest.mark.slow
def test_a_phase_is_rather_missing_than_wrong(measured: Any) -> None:
    assert measured.wrong <= 0.01


@pytest.mark.slow
def test_pauses_alone_name_no_phase(measured: Any) -> None:
    assert measured.silent.total() > 50
    assert measured.silent[True] == 0


@pytest.mark.slow
def test_what_is_only_inferred_is_right_in_99_of_100(measured: Any) -> None:
    right, wrong = measured.tiers["C", True], measured.tiers["C", False]
    assert right > 500
    assert right / (right + wrong) >= 0.99
