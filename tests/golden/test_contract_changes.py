"""A contract that changes says so in its version: what breaks a reader needs a new major one.

`contracts.json` holds the shape that was last agreed. A contract may be one step ahead of it when
its version says so; `make golden` writes the file anew, which the first test allows only when the
versions are right.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from schemas.package_data import data_contracts_dir
from schemas.tables.contracts import TableContract, read_table_contracts

GOLDEN = Path(__file__).with_name("contracts.json")
FOLDERS = ("cohort", "operations")
CONTRACTS = {
    f"{folder}/{name}": contract
    for folder in FOLDERS
    for name, contract in read_table_contracts(data_contracts_dir() / folder).items()
}

Shape = dict[str, Any]


class Step(IntEnum):
    """How much of a version a change needs."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


def shape_of(contract: TableContract) -> Shape:
    """Return what a reader relies on, and a hash of all the words."""
    return {
        "version": contract.version,
        "sha256": contract.sha256,
        "primary_key": list(contract.primary_key),
        "columns": {
            column.name: {
                "type": column.duckdb_type,
                "nullable": column.nullable,
                "unit": column.unit,
                "codes": list(column.allowed_values) if column.allowed_values else None,
                "references": list(column.references) if column.references else None,
            }
            for column in contract.columns
        },
    }


def needed(old: Shape, new: Shape) -> Step:
    """Return the step a change of shape needs."""
    before, after = old["columns"], new["columns"]
    if old["primary_key"] != new["primary_key"] or before.keys() - after.keys():
        return Step.MAJOR
    steps = [_of_column(before[name], after[name]) for name in before]
    if after.keys() - before.keys():
        steps.append(Step.MINOR)
    if old["sha256"] != new["sha256"]:
        steps.append(Step.PATCH)
    return max(steps, default=Step.NONE)


def _of_column(old: Shape, new: Shape) -> Step:
    if (old["type"], old["unit"]) != (new["type"], new["unit"]):
        return Step.MAJOR
    if new["nullable"] and not old["nullable"]:
        return Step.MAJOR
    codes_before, codes_after = set(old["codes"] or ()), set(new["codes"] or ())
    if codes_before - codes_after or bool(codes_before) != bool(codes_after):
        return Step.MAJOR
    return Step.MINOR if codes_after - codes_before else Step.NONE


def taken(old: str, new: str) -> Step:
    """Return the step between two versions; none when it goes back."""
    before, after = (tuple(map(int, version.split("."))) for version in (old, new))
    for place, step in enumerate((Step.MAJOR, Step.MINOR, Step.PATCH)):
        if after[place] != before[place]:
            return step if after[place] > before[place] else Step.NONE
    return Step.NONE


def too_small(golden: dict[str, Shape], shapes: dict[str, Shape]) -> dict[str, str]:
    """Return the contracts whose version does not say what changed."""
    told = {
        name: f"needs {step.name}"
        for name, old in golden.items()
        if name in shapes
        and (step := needed(old, shapes[name])) > taken(old["version"], shapes[name]["version"])
    }
    return told | dict.fromkeys(golden.keys() - shapes.keys(), "was removed")


def test_a_changed_contract_has_the_version_its_change_needs() -> None:
    shapes = {name: shape_of(contract) for name, contract in CONTRACTS.items()}
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    assert too_small(golden, shapes) == {}
    if os.environ.get("LIVERCOHORT_WRITE_GOLDEN") == "1":
        text = json.dumps(shapes, ensure_ascii=False, indent=1, sort_keys=True)
        GOLDEN.write_text(text + "\n", encoding="utf-8")
        return
    ahead = [
        name
        for name, old in golden.items()
        if shapes[name]["version"] not in (old["version"], *next_versions(old["version"]))
    ]
    assert ahead == [], "more than one step since the last agreement: `make golden`"


def next_versions(version: str) -> dict[Step, str]:
    """Return the versions that one step leads to."""
    major, minor, patch = map(int, version.split("."))
    return {
        Step.PATCH: f"{major}.{minor}.{patch + 1}",
        Step.MINOR: f"{major}.{minor + 1}.0",
        Step.MAJOR: f"{major + 1}.0.0",
    }


SERIES = CONTRACTS["cohort/series"]
NEXT = next_versions(SERIES.version)
TIERS = SERIES.column("label_tier").allowed_values or ()


def changed(column: str, **values: object) -> TableContract:
    columns = tuple(
        replace(one, **values) if one.name == column else one  # type: ignore[arg-type]  # the test names the field
        for one in SERIES.columns
    )
    return replace(SERIES, columns=columns, sha256="0" * 64)  # type: ignore[arg-type]  # any hash


@pytest.mark.parametrize(
    ("contract", "step"),
    [
        (SERIES, Step.NONE),
        (replace(SERIES, sha256="0" * 64), Step.PATCH),  # type: ignore[arg-type]  # any hash
        (replace(SERIES, columns=SERIES.columns[:-1]), Step.MAJOR),
        (replace(SERIES, primary_key=("series_uid",)), Step.MAJOR),
        (changed("slice_thickness_mm", duckdb_type="VARCHAR"), Step.MAJOR),
        (changed("slice_thickness_mm", unit="cm"), Step.MAJOR),
        (changed("label", nullable=True), Step.MAJOR),
        (changed("label", allowed_values=("MR_T2",)), Step.MAJOR),
        (changed("label_tier", allowed_values=(*TIERS, "a new one")), Step.MINOR),
        (changed("thickness_limit_mm", name="limit_mm"), Step.MAJOR),
    ],
)
def test_what_breaks_a_reader_needs_a_major_version(contract: TableContract, step: Step) -> None:
    old = shape_of(SERIES)
    assert needed(old, shape_of(contract)) == step
    for taken_step in Step:
        version = NEXT.get(taken_step, SERIES.version)
        new = shape_of(replace(contract, version=version))
        told = too_small({"cohort/series": old}, {"cohort/series": new})
        assert bool(told) == (step > taken_step)


def test_an_added_column_needs_a_minor_version() -> None:
    old = shape_of(replace(SERIES, columns=SERIES.columns[:-1]))
    assert needed(old, shape_of(SERIES)) == Step.MINOR
    assert too_small({"x": old}, {"x": shape_of(SERIES)})
    assert too_small({"x": old}, {"x": shape_of(replace(SERIES, version=NEXT[Step.PATCH]))})
    assert not too_small({"x": old}, {"x": shape_of(replace(SERIES, version=NEXT[Step.MINOR]))})
