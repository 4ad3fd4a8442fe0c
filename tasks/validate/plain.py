"""The common expectations in plain pandas: for a night, in which loading GX is most of the time.

What is said here of a rule is what Great Expectations says of it, row by row and count by count;
tests hold one against the other. A release asks GX itself about all tables. What is not plainly
the same (other expectations, dates, texts where numbers belong, numbers of single precision) is
left to GX in a night too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from pandas.api import types

from tasks.validate.engine import FailingRow, Outcome
from tasks.validate.suites import Rule

PANDAS = "pandas"


def run_plain_rules(
    rules: Mapping[str, Sequence[Rule]],
    frames: Mapping[str, pd.DataFrame],
    keys: Mapping[str, Sequence[str]],
) -> tuple[list[Outcome], dict[str, list[Rule]]]:
    """Run what can be run here; the arguments are those of `engine.run_rules`.

    Returns
    -------
    list of Outcome
        Of the rules that were run.
    dict of str to list of Rule
        By table, the expectations that are left to Great Expectations.
    """
    outcomes: list[Outcome] = []
    left: dict[str, list[Rule]] = {}
    for table, listed in rules.items():
        if table not in frames:
            continue
        for rule in listed:
            if rule.sql is not None:
                continue
            outcome = _run(table, rule, frames, list(keys[table]))
            if outcome is None:
                left.setdefault(table, []).append(rule)
            else:
                outcomes.append(outcome)
    return outcomes, left


def _run(
    table: str, rule: Rule, frames: Mapping[str, pd.DataFrame], key: list[str]
) -> Outcome | None:
    find = _UNEXPECTED.get(rule.type)
    frame = frames[table]
    if find is None or not {*rule.columns, *key} <= set(frame.columns):
        return None
    if any(_is_single(frame[name]) for name in rule.columns):
        return None
    if rule.keys_of is not None:
        missing, unexpected = _without_row(rule, frame, frames)
    else:
        missing = frame[list(rule.columns)].isna().all(axis=1)
        unexpected = find(frame[list(rule.columns)], rule.kwargs)
    if unexpected is None or missing is None:
        return None
    if rule.type != _NOT_NULL:
        unexpected &= ~missing
    return Outcome(
        table,
        rule,
        ran=True,
        success=not unexpected.any(),
        failing=_failing(frame[unexpected], rule, key),
        evidence=_evidence(rule, missing, unexpected),
        engine=PANDAS,
    )


def _is_single(column: pd.Series) -> bool:
    # A limit of 0.05 is met by the single next to it here, and passed there.
    return types.is_float_dtype(column) and column.dtype.name.lower() != "float64"


def _failing(rows: pd.DataFrame, rule: Rule, key: list[str]) -> tuple[FailingRow, ...]:
    # Of a reference GX looks at the truth value that stands for it: the text itself is not told.
    first = rule.columns[0]
    told = first in key or rule.keys_of is None
    names = zip(*(rows[name] for name in key), strict=True)
    values = rows[first] if told else [None] * len(rows)
    found = {tuple(map(str, name)): value for name, value in zip(names, values, strict=True)}
    return tuple(FailingRow(name, value) for name, value in sorted(found.items()))


def _evidence(rule: Rule, missing: pd.Series, unexpected: pd.Series) -> dict[str, object]:
    n, n_missing, n_unexpected = len(missing), int(missing.sum()), int(unexpected.sum())
    n_looked_at = n if rule.type == _NOT_NULL else n - n_missing
    evidence: dict[str, object] = {
        "element_count": n,
        "unexpected_count": n_unexpected,
        "unexpected_percent": n_unexpected / n_looked_at * 100 if n_looked_at else None,
    }
    return evidence if rule.type == _NOT_NULL else evidence | {"missing_count": n_missing}


def _without_row(
    rule: Rule, frame: pd.DataFrame, frames: Mapping[str, pd.DataFrame]
) -> tuple[pd.Series | None, pd.Series | None]:
    """Return that nothing is missing, and which values are no key of the other table."""
    other, column = rule.keys_of or ("", "")
    if other not in frames or column not in frames[other].columns:
        return None, None
    values = frame[rule.columns[0]]
    found = values.isna() | values.isin(frames[other][column])
    return pd.Series(False, index=frame.index), ~found


def _null(values: pd.DataFrame, kwargs: Mapping[str, object]) -> pd.Series:
    return values.iloc[:, 0].isna()


def _repeated(values: pd.DataFrame, kwargs: Mapping[str, object]) -> pd.Series:
    return values.duplicated(keep=False)


def _other(values: pd.DataFrame, kwargs: Mapping[str, object]) -> pd.Series | None:
    allowed, column = kwargs["value_set"], values.iloc[:, 0]
    if not isinstance(allowed, list | tuple) or not allowed:
        return None
    return ~column.isin(list(allowed))


def _outside(values: pd.DataFrame, kwargs: Mapping[str, object]) -> pd.Series | None:
    column = values.iloc[:, 0]
    low, high = kwargs.get("min_value", -math.inf), kwargs.get("max_value", math.inf)
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    if not numbers or not types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return None
    return (column < low) | (column > high)


_NOT_NULL = "expect_column_values_to_not_be_null"
#: Which rows an expectation does not expect, where it looks at them; None: not to be told here.
_UNEXPECTED: dict[str, Callable[[pd.DataFrame, Mapping[str, object]], pd.Series | None]] = {
    _NOT_NULL: _null,
    "expect_column_values_to_be_unique": _repeated,
    "expect_compound_columns_to_be_unique": _repeated,
    "expect_column_values_to_be_in_set": _other,
    "expect_column_values_to_be_between": _outside,
}
