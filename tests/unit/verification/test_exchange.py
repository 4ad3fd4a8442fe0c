"""The form of a verification comes back whole, unchanged and answered, or not at all."""

from __future__ import annotations

import pytest

from schemas.errors import BadInputError
from schemas.verification_counts import interval
from tasks.verification.exchange import (
    PlannedItem,
    count_results,
    headings,
    read_rows,
    results_of,
    site_of,
)

PLANNED = {
    name: PlannedItem(name, "S91-AAAAAAAA", "diagnosis", field, critical)
    for name, field, critical in (
        ("V-1", "reference_class", True),
        ("V-2", "reference_route", True),
        ("V-3", "segment", False),
    )
}


def check(item: str) -> str:
    return f"c-{item}"


def line(item: str, result: str, *, site: str = "S91", code: str = "") -> list[str]:
    middle = ["LC-1", "diagnosis", "1", "f", "yes", "HCC"]
    return [item, code or check(item), site, *middle, result, "", ""]


def taken(*lines: list[str]) -> dict[str, str]:
    return results_of(read_rows([headings(), *lines]), PLANNED, check)


GOOD = [line("V-1", "agrees"), line("V-2", "不一致"), line("V-3", "无源文件")]


def test_both_languages_mean_the_same() -> None:
    assert taken(*GOOD) == {"V-1": "agrees", "V-2": "differs", "V-3": "no_source"}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (line("V-1", ""), "line 2: no result"),
        (line("V-1", "ok"), "line 2: the result is none of the words"),
        (line("V-9", "agrees"), "line 2: no item of the plan has this number"),
        (line("V-1", "agrees", code="c-V-2"), "line 2: item and check do not belong together"),
        (line("V-2", "agrees"), "line 2: the item stands in several rows"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named_and_nothing_is_taken(
    bad: list[str], told: str
) -> None:
    with pytest.raises(BadInputError, match=told):
        taken(bad, *GOOD[1:])


def test_rows_that_were_left_out_are_missed() -> None:
    with pytest.raises(BadInputError, match="1 of 3 items are not in the form"):
        taken(*GOOD[:2])


def test_a_refusal_repeats_nothing_that_was_typed_into_the_form() -> None:
    with pytest.raises(BadInputError) as refused:
        taken(line("张伟", "王五"), *GOOD)
    assert not {"张伟", "王五"} & {*refused.value.message.replace(":", " ").split()}
    assert "张伟" not in refused.value.message


def test_headings_that_were_changed_are_refused() -> None:
    with pytest.raises(BadInputError, match="columns are missing or stand twice: check"):
        read_rows([["item", "site_code", "result"], ["V-1", "S91", "agrees"]])


@pytest.mark.parametrize("sites", [("S91", "S92"), ("", "S91"), ("../x", "../x")])
def test_a_form_is_of_one_site(sites: tuple[str, str]) -> None:
    rows = [line(item, "agrees", site=site) for item, site in zip(PLANNED, sites, strict=False)]
    with pytest.raises(BadInputError, match="not of one site"):
        site_of(read_rows([headings(), *rows]))


def test_what_has_no_source_is_in_no_error_rate() -> None:
    first = {"V-1": "agrees", "V-2": "differs", "V-3": "no_source"}
    second = {"V-1": "differs", "V-2": "differs", "V-3": "agrees"}
    counts = {
        one.field: (one.rounds, one.compared, one.differed, one.no_source)
        for one in count_results("S91", [(PLANNED, first), (PLANNED, second)])
    }
    assert counts == {
        "reference_class": (2, 2, 1, 0),
        "reference_route": (2, 2, 2, 0),
        "segment": (2, 1, 0, 1),
    }


@pytest.mark.parametrize(
    ("differed", "compared", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_that_newcombe_published(
    differed: int, compared: int, low: float, high: float
) -> None:
    """Newcombe (1998), Stat Med 17:857-872, table I, method 3."""
    assert interval(differed, compared) == pytest.approx((low, high), abs=5e-5)
