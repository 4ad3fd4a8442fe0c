"""Expectation suites as people write them, read into a typed model that refuses a bad rule. Pure.

A suite is `expectations/<table>.yaml` in Great Expectations' own keys (`type`, `kwargs`,
`severity`, `meta`). A value set may be the keys of another table: `{keys_of: table.column}`.
What GX has no expectation for is a `violations_of_sql`, in the same keys.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.errors import ContractError
from schemas.rule_documents import parse_document
from schemas.states import Severity

#: Expectation types a suite may use, and the kwargs in which each names columns.
EXPECTATIONS: dict[str, tuple[str, ...]] = {
    "expect_column_values_to_not_be_null": ("column",),
    "expect_column_values_to_be_unique": ("column",),
    "expect_column_values_to_be_in_set": ("column",),
    "expect_column_values_to_not_be_in_set": ("column",),
    "expect_column_values_to_be_between": ("column",),
    "expect_column_values_to_match_regex": ("column",),
    "expect_compound_columns_to_be_unique": ("column_list",),
    "expect_column_pair_values_to_be_equal": ("column_A", "column_B"),
    "expect_column_pair_values_a_to_be_greater_than_b": ("column_A", "column_B"),
    "expect_table_row_count_to_be_between": (),
}
#: A rule of ours: SQL over the tables that returns the key and `observed` of every violation.
SQL_RULE = "violations_of_sql"
_NEEDED = {
    **EXPECTATIONS,
    SQL_RULE: ("column", "expected", "sql"),
    "expect_column_values_to_be_in_set": ("column", "value_set"),
    "expect_column_values_to_not_be_in_set": ("column", "value_set"),
    "expect_column_values_to_match_regex": ("column", "regex"),
}
#: What else kwargs may hold, by type; `_LIMITED` need one of the two limits at least.
_MORE: dict[str, tuple[str, ...]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": ("or_equal",),
}
_LIMITED = frozenset({"expect_column_values_to_be_between", "expect_table_row_count_to_be_between"})
_LIMITS = ("min_value", "max_value")
_KEYS_OF = re.compile(r"([a-z_]+)\.([a-z_0-9]+)")
Text = Annotated[str, Field(min_length=1)]


class Stage(StrEnum):
    """When a rule applies: over the tables of one batch, or over the whole cohort."""

    BATCH = "batch"
    RELEASE = "release"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Meta(_Model):
    """What a person needs to know about a rule; the fix says who does what."""

    rule_id: Annotated[str, Field(pattern=r"^[A-Z]{3}(-[A-Z0-9]+)+$")]
    stage: tuple[Stage, ...] = Field(min_length=1)
    message_en: Text
    message_zh: Text
    fix_en: Annotated[str, Field(pattern=r"^(Data manager|Site coordinator|QC reviewer): \S")]
    fix_zh: Annotated[str, Field(pattern=r"^(数据管理员|中心协调员（CRC）|质控审阅者)：\S")]
    reason: Text


class Rule(_Model):
    """One expectation of a suite."""

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    meta: Meta

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rule looks at."""
        if self.type == SQL_RULE:
            return (str(self.kwargs["column"]),)
        named: list[str] = []
        for key in EXPECTATIONS[self.type]:
            value = self.kwargs[key]
            named += [value] if isinstance(value, str) else list(value)
        return tuple(named)

    @property
    def sql(self) -> str | None:
        """The statement of a rule in SQL; None for an expectation."""
        return str(self.kwargs["sql"]) if self.type == SQL_RULE else None

    @property
    def keys_of(self) -> tuple[str, str] | None:
        """The (table, column) whose keys are the value set, if they are."""
        value_set = self.kwargs.get("value_set")
        found = _KEYS_OF.fullmatch(value_set["keys_of"]) if isinstance(value_set, dict) else None
        return (found[1], found[2]) if found else None

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        if self.type not in _NEEDED:
            raise ValueError(f"{self.meta.rule_id}: unknown expectation {self.type}")
        missing = [key for key in _NEEDED[self.type] if key not in self.kwargs]
        if missing:
            raise ValueError(f"{self.meta.rule_id}: kwargs lack {', '.join(missing)}")
        told = _wrong_kwargs(self.type, self.kwargs)
        if told:
            raise ValueError(f"{self.meta.rule_id}: {told}")
        if isinstance(self.kwargs.get("value_set"), dict):
            wanted = self.kwargs["value_set"].get("keys_of", "")
            if len(self.kwargs["value_set"]) != 1 or not _KEYS_OF.fullmatch(str(wanted)):
                raise ValueError(
                    f"{self.meta.rule_id}: a value set reads {{keys_of: table.column}}"
                )
        return self


