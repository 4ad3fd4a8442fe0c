"""Great Expectations over pandas frames: which rows break which rule. Nothing leaves memory.

GX's own JSON quotes bad values; what is kept of it here is counts and verdicts. Importing GX
takes seconds, so it happens inside the call. The caller has set the environment that keeps
GX from looking outward (`schemas.run.settings.QUIET_ENVIRONMENT`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from schemas.run.lazy_imports import loaded_when_used
from tasks.validate.suites import Rule, gx_severity

#: Modules that GX imports for expectations, pages and stores which we have none of.
_SELDOM_USED = ("altair", "boto3", "botocore", "scipy.stats")
#: What of a GX result is kept as evidence: numbers only.
_KEPT = ("element_count", "unexpected_count", "unexpected_percent", "missing_count")


@dataclass(frozen=True)
class FailingRow:
    """The key of a row that breaks a rule, and the value of the first column looked at."""

    key: tuple[str, ...]
    value: object


@dataclass(frozen=True)
class Outcome:
    """What became of one rule on one table; `ran` False means nobody knows, so it blocks."""

    table: str
    rule: Rule
    ran: bool
    success: bool
    failing: tuple[FailingRow, ...]
    evidence: Mapping[str, object]
    engine: str = "great_expectations"


def run_rules(
    rules: Mapping[str, Sequence[Rule]],
    frames: Mapping[str, pd.DataFrame],
    keys: Mapping[str, Sequence[str]],
) -> list[Outcome]:
    """Run the rules of every table over its frame.

    Parameters
    ----------
    rules : mapping of str to sequence of Rule
        Rules by table; a table without a frame is not looked at here.
    frames : mapping of str to DataFrame
        One row per key; list columns may be there, rules do not look at them.
    keys : mapping of str to sequence of str
        Columns that name a row, by table.
    """
    if not any(rule.sql is None for table in rules if table in frames for rule in rules[table]):
        return []
    gx = import_great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("frames")
    outcomes: list[Outcome] = []
    for table, all_of_table in rules.items():
        listed = [rule for rule in all_of_table if rule.sql is None]
        if table not in frames or not listed:
            continue
        asset = source.add_dataframe_asset(table)
        batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(
            {"dataframe": _with_references(frames[table], listed, frames)}
        )
        outcomes += _run_table(table, listed, batch, frames, list(keys[table]))
    return outcomes


def import_great_expectations() -> Any:
    """Import GX, which takes a second; it uses modules that Python has deprecated, and says so.

    What it needs for charts, statistics and clouds is loaded when it is used: none of our
    expectations do, and it is more than half of the import.
    """
    with warnings.catch_warnings(), loaded_when_used(*_SELDOM_USED):
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
    return great_expectations


def _run_table(
    table: str,
    rules: Sequence[Rule],
    batch: Any,
    frames: Mapping[str, pd.DataFrame],
    key: list[str],
) -> list[Outcome]:
    gx = import_great_expectations()
    # Given at once: adding them one by one replaces a rule by the next on the same column.
    configurations = [_configuration(r) for r in rules if _is_runnable(r, frames, table)]
    suite = gx.ExpectationSuite(
        name=table, expectations=[one for one in configurations if _is_built(gx, one)]
    )
    result = batch.validate(
        suite,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": key,
            "partial_unexpected_count": 0,
            "include_unexpected_rows": False,
        },
    )
    # Results come back in another order than the suite.
    by_id = {item.expectation_config.meta["rule_id"]: item for item in result.results}
    return [_outcome(table, rule, by_id.get(rule.meta.rule_id), key) for rule in rules]


def _configuration(rule: Rule) -> dict[str, Any]:
    return {
        "type": rule.type,
        "kwargs": _resolved(rule),
        "severity": gx_severity(rule.severity),
        "meta": {"rule_id": rule.meta.rule_id},
    }


def _is_built(gx: Any, configuration: dict[str, Any]) -> bool:
    """Return whether GX takes it; one that it does not must not take the others with it."""
    try:
        gx.ExpectationSuite(name="one", expectations=[configuration])
    except Exception:  # GX raises what its parts raise; the rule then did not run, and blocks
        return False
    return True


def _is_runnable(rule: Rule, frames: Mapping[str, pd.DataFrame], table: str) -> bool:
    if rule.keys_of:
        other, column = rule.keys_of
        if other not in frames or column not in frames[other].columns:
            return False
    return set(rule.columns) <= set(frames[table].columns)


def _with_references(
    frame: pd.DataFrame, rules: Sequence[Rule], frames: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Add one truth value per reference: a value set of thousands of keys makes GX crawl."""
    found = {}
    for rule in rules:
        if rule.keys_of and rule.keys_of[0] in frames and rule.columns[0] in frame.columns:
            other, column = rule.keys_of
            if column in frames[other].columns:
                values = frame[rule.columns[0]]
                found[_found_column(rule)] = values.isna() | values.isin(frames[other][column])
    return frame.assign(**found)


def _found_column(rule: Rule) -> str:
    return f"found by {rule.meta.rule_id}"


def _resolved(rule: Rule) -> dict[str, Any]:
    if rule.keys_of:
        return {"column": _found_column(rule), "value_set": [True]}
    return dict(rule.kwargs)


def _outcome(table: str, rule: Rule, result: Any, key: list[str]) -> Outcome:
    if result is None or _raised(result.exception_info):
        return Outcome(table, rule, ran=False, success=False, failing=(), evidence={})
    facts = result.result
    listed = facts.get("unexpected_index_list") or []
    first = rule.columns[0] if rule.columns else None
    failing = {tuple(str(row[name]) for name in key): row.get(first) for row in listed}
    return Outcome(
        table,
        rule,
        ran=True,
        success=bool(result.success),
        failing=tuple(FailingRow(names, value) for names, value in sorted(failing.items())),
        evidence={name: facts[name] for name in _KEPT if name in facts},
    )


def _raised(info: Mapping[str, Any]) -> bool:
    """GX gives one dictionary, or one per metric when something was raised."""
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(item.get("raised_exception", True) for item in info.values())
