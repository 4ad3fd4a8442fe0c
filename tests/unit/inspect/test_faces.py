"""Sections of a head in a row: the longest run is found without looking at every image."""

from __future__ import annotations

import dataclasses
from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.inspect.faces import HeadRun, is_head_section
from tasks.inspect.rules import load_rules

RULES = load_rules()
LEAST = 8
SPACING_MM = (1.0, 1.0)


def _section(height_mm: int, breadth_mm: int) -> NDArray[np.uint16]:
    """Return an axial image of 256 x 256 mm with a bright ellipse of that size."""
    row, column = np.mgrid[:256, :256] - 128
    inside = (row / (height_mm / 2)) ** 2 + (column / (breadth_mm / 2)) ** 2 <= 1
    noise = np.random.default_rng(1).integers(0, 20, (256, 256))
    image: NDArray[np.uint16] = (noise + 1000 * inside).astype(np.uint16)
    return image


HEAD, ABDOMEN = _section(190, 150), _section(220, 250)


def _longest(shown: list[bool]) -> int:
    run = HeadRun(RULES)
    for is_head in shown:
        run.add(HEAD if is_head else ABDOMEN, SPACING_MM)
    return run.longest()


def _true_longest(shown: list[bool]) -> int:
    return max((len([*group]) for is_head, group in groupby(shown) if is_head), default=0)


def test_a_section_of_the_size_of_a_head_is_told_from_one_of_an_abdomen() -> None:
    assert is_head_section(HEAD[::4, ::4], SPACING_MM)
    assert not is_head_section(ABDOMEN[::4, ::4], SPACING_MM)
    assert not is_head_section(np.zeros((64, 64), np.uint16), SPACING_MM)


@pytest.mark.parametrize("begin", range(2 * LEAST))
@pytest.mark.parametrize("length", [LEAST - 1, LEAST, LEAST + 1, 2 * LEAST + 3])
def test_a_run_is_found_wherever_it_begins_and_ends(begin: int, length: int) -> None:
    for behind in (0, 3):
        shown = [False] * begin + [True] * length + [False] * behind
        found = _longest(shown)
        assert found == length if length >= LEAST else found < LEAST


def test_what_is_found_is_what_looking_at_every_image_finds() -> None:
    chance = np.random.default_rng(7)
    for _ in range(25):
        lengths = chance.integers(1, 14, 8)
        shown = [bool(n % 2) for n, length in enumerate(lengths) for _ in range(length)]
        found, true = _longest(shown), _true_longest(shown)
        assert found == true if true >= LEAST else found < LEAST


def test_an_image_without_spacing_ends_a_run() -> None:
    run = HeadRun(RULES)
    for number in range(3 * LEAST):
        run.add(HEAD, None if number % LEAST == LEAST - 2 else SPACING_MM)
    assert run.longest() < LEAST


def test_where_no_rule_asks_none_is_looked_for() -> None:
    others = tuple(rule for rule in RULES.faces if rule.test != "head_sections")
    run = HeadRun(dataclasses.replace(RULES, faces=others))
    for _ in range(2 * LEAST):
        run.add(HEAD, SPACING_MM)
    assert run.longest() == 0


def test_the_rules_ask_for_as_many_as_these_tests_say() -> None:
    assert [float(r.value) for r in RULES.faces if r.test == "head_sections"] == [LEAST]
