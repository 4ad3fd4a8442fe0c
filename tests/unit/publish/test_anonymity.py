"""Everybody in a package is one of at least k, however the cohort is made up."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from schemas.errors import GateBlockedError
from tasks.publish.anonymity import (
    MOST_LEFT_OUT,
    Person,
    age_band,
    generalise,
    measured_k,
    quasi_of,
)

_CLASSES = ("HCC", "ICC", "haemangioma", "cyst", "FNH", "metastasis")


def people(n: int, seed: int) -> list[Person]:
    draw = random.Random(seed)
    return [
        Person(
            f"S{site:02d}-{number:08d}",
            f"S{site:02d}",
            f"province {site % 5}",
            draw.choice("MF"),
            float(draw.randint(30, 90)),
            frozenset(draw.sample(_CLASSES, k=draw.randint(1, 2))),
        )
        for number in range(n)
        for site in [draw.randint(1, 12)]
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [60, 1500])
def test_everybody_left_is_one_of_k_and_few_are_left_out(n: int, seed: int) -> None:
    persons = people(n, seed)
    made = generalise(persons, 5)
    kept = [person for person in persons if person.subject_id not in made.left_out]
    sizes = Counter(quasi_of(person, made.levels) for person in kept)
    assert min(sizes.values()) == made.k >= 5
    assert len(made.left_out) <= MOST_LEFT_OUT * n


def test_more_persons_need_less_blur() -> None:
    assert generalise(people(3000, 1), 5).levels.loss < generalise(people(60, 1), 5).levels.loss


def test_those_who_are_alike_already_stay_as_they_are() -> None:
    same = [Person(f"S01-{n}", "S01", "x", "M", 61.0, frozenset(["HCC"])) for n in range(5)]
    made = generalise(same, 5)
    assert (made.levels.loss, made.k, made.left_out) == (0.0, 5, frozenset())


def test_four_persons_are_never_five() -> None:
    with pytest.raises(GateBlockedError, match="4 subjects cannot be made alike"):
        generalise(people(4, 1), 5)


def test_k_is_that_of_the_smallest_group() -> None:
    one, other = ("a", "M", "60-64", ("HCC",)), ("a", "F", "60-64", ("HCC",))
    assert (measured_k([one, one, other]), measured_k([])) == (1, 0)


@pytest.mark.parametrize(
    ("age", "level", "band"),
    [(64.0, 0, "60-64"), (65.0, 0, "65-69"), (90.0, 1, "90-99"), (None, 0, "unknown")],
)
def test_an_age_is_in_its_band(age: float | None, level: int, band: str) -> None:
    assert age_band(age, level) == band
