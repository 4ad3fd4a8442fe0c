"""Contracts: the one source of names, types, keys and codes; a bad file is refused by name."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.tables.contracts import conform, read_code_lists, read_table_contracts

CONTRACTS = read_table_contracts()
SITE = CONTRACTS["site"]


def site(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "site_code": "S91",
        "name_en": "Demonstration Hospital",
        "name_zh": "示范医院",
        "province_en": None,
        "province_zh": None,
        "level_zh": "三甲",
        "registration_status": "fictitious",
        "ethics_ref": None,
    }
    return row | changes


def test_rows_become_a_table_sorted_by_key_with_the_exact_schema() -> None:
    table = conform(SITE, [site(site_code="S92"), site(site_code="S91")])
    assert table.column("site_code").to_pylist() == ["S91", "S92"]
    assert table.schema.equals(SITE.arrow_schema())


def test_no_rows_become_an_empty_table_with_the_exact_schema() -> None:
    assert conform(SITE, []).schema.equals(SITE.arrow_schema())


def test_lists_stay_in_the_order_given() -> None:
    row = {
        "subject_id": "S91-AAAA2222",
        "reading": "literal",
        "status": "ineligible",
        "first_failing_criterion": "I5",
        "all_failing": ("I5", "E1"),
        "all_undetermined": [],
        "n_criteria": 9,
    }
    table = conform(CONTRACTS["eligibility"], [row])
    assert table.column("all_failing").to_pylist() == [["I5", "E1"]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"site_code": None}, "a value is missing"),
        ({"level_zh": "四甲"}, "not an allowed code"),
        ({"name_en": 7}, "not string"),
    ],
    ids=["missing", "unknown code", "number for text"],
)
def test_a_value_that_does_not_fit_is_refused_by_place(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(ContractError, match=reason) as error:
        conform(
            SITE,
            [
                site(),
                site(site_code="S92", **changes) if "site_code" not in changes else site(**changes),
            ],
        )
    assert f"column {next(iter(changes))}, row 2" in str(error.value)


@pytest.mark.parametrize("day", ["2024-11-14", dt.datetime(2024, 11, 14, tzinfo=dt.UTC)])
def test_neither_a_text_nor_a_time_is_a_date(day: object) -> None:
    row = {column.name: None for column in CONTRACTS["pathology"].columns} | {
        "specimen_id": "P1",
        "subject_id": "S91-AAAA2222",
        "batch_id": "b",
        "specimen_date_shifted": day,
    }
    with pytest.raises(ContractError, match="not date32"):
        conform(CONTRACTS["pathology"], [row])


def test_a_refusal_never_quotes_the_value() -> None:
    with pytest.raises(ContractError) as error:
        conform(SITE, [site(level_zh="张三")])
    assert "张三" not in str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1"])
def test_a_measure_is_a_finite_number(value: object) -> None:
    row = {column.name: None for column in CONTRACTS["lesion"].columns} | {
        "lesion_id": "L1",
        "subject_id": "S91-AAAA2222",
        "lesion_no": 1,
        "segment": "IV",
        "reference_class": "HCC",
        "reference_route": "pathology",
        "reference_accepted": True,
        "reference_state": "proven",
        "reference_proof": [],
        "reference_proof_days": [],
        "reference_missing": [],
        "reference_flags": [],
        "batch_id": "b",
    }
    conform(CONTRACTS["lesion"], [row | {"diameter_mm": 12}])
    with pytest.raises(ContractError, match="column diameter_mm"):
        conform(CONTRACTS["lesion"], [row | {"diameter_mm": value}])


def test_an_unknown_code_inside_a_list_is_refused() -> None:
    row = {
        "subject_id": "S91-AAAA2222",
        "reading": "literal",
        "status": "ineligible",
        "first_failing_criterion": None,
        "all_failing": ["I9"],
        "all_undetermined": [],
        "n_criteria": 9,
    }
    with pytest.raises(ContractError, match="column all_failing"):
        conform(CONTRACTS["eligibility"], [row])


def test_missing_and_unknown_columns_are_refused() -> None:
    row = site()
    del row["name_zh"]
    with pytest.raises(ContractError, match="1 unknown; missing: name_zh"):
        conform(SITE, [row | {"surprise": 1}])


def test_two_rows_with_one_key_are_refused() -> None:
    with pytest.raises(ContractError, match="1 rows repeat a primary key"):
        conform(SITE, [site(), site()])


def test_the_ddl_makes_tables_with_keys_checks_and_comments() -> None:
    with duckdb.connect() as connection:
        for contract in CONTRACTS.values():
            connection.execute(contract.ddl())
        table = conform(SITE, [site()])
        connection.register("incoming", table)
        connection.execute("INSERT INTO site SELECT * FROM incoming")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO site SELECT * FROM incoming")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute(
                "INSERT INTO site SELECT * REPLACE ('S92' AS site_code, 'x' AS level_zh)"
                " FROM incoming"
            )
        connection.unregister("incoming")
        without = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns()"
            " WHERE NOT internal AND comment IS NULL"
        ).fetchall()
    assert without == []


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_column_has_words_in_both_languages(name: str) -> None:
    for column in CONTRACTS[name].columns:
        assert column.description_en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in column.description_zh)


def test_every_measure_says_its_unit() -> None:
    for contract in CONTRACTS.values():
        for column in contract.columns:
            if column.name.endswith(("_mm", "_t", "_days", "_seconds", "_years", "_percent")):
                assert column.unit, f"{contract.name}.{column.name}"


def test_no_released_column_can_hold_a_real_date_or_a_run() -> None:
    dates = {
        (contract.name, column.name)
        for contract in CONTRACTS.values()
        for column in contract.columns
        if pa.types.is_date(column.arrow_type) and not column.name.endswith("_shifted")
    }
    assert dates == set()


def _break_type(document: dict[str, object], table: dict[str, object]) -> None:
    table["properties"][0]["physicalType"] = "TEXT"  # type: ignore[index]  # YAML


def _break_key(document: dict[str, object], table: dict[str, object]) -> None:
    del table["properties"][0]["primaryKey"]  # type: ignore[index]  # YAML


def _break_words(document: dict[str, object], table: dict[str, object]) -> None:
    table["properties"][0]["customProperties"] = []  # type: ignore[index]  # YAML


def _break_name(document: dict[str, object], table: dict[str, object]) -> None:
    document["name"] = "hospital"


def _break_code(document: dict[str, object], table: dict[str, object]) -> None:
    level = next(p for p in table["properties"] if p["name"] == "level_zh")  # type: ignore[attr-defined]  # YAML
    level["quality"][0]["arguments"]["validValues"].append("特级")


def _break_standard(document: dict[str, object], table: dict[str, object]) -> None:
    document["apiVersion"] = "v2.2.2"


def _break_reference(document: dict[str, object], table: dict[str, object]) -> None:
    reference = [{"type": "foreignKey", "to": "country.code"}]
    table["properties"][0]["relationships"] = reference  # type: ignore[index]  # YAML


def _break_extra(document: dict[str, object], table: dict[str, object]) -> None:
    table["properties"][0]["colour"] = "red"  # type: ignore[index]  # YAML


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_break_type, "physicalType"),
        (_break_key, "positions of the primary key"),
        (_break_words, "no descriptionZh"),
        (_break_name, "different names"),
        (_break_code, "not the codes of its list"),
        (_break_standard, "apiVersion"),
        (_break_reference, "refers to country.code"),
        (_break_extra, "colour"),
    ],
)
def test_a_bad_contract_is_refused_by_file_and_reason(
    tmp_path: Path, damage: Callable[[dict[str, object], dict[str, object]], None], reason: str
) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(data_contracts_dir() / "cohort", folder)
    path = folder / "site.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    damage(document, document["schema"][0])
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ContractError, match=reason) as error:
        read_table_contracts(folder)
    assert "site.yaml" in str(error.value)


def test_a_file_that_is_not_yaml_is_refused_by_line(tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(data_contracts_dir() / "cohort", folder)
    (folder / "site.yaml").write_text("name: [\n}\n", encoding="utf-8")
    with pytest.raises(ContractError, match=r"cohort/site\.yaml:2"):
        read_table_contracts(folder)


def test_a_code_without_a_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "code_lists.csv").write_text("code_list,code,label_en,label_zh\nsex,M,Male,\n")
    with pytest.raises(ContractError, match=r"code_lists\.csv:2"):
        read_code_lists(tmp_path)
