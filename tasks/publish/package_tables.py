"""The tables of a package of individual data: coarse enough, under names of its own. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pyarrow as pa

from schemas.tables.contracts import ColumnContract, TableContract
from tasks.publish.anonymity import (
    WITHHELD,
    Generalisation,
    Person,
    Quasi,
    age_band,
    diagnosis_of,
    site_of,
)

#: Columns that tell the site or single days of delivery, or repeat what was made coarser.
_DROPPED = ("batch_id", "source_sha256", "observed_value", "rater_id")
_DIAGNOSES = {"lesion": "reference_class", "pathology": "diagnosis_code"}
#: What gives a withheld diagnosis away.
_TELLING = {
    "lesion": ("malignant", "lirads_category"),
    "subject": ("patient_reference",),
    "follow_up": ("conclusion",),
    "criterion_result": (),
}

#: Turns a value of this cohort into the bytes that name it in one package, and in no other.
Keyed = Callable[[str, str], bytes]


class PackageNames:
    """The names that subjects and sites have in one package: keyed, so nobody can undo them."""

    def __init__(self, persons: list[Person], keyed: Keyed) -> None:
        self._sites = {p.site: f"site-{_token(keyed('site', p.site), 3)}" for p in persons}
        names = {p.subject_id: f"P-{_token(keyed('subject', p.subject_id), 5)}" for p in persons}
        # BIDS paths hold a pseudonym without its hyphen.
        self._names = names | {_compact(old): _compact(new) for old, new in names.items()}
        self._known = re.compile("|".join(sorted(map(re.escape, self._names))) or r"(?!)")

    def site(self, code: str) -> str:
        """Return the name of a site."""
        return self._sites[code]

    def renamed(self, text: str) -> str:
        """Return a text with every pseudonym in it replaced."""
        return self._known.sub(lambda found: self._names[found[0]], text)


def package_contracts(contracts: Mapping[str, TableContract]) -> dict[str, TableContract]:
    """Return what the tables of a package mean: columns left out, and coarser ones as text."""
    return {name: _contract(contract) for name, contract in contracts.items()}


def package_tables(
    tables: Mapping[str, pa.Table],
    persons: list[Person],
    made: Generalisation,
    names: PackageNames,
) -> dict[str, pa.Table]:
    """Return the tables as the package holds them; `tables` hold nobody who was left out."""
    by_id = {person.subject_id: person for person in persons}
    return {name: _table(name, table, by_id, made, names) for name, table in tables.items()}


def quasi_of_package(tables: Mapping[str, pa.Table]) -> list[Quasi]:
    """Return what the tables of a package tell of each person, to measure its k anew."""
    found: dict[str, set[str]] = {}
    for name, column in _DIAGNOSES.items():
        for row in tables[name].select(["subject_id", column]).to_pylist():
            if row[column]:
                found.setdefault(row["subject_id"], set()).add(row[column])
    return [
        (
            row["site_group"],
            row["sex"],
            row["age_band"],
            (str(row["patient_reference"]), *sorted(found.get(row["subject_id"], ()))),
        )
        for row in tables["subject"].to_pylist()
    ]


def _contract(contract: TableContract) -> TableContract:
    columns = []
    for column in contract.columns:
        if column.name in _DROPPED:
            continue
        if column.name == "site_code":
            column = _as_text(
                column,
                "site_group",
                "Site under a name of this package, province, or withheld",
                "本数据包内的医院代号、省份或不提供",
            )
        elif column.name == "age_years":
            column = _as_text(
                column,
                "age_band",
                "Age at the baseline CT as a band of years",
                "基线CT时年龄段（岁）",
            )
        elif column.name in (*_DIAGNOSES.values(), "patient_reference", "sex"):
            column = replace(column, allowed_values=None, code_list=None)
        if column.name in _TELLING.get(contract.name, ()):
            column = replace(column, nullable=True)
        columns.append(column)
    return replace(contract, columns=tuple(columns), site_column=None)


def _as_text(column: ColumnContract, name: str, english: str, chinese: str) -> ColumnContract:
    return replace(
        column,
        name=name,
        logical_type="string",
        duckdb_type="VARCHAR",
        arrow_type=pa.string(),
        unit=None,
        description_en=english,
        description_zh=chinese,
        allowed_values=None,
        references=None,
        code_list=None,
    )


def _table(
    name: str,
    table: pa.Table,
    by_id: Mapping[str, Person],
    made: Generalisation,
    names: PackageNames,
) -> pa.Table:
    levels = made.levels
    withheld = levels.diagnosis > 0 and diagnosis_of("HCC", levels) == WITHHELD
    columns: dict[str, object] = {}
    for column in table.column_names:
        values = table[column].to_pylist()
        if column in _DROPPED:
            continue
        if column == "site_code":
            owners = [by_id[who] for who in table["subject_id"].to_pylist()]
            told = [names.site(p.site) if levels.site == 0 else site_of(p, levels) for p in owners]
            columns["site_group"] = pa.array(told, pa.string())
        elif column == "age_years":
            columns["age_band"] = pa.array([age_band(v, levels.age) for v in values], pa.string())
        elif column == "sex" and levels.sex:
            columns[column] = pa.array([WITHHELD] * len(values), pa.string())
        elif column == _DIAGNOSES.get(name):
            coarse = [diagnosis_of(v, levels) if v else None for v in values]
            columns[column] = pa.array(coarse, pa.string())
        elif withheld and column in _TELLING.get(name, ()):
            columns[column] = pa.nulls(len(values), table.schema.field(column).type)
        elif pa.types.is_string(table.schema.field(column).type):
            renamed = [names.renamed(v) if v else v for v in values]
            columns[column] = pa.array(renamed, pa.string())
        else:
            columns[column] = table[column]
    return pa.table(columns)


def _compact(name: str) -> str:
    return name.replace("-", "")


def _token(digest: bytes, n_bytes: int) -> str:
    return base64.b32encode(digest[:n_bytes]).decode().rstrip("=")
