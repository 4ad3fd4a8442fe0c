"""Folds: by subject, balanced, the same for the same seed, blind to the order of the rows."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tasks.datalist.cases import Case, Part, Subject
from tasks.datalist.folds import assign_folds

PEOPLE = st.lists(
    st.tuples(
        st.integers(0, 10_000), st.sampled_from(["S91", "S92", "S93"]),
        st.sampled_from(["benign", "malignant"]), st.sampled_from(list(Part)),
    ),
    unique_by=lambda one: one[0],
    max_size=80,
)  # fmt: skip


def case(number: int, site: str, reference: str, part: Part = Part.TRAINING) -> Case:
    name = f"{site}-{number:08d}"
    return Case(Subject(name, site, reference, "phase2_development"), part, ())


@given(PEOPLE, st.integers(2, 6), st.text(max_size=5))
def test_folds_differ_by_one_at_most_in_all_in_a_class_and_in_a_class_of_a_site(
    people: list[tuple[int, str, str, Part]], n_folds: int, seed: str
) -> None:
    cases = [case(*one) for one in people]
    folds = assign_folds(cases, n_folds, seed)
    trained = [one for one in cases if one.part is Part.TRAINING]
    assert folds.keys() == {one.subject.subject_id for one in trained}
    groups = [trained]
    groups += [[c for c in trained if c.subject.reference == r] for r in ("benign", "malignant")]
    groups += [
        [c for c in trained if (c.subject.reference, c.subject.site_code) == (r, s)]
        for r in ("benign", "malignant")
        for s in ("S91", "S92", "S93")
    ]
    for group in groups:
        sizes = Counter(folds[one.subject.subject_id] for one in group)
        counts = [sizes[fold] for fold in range(n_folds)]
        assert max(counts) - min(counts) <= 1


@given(PEOPLE, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_deals_nothing(
    people: list[tuple[int, str, str, Part]],
    shuffled: object,
) -> None:
    cases = [case(*one) for one in people]
    again = list(cases)
    shuffled.shuffle(again)  # type: ignore[attr-defined]  # hypothesis types it as object
    assert assign_folds(cases, 5, "a") == assign_folds(again, 5, "a")


def test_another_seed_deals_anew() -> None:
    cases = [case(number, "S91", "benign") for number in range(40)]
    assert assign_folds(cases, 5, "a") != assign_folds(cases, 5, "b")


def test_who_is_only_tested_has_no_fold() -> None:
    assert assign_folds([case(1, "S91", "benign", Part.TEST)], 2, "a") == {}
