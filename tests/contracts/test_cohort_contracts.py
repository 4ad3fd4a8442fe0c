"""Every contract that ships is a valid Open Data Contract, and nothing generated has drifted."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from io import StringIO
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from schemas.package_data import data_contracts_dir
from schemas.tables.contracts import read_code_lists, read_table_contracts
from tasks.eligibility.assemble import _TABLES
from tasks.publish.diff.id_history import id_tables
from tasks.publish.documents.dictionary import data_dictionary

FOLDER = data_contracts_dir() / "cohort"
FILES = sorted(FOLDER.glob("*.yaml"))
CONTRACTS = read_table_contracts()
PUBLISHED = CONTRACTS.keys()


def test_every_table_made_of_forms_has_a_contract() -> None:
    """A contract without its table is refused by a release."""
    assert set(_TABLES) <= PUBLISHED


def test_ids_of_every_table_of_persons_stay_resolvable_and_go_with_the_person() -> None:
    named = {"subject", "imaging_study", "series", "nifti_volume", "lesion", "pathology"}
    assert named < set(id_tables()) < PUBLISHED
    assert not {"criterion_result", "instance", "finding", "site", "release"} & set(id_tables())


OPERATIONS = sorted((data_contracts_dir() / "operations").glob("*.yaml"))
EVALUATION = sorted((data_contracts_dir() / "evaluation").glob("*.yaml"))


@pytest.mark.parametrize("path", [*FILES, *OPERATIONS, *EVALUATION], ids=lambda path: path.stem)
def test_a_contract_is_valid_in_the_open_data_contract_standard(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    standard = files("open_data_contract_standard").joinpath("schema.json")
    schema = json.loads(standard.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(document)] == []
    OpenDataContractStandard.model_validate(document)
    assert document["apiVersion"] == "v3.1.0"


def test_queries_and_their_events_have_contracts_and_are_in_no_release() -> None:
    contracts = read_table_contracts(data_contracts_dir() / "operations")
    assert contracts.keys() == {"query", "query_event"}
    assert not contracts.keys() & PUBLISHED


def test_the_tables_of_an_evaluation_have_contracts_and_are_in_no_release() -> None:
    folder = data_contracts_dir() / "evaluation"
    contracts = read_table_contracts(folder)
    assert not contracts.keys() & PUBLISHED
    used = {c.code_list for contract in contracts.values() for c in contract.columns}
    assert set(read_code_lists(folder)) == used - {None}
    changelog = (folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(name in changelog for name in contracts)


def test_every_code_list_is_used_and_every_code_has_both_labels() -> None:
    used = {c.code_list for contract in CONTRACTS.values() for c in contract.columns}
    assert set(read_code_lists()) == used - {None}


def test_a_reference_has_the_type_of_the_key_it_names() -> None:
    for contract in CONTRACTS.values():
        for column in contract.columns:
            if column.references:
                table, key = column.references
                assert CONTRACTS[table].column(key).arrow_type == column.arrow_type


def test_the_changelog_names_the_version_of_every_contract() -> None:
    text = (FOLDER / "CHANGELOG.md").read_text(encoding="utf-8")
    for contract in CONTRACTS.values():
        assert f"## {contract.version}" in text
        assert contract.name in text


def test_the_data_dictionary_lists_every_column_of_every_contract() -> None:
    rows = list(csv.DictReader(StringIO(data_dictionary(CONTRACTS).decode("utf-8-sig"))))
    listed = {(row["table"], row["column"]) for row in rows}
    assert listed == {(c.name, col.name) for c in CONTRACTS.values() for col in c.columns}
    assert all(row["description_en"] and row["description_zh"] for row in rows)


def test_sequence_labels_are_those_of_the_labelling_vocabulary() -> None:
    path = data_contracts_dir() / "sequence_labels" / "vocabulary.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        vocabulary = {row["label"] for row in csv.DictReader(stream)}
    assert set(CONTRACTS["series"].column("label").allowed_values or ()) == vocabulary
