"""What plain pandas says of a rule is what Great Expectations says, row by row, count by count."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.validate.engine import Outcome, run_rules
from tasks.validate.plain import run_plain_rules
from tasks.validate.store import read_suites
from tasks.validate.suites import Rule, Stage

_KEYS = {"t": ("key", "number"), "other": ("text",)}


def rule(kind: str, **kwargs: Any) -> Rule:
    name = "-".join(str(value) for value in kwargs.values())
    number = "".join(letter for letter in f"{kind}{name}".upper() if letter.isalnum())
    meta = {
        "rule_id": f"ABC-{number}",
        "stage": ["batch"],
        "message_en": "a",
        "message_zh": "a",
        "fix_en": "Data manager: a",
        "fix_zh": "数据管理员：a",
        "reason": "a",
    }
    return Rule.model_validate(
        {"type": f"expect_{kind}", "kwargs": kwargs, "severity": "major", "meta": meta}
    )


_COLUMNS = ("text", "share", "count", "flag", "known")
RULES = [
    *(rule("column_values_to_not_be_null", column=name) for name in _COLUMNS),
    *(rule("column_values_to_be_unique", column=name) for name in _COLUMNS),
    *(rule("column_values_to_be_in_set", column=c, value_set=[True]) for c in ("flag", "known")),
    rule("column_values_to_be_in_set", column="text", value_set=["a", "b"]),
    rule("column_values_to_be_in_set", column="count", value_set=[1, 2]),
    rule("column_values_to_be_in_set", column="text", value_set={"keys_of": "other.text"}),
    rule("column_values_to_be_in_set", column="key", value_set={"keys_of": "other.text"}),
    rule("column_values_to_be_between", column="share", min_value=0.25),
    rule("column_values_to_be_between", column="share", min_value=0, max_value=0.5),
    rule("column_values_to_be_between", column="count", min_value=1, max_value=1),
    rule("compound_columns_to_be_unique", column_list=["key", "number"]),
    rule("compound_columns_to_be_unique", column_list=["text", "share", "flag"]),
]


def frame(seed: int, n_rows: int) -> pd.DataFrame:
    """Return rows in which nothing is safe: keys twice, nothing there, limits met and missed."""
    drawn = random.Random(seed)
    return pd.DataFrame(
        {
            "key": pd.Series([drawn.choice("abcd") for _ in range(n_rows)], dtype=object),
            "number": pd.Series([drawn.randrange(3) for _ in range(n_rows)], dtype="int64"),
            "text": pd.Series(drawn.choices(["a", "b", "z", None], k=n_rows), dtype=object),
            "share": pd.Series(drawn.choices([0, 0.25, 0.5, 0.75, np.nan], k=n_rows), dtype=float),
            "count": pd.Series(drawn.choices([0, 1, 2], k=n_rows), dtype="int32"),
            "flag": pd.Series(drawn.choices([True, False, None], k=n_rows), dtype=object),
            "known": pd.Series(drawn.choices([True, False], k=n_rows), dtype=bool),
        }
    )


def told(outcomes: list[Outcome]) -> dict[str, tuple[object, ...]]:
    return {
        o.rule.meta.rule_id: (
            o.ran,
            o.success,
            [(row.key, str(row.value)) for row in o.failing],
            dict(o.evidence),
        )
        for o in outcomes
    }


@pytest.mark.parametrize("n_rows", [0, 1, 2, 5, 12, 40])
def test_a_rule_has_the_outcome_that_great_expectations_gives(n_rows: int) -> None:
    frames = {"t": frame(n_rows, n_rows), "other": pd.DataFrame({"text": ["a", "b"]})}
    ours, left = run_plain_rules({"t": RULES}, frames, _KEYS)
    assert left == {}
    assert told(ours) == told(run_rules({"t": RULES}, frames, _KEYS))


@pytest.mark.parametrize(
    "asked",
    [
        rule("column_values_to_be_between", column="text", min_value=1),
        rule("column_values_to_be_between", column="known", min_value=1),
        rule("column_values_to_match_regex", column="text", regex="a"),
        rule("column_values_to_not_be_null", column="nowhere"),
        rule("column_values_to_be_in_set", column="text", value_set={"keys_of": "absent.text"}),
    ],
    ids=lambda asked: asked.meta.rule_id,
)
def test_what_is_not_plainly_the_same_is_left_to_great_expectations(asked: Rule) -> None:
    assert run_plain_rules({"t": [asked]}, {"t": frame(1, 5)}, _KEYS) == ([], {"t": [asked]})


@pytest.mark.parametrize("kind", ["float32", "Float32"])
def test_numbers_of_single_precision_are_left_to_great_expectations(kind: str) -> None:
    # The single next to 0.05 is greater than it; pandas rounds the limit and says it is equal.
    asked = [
        rule("column_values_to_be_between", column="share", max_value=0.05),
        rule("column_values_to_be_in_set", column="share", value_set=[0.05]),
    ]
    rows = frame(1, 1).assign(share=pd.Series([0.05], dtype=kind))
    assert run_plain_rules({"t": asked}, {"t": rows}, _KEYS) == ([], {"t": asked})


def test_no_expectation_on_a_night_needs_great_expectations() -> None:
    kinds = {r.type for suite in read_suites().values() for r in suite.at(Stage.BATCH) if not r.sql}
    assert kinds <= {r.type for r in RULES}
