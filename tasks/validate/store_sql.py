"""Rules in SQL: DuckDB over the tables in memory returns the violations, and only those.

The statements come from suites, the tables from us; the database sees neither files nor the
network, so a rule can read nothing but the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from schemas.tables.contracts import TableContract
from schemas.tables.record_tables import record_schema
from tasks.validate.engine import FailingRow, Outcome
from tasks.validate.frames import DERIVED_TABLES, INSTANCE_FEATURES, key_columns
from tasks.validate.suites import Rule, Suite

if TYPE_CHECKING:
    import pyarrow.dataset

OBSERVED = "observed"
DUCKDB = "duckdb"
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "lock_configuration": "true",
}


def run_sql_rules(
    rules: Mapping[str, Sequence[Rule]],
    tables: Mapping[str, pa.Table | pa.dataset.Dataset],
    keys: Mapping[str, Sequence[str]],
) -> list[Outcome]:
    """Run the rules in SQL of every table that is given.

    Parameters
    ----------
    rules : mapping of str to sequence of Rule
        Rules by table; expectations are passed over.
    tables : mapping of str to pyarrow.Table or pyarrow.dataset.Dataset
        What the statements may name; a dataset is streamed, never held whole.
    keys : mapping of str to sequence of str
        Columns that name a row, by table: a statement returns them, and `observed`.

    Returns
    -------
    list of Outcome
        A statement that fails, or names a table that is not given, gives `ran` False.
    """
    chosen = [
        (table, rule)
        for table, listed in rules.items()
        if table in tables
        for rule in listed
        if rule.sql
    ]
    if not chosen:
        return []
    with _database(tables) as database:
        return [_run(database, table, rule, keys[table]) for table, rule in chosen]


def require_sql_runs(suites: Mapping[str, Suite], contracts: Mapping[str, TableContract]) -> None:
    """Run every statement over empty tables, to refuse a bad one when it is read.

    Raises
    ------
    ContractError
        If a statement fails or returns other columns than the key and `observed`; names file
        and rule.
    """
    empty = {name: contract.arrow_schema().empty_table() for name, contract in contracts.items()}
    empty[INSTANCE_FEATURES] = record_schema(InstanceFeatures).empty_table()
    for name, columns in DERIVED_TABLES.items():
        first, *numbers = columns
        fields = [pa.field(first, pa.string()), *(pa.field(n, pa.float64()) for n in numbers)]
        empty[name] = pa.schema(fields).empty_table()
    with _database(empty) as database:
        for table, suite in suites.items():
            for rule in suite.expectations:
                if rule.sql:
                    _require(database, table, rule, key_columns(table, contracts))


def _database(tables: Mapping[str, pa.Table | pa.dataset.Dataset]) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(":memory:", config=_CLOSED)
    for name, table in tables.items():
        database.register(name, table)
    return database


def _run(
    database: duckdb.DuckDBPyConnection, table: str, rule: Rule, key: Sequence[str]
) -> Outcome:
    names = ", ".join(f'"{name}"' for name in (*key, OBSERVED))
    try:
        rows = database.execute(f"SELECT DISTINCT {names} FROM ({rule.sql})").fetchall()  # noqa: S608 - the statement is the rule
    except duckdb.Error:
        return Outcome(
            table, rule, ran=False, success=False, failing=(), evidence={}, engine=DUCKDB
        )
    found = {tuple(map(str, row[:-1])): row[-1] for row in sorted(rows, key=repr)}
    return Outcome(
        table,
        rule,
        ran=True,
        success=not found,
        failing=tuple(FailingRow(names, value) for names, value in sorted(found.items())),
        evidence={"unexpected_count": len(found)},
        engine=DUCKDB,
    )


def _require(
    database: duckdb.DuckDBPyConnection, table: str, rule: Rule, key: Sequence[str]
) -> None:
    where = f"{table}.yaml, rule {rule.meta.rule_id}"
    try:
        described = database.execute(f"SELECT * FROM ({rule.sql}) LIMIT 0").description  # noqa: S608 - the statement is the rule
    except duckdb.Error as problem:
        told = str(problem).splitlines()[0]
        raise ContractError(f"the statement cannot run: {told}", where=where) from None
    found = [column[0] for column in described or ()]
    if sorted(found) != sorted((*key, OBSERVED)):
        raise ContractError(
            f"the statement returns {', '.join(found)}",
            expected=", ".join((*key, OBSERVED)),
            where=where,
        )
