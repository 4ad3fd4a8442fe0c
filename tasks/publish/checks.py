"""What must hold inside a release: sums and roll-ups, recomputed from its tables. Pure.

A check returns what it found as `Problem`s; `verify_rules.yaml` says each in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.study_dates import load_study_dates
from schemas.tables.contracts import ColumnContract, TableContract

CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
ALL_SITES = "all"
#: How the names of columns with dates moved by a person's shift end.
_MOVED = "_shifted"


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold."""

    rule_id: str
    object_type: str
    object_id: str
    observed: str
    expected: str


def check_contract(contract: TableContract, table: pa.Table) -> list[Problem]:
    """Return what in a table of the right columns is not as its contract states.

    Missing values, values that are no code of their list, repeated keys: by column, never by
    value.
    """
    found = [
        _contract_problem(contract.name, what, column.name)
        for column in contract.columns
        for what in _column_problems(column, table[column.name])
    ]
    keys = table.select(list(contract.primary_key))
    if keys.group_by(keys.column_names).aggregate([]).num_rows < table.num_rows:
        found.append(_contract_problem(contract.name, "rows repeat a key", "primary key"))
    return found


def _column_problems(column: ColumnContract, values: pa.ChunkedArray) -> list[str]:
    found = []
    if not column.nullable and values.null_count:
        found.append("a value is missing")
    if pa.types.is_list(values.type):
        values = pc.list_flatten(values)
    if column.allowed_values is not None:
        codes = pa.array([*column.allowed_values, None], values.type)
        if not pc.all(pc.is_in(values, value_set=codes), min_count=0).as_py():
            found.append("a value is not an allowed code")
    return found


def _contract_problem(table: str, found: str, where: str) -> Problem:
    return Problem("REL-CONTRACT", "table", table, found, where)


def check_dates(contract: TableContract, table: pa.Table) -> list[Problem]:
    """Return the columns of moved dates with one that no date of the study can become.

    A constant that stood for "no date" shows the shift once it is moved by it: outside the
    span that the study's own dates have after the shift, there is none of a person.
    """
    first, last = (pa.scalar(day, pa.date32()) for day in load_study_dates().shifted_span)
    found = []
    for column in contract.columns:
        if column.name.endswith(_MOVED) and pa.types.is_date(table.schema.field(column.name).type):
            days = table[column.name]
            outside = pc.or_(pc.less(days, first), pc.greater(days, last))
            if pc.any(outside, min_count=0).as_py():
                name = f"{contract.name}.{column.name}"
                span = f"{first.as_py()} to {last.as_py()}"
                found.append(Problem("REL-DATES", "column", name, "a date outside", span))
    return found


def check_roll_up(criterion_result: pa.Table, eligibility: pa.Table) -> list[Problem]:
    """Return rows of `eligibility` that their criteria do not give.

    Any criterion that fails makes a subject ineligible; else any that is undetermined or has
    no row makes it undetermined.
    """
    effects: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in criterion_result.to_pylist():
        effects[row["subject_id"], row["reading"]][row["criterion_id"]] = row["effect"]
    found = []
    for row in eligibility.to_pylist():
        key = (row["subject_id"], row["reading"])
        own = [effects[key].get(criterion, "undetermined") for criterion in CRITERIA]
        failing = [name for name, effect in zip(CRITERIA, own, strict=True) if effect == "fail"]
        status = (
            "ineligible" if failing else "undetermined" if "undetermined" in own else "eligible"
        )
        first = failing[0] if failing else None
        if (row["status"], row["first_failing_criterion"]) != (status, first):
            found.append(
                Problem(
                    "REL-ROLLUP",
                    "eligibility",
                    "/".join(key),
                    f"{row['status']} {row['first_failing_criterion'] or ''}".strip(),
                    f"{status} {first or ''}".strip(),
                )
            )
    return found


def check_flow(stard_flow: pa.Table) -> list[Problem]:
    """Return nodes whose children do not sum to them, and nodes whose sites do not."""
    rows = stard_flow.to_pylist()
    return [*_children_sums(rows), *_site_sums(rows)]


def check_volumes(nifti_volume: pa.Table, sums: Mapping[str, str]) -> list[Problem]:
    """Return volumes whose file is not listed, or is listed with another hash."""
    return [
        Problem(
            "REL-VOLUME",
            "nifti_volume",
            row["volume_id"],
            sums.get(row["rel_path"], "no file"),
            row["sha256"],
        )
        for row in nifti_volume.to_pylist()
        if sums.get(row["rel_path"]) != row["sha256"]
    ]


def _children_sums(rows: Iterable[Mapping[str, object]]) -> list[Problem]:
    n_of: dict[tuple[object, ...], int] = {}
    children: dict[tuple[object, ...], int] = defaultdict(int)
    for row in rows:
        place = (row["reading"], row["site_code"])
        n_of[(*place, row["node_id"])] = int(str(row["n"]))
        if row["parent_id"] is not None:
            children[(*place, row["parent_id"])] += int(str(row["n"]))
    return [
        _flow_problem(key, n_of.get(key), total)
        for key, total in children.items()
        if n_of.get(key) != total
    ]


def _site_sums(rows: Iterable[Mapping[str, object]]) -> list[Problem]:
    whole: dict[tuple[object, ...], int] = {}
    parts: dict[tuple[object, ...], int] = defaultdict(int)
    for row in rows:
        key = (row["reading"], ALL_SITES, row["node_id"])
        if row["site_code"] == ALL_SITES:
            whole[key] = int(str(row["n"]))
        else:
            parts[key] += int(str(row["n"]))
    return [
        _flow_problem(key, whole.get(key), total)
        for key, total in parts.items()
        if whole.get(key) != total
    ]


def _flow_problem(key: tuple[object, ...], n: int | None, total: int) -> Problem:
    observed = "no node" if n is None else str(n)
    return Problem("REL-FLOW", "stard_flow", "/".join(map(str, key)), observed, str(total))
