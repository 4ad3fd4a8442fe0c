"""The report reads what the data contracts promise, and refuses less."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from schemas.errors import BadInputError
from schemas.package_data import data_contracts_dir
from tasks.report.model import ROW_OF_TABLE, columns_read, read_cohort
from tests.unit.report.synthetic import make_report


def contract_columns(table: str) -> set[str]:
    path = data_contracts_dir() / "cohort" / f"{table}.yaml"
    contract: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {column["name"] for column in contract["schema"][0]["properties"]}


@pytest.mark.parametrize("table", sorted(ROW_OF_TABLE))
def test_every_column_the_report_reads_is_in_the_data_contract(table: str) -> None:
    assert set(columns_read(table)) <= contract_columns(table)


@pytest.mark.parametrize("table", sorted(ROW_OF_TABLE))
def test_a_table_that_lacks_a_column_is_refused_by_name(table: str) -> None:
    tables = dict(make_report(n_sites=1).tables)
    lost = columns_read(table)[-1]
    tables[table] = tables[table].drop_columns([lost])
    with pytest.raises(BadInputError, match=f"{lost} are missing in table {table}"):
        read_cohort(tables)


def test_a_table_that_is_not_there_is_named() -> None:
    tables = dict(make_report(n_sites=1).tables)
    del tables["stard_flow"]
    assert read_cohort(tables).absent_tables == ("stard_flow",)