def _wrong_kwargs(kind: str, kwargs: Mapping[str, Any]) -> str:
    """Return what Great Expectations would stumble over while it runs; "" for nothing."""
    limits = _LIMITS if kind in _LIMITED else ()
    known = {*_NEEDED[kind], *_MORE.get(kind, ()), *limits}
    unknown = sorted(set(kwargs) - known)
    if unknown:
        return f"kwargs have {', '.join(unknown)}, which is none of {', '.join(sorted(known))}"
    given = [kwargs[name] for name in limits if kwargs.get(name) is not None]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in given):
        return "min_value and max_value are numbers"
    if limits and not given:
        return "min_value or max_value is needed"
    if len(given) == len(_LIMITS) and given[0] > given[1]:
        return "min_value is greater than max_value"
    return ""


class Suite(_Model):
    """The rules of one table."""

    suite: str
    expectations: tuple[Rule, ...] = Field(min_length=1)

    def at(self, stage: Stage) -> tuple[Rule, ...]:
        """Return the rules that apply at a stage."""
        return tuple(rule for rule in self.expectations if stage in rule.meta.stage)


def parse_suite(text: bytes | str, file_name: str, columns: Mapping[str, frozenset[str]]) -> Suite:
    """Return the suite in a file.

    Parameters
    ----------
    text : bytes or str
        Content of the file.
    file_name : str
        `<table>.yaml`, also for messages.
    columns : mapping of str to frozenset of str
        Columns of every table that a rule may name, derived ones included.

    Raises
    ------
    ContractError
        If the file is not YAML, a key is unknown or missing, an expectation is unknown, or a
        rule names a table or column that does not exist; names file, rule and line.
    """
    document = parse_document(text, file_name)
    suite = document.validated(Suite)
    if f"{suite.suite}.yaml" != file_name or suite.suite not in columns:
        raise ContractError("no table has the name of the suite", where=file_name)
    for number, rule in enumerate(suite.expectations):
        _require_columns(rule, suite.suite, columns, document.where(("expectations", number)))
    return suite


def require_unique_ids(suites: Mapping[str, Suite]) -> None:
    """Raise ContractError when two rules have one id: their findings could not be told apart."""
    seen: dict[str, str] = {}
    for table, suite in suites.items():
        for rule in suite.expectations:
            if rule.meta.rule_id in seen:
                where = f"{seen[rule.meta.rule_id]}.yaml and {table}.yaml"
                raise ContractError(f"rule id {rule.meta.rule_id} stands twice", where=where)
            seen[rule.meta.rule_id] = table


def require_sql_on(tables: Collection[str], suites: Mapping[str, Suite]) -> None:
    """Raise ContractError for an expectation on images: no frame holds them, so it never ran."""
    for name in sorted(suites.keys() & set(tables)):
        for rule in suites[name].expectations:
            if rule.sql is None:
                raise ContractError(
                    f"rule {rule.meta.rule_id} is no rule in SQL",
                    expected=f"{SQL_RULE}: images are too many for an expectation",
                    where=f"{name}.yaml",
                )


def gx_severity(severity: Severity) -> Literal["critical", "warning", "info"]:
    """Return the word Great Expectations has for a severity; it has three for our four."""
    if severity is Severity.BLOCKER:
        return "critical"
    return "warning" if severity is Severity.MAJOR else "info"


def _require_columns(
    rule: Rule, table: str, columns: Mapping[str, frozenset[str]], where: str
) -> None:
    wanted = [(table, column) for column in rule.columns]
    if rule.keys_of:
        wanted.append(rule.keys_of)
    for name, column in wanted:
        if column not in columns.get(name, frozenset()):
            raise ContractError(
                f"rule {rule.meta.rule_id} names {name}.{column}, which does not exist",
                where=where,
            )
