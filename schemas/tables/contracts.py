"""The published tables as their ODCS contracts state them: types, units, keys, codes, words.

`data_contracts/cohort/<table>.yaml` (Open Data Contract Standard v3.1) is the one source.
Arrow schemas, DuckDB DDL and the data dictionary are read from here, never written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pyarrow as pa

from schemas.errors import ContractError
from schemas.identifiers import Sha256
from schemas.package_data import data_contracts_dir
from schemas.rule_documents import parse_document
from schemas.rule_tables import TableError, TableShape, attempt, read_signed, read_table, table_name
from schemas.run.atomic_files import sha256_of_bytes
from schemas.tables.contract_document import Document, Property
from schemas.tables.rows_to_arrow import ARROW_TYPES, column_array, table_of

__all__ = [
    "Code",
    "ColumnContract",
    "TableContract",
    "conform",
    "read_code_lists",
    "read_table_contracts",
]

CODE_LISTS_FILE = "code_lists.csv"
_CODES_COLUMNS = ("code_list", "code", "label_en", "label_zh")
_CODES_SHAPE = TableShape(_CODES_COLUMNS, key=("code_list", "code"), stated=_CODES_COLUMNS)


@dataclass(frozen=True)
class Code:
    """One code of a code list, with its label in both languages."""

    code: str
    label_en: str
    label_zh: str


@dataclass(frozen=True)
class ColumnContract:
    """One column. `references` is (table, column) or None; `allowed_values` None means any."""

    name: str
    logical_type: str
    duckdb_type: str
    arrow_type: pa.DataType
    nullable: bool
    unit: str | None
    description_en: str
    description_zh: str
    allowed_values: tuple[str, ...] | None
    references: tuple[str, str] | None
    code_list: str | None

    @property
    def comment(self) -> str:
        """Words, unit and codes in one line, for COMMENT ON COLUMN."""
        unit = f" [{self.unit}]" if self.unit else ""
        codes = f" {{{', '.join(self.allowed_values)}}}" if self.allowed_values else ""
        return f"{self.description_en}{unit}{codes} · {self.description_zh}"


@dataclass(frozen=True)
class TableContract:
    """One published table. `site_column` says by which column it is split per site, if it is."""

    name: str
    version: str
    description_en: str
    description_zh: str
    grain_en: str
    grain_zh: str
    columns: tuple[ColumnContract, ...]
    primary_key: tuple[str, ...]
    site_column: str | None
    sha256: Sha256

    @property
    def comment(self) -> str:
        """Words of the table in one line, for COMMENT ON TABLE."""
        return f"{self.description_en}; {self.grain_en} · {self.description_zh}；{self.grain_zh}"

    def column(self, name: str) -> ColumnContract:
        """Return the column called `name`; KeyError if there is none."""
        return {column.name: column for column in self.columns}[name]

    def arrow_schema(self) -> pa.Schema:
        """Return the exact Arrow schema of the published Parquet files."""
        return pa.schema(
            [pa.field(c.name, c.arrow_type, nullable=c.nullable) for c in self.columns]
        )

    def ddl(self) -> str:
        """Return DuckDB statements: the table with key and CHECKs, and a COMMENT on everything."""
        lines = [_column_ddl(column) for column in self.columns]
        lines.append(f"PRIMARY KEY ({', '.join(map(_quoted, self.primary_key))})")
        body = ",\n  ".join(lines)
        name = _quoted(self.name)
        comments = [f"COMMENT ON TABLE {name} IS {_literal(self.comment)};"] + [
            f"COMMENT ON COLUMN {name}.{_quoted(c.name)} IS {_literal(c.comment)};"
            for c in self.columns
        ]
        return "\n".join([f"CREATE TABLE {name} (\n  {body}\n);", *comments])


def read_table_contracts(folder: Path | None = None) -> dict[str, TableContract]:
    """Read the contracts of all published tables, by table name.

    Parameters
    ----------
    folder : Path, optional
        Folder of `<table>.yaml` and `code_lists.csv`; default: the one that ships.

    Raises
    ------
    ContractError
        If a file is not a contract we can use; names the file and the reason.
    """
    return dict(_read_contracts(folder or data_contracts_dir() / "cohort"))


def read_code_lists(folder: Path | None = None) -> dict[str, tuple[Code, ...]]:
    """Read the labels of all codes, by code list, in the order in which they are shown."""
    path = (folder or data_contracts_dir() / "cohort") / CODE_LISTS_FILE
    lists: dict[str, tuple[Code, ...]] = {}
    for row in read_table(path, _CODES_SHAPE, dict):
        code = Code(row["code"], row["label_en"], row["label_zh"])
        lists[row["code_list"]] = (*lists.get(row["code_list"], ()), code)
    return lists


def conform(contract: TableContract, rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """Return the rows as a table exactly as the contract states, sorted by primary key.

    Parameters
    ----------
    contract : TableContract
        What the table must be.
    rows : iterable of mapping
        Python values: str, int, float, bool, `datetime.date`, None, or a list or tuple.

    Raises
    ------
    ContractError
        If a column is unknown or missing, a value is missing, of another type, not finite or
        not an allowed code, or two rows share a key. Names table, column and row number
        (from 1, as given), never the value.
    """
    given = list(rows)
    names = [column.name for column in contract.columns]
    for number, row in enumerate(given, start=1):
        if row.keys() != set(names):
            _refuse_columns(contract, row.keys(), number)
    arrays = {}
    for column in contract.columns:
        values = [row[column.name] for row in given]
        where = f"table {contract.name}, column {column.name}"
        arrays[column.name] = column_array(
            values,
            column.arrow_type,
            nullable=column.nullable,
            allowed=column.allowed_values,
            where=where,
        )
    return table_of(arrays, contract.arrow_schema(), contract.primary_key, contract.name)


@cache
def _read_contracts(folder: Path) -> dict[str, TableContract]:
    return parse_contracts(folder)


def parse_contracts(folder: Path) -> dict[str, TableContract]:
    """Read the contracts below a folder anew; see `read_table_contracts`."""
    codes = read_code_lists(folder)
    problems: list[ContractError] = []
    read = (
        attempt(partial(_read_contract, path, codes), problems)
        for path in sorted(folder.glob("*.yaml"))
    )
    contracts = {contract.name: contract for contract in read if contract is not None}
    if problems:
        raise TableError.of(problems)
    if not contracts:
        _refuse("no contract found", folder.name)
    for contract in contracts.values():
        _require_references(contract, contracts)
    return contracts


def _read_contract(path: Path, codes: Mapping[str, tuple[Code, ...]]) -> TableContract:
    data = read_signed(path)
    document = parse_document(data, table_name(path)).validated(Document)
    table = document.table
    if not path.stem == document.name == table.name:
        _refuse("file, contract and table have different names", path.name)
    columns = tuple(_column(item, codes, path) for item in table.properties)
    key = sorted((p.primary_key_position, p.name) for p in table.properties if p.primary_key)
    split_by = [p.name for p in table.properties if p.partitioned]
    return TableContract(
        name=table.name,
        version=document.version,
        description_en=table.description,
        description_zh=table.custom("descriptionZh"),
        grain_en=table.grain,
        grain_zh=table.custom("granularityZh"),
        columns=columns,
        primary_key=tuple(name for _, name in key),
        site_column=split_by[0] if split_by else None,
        sha256=sha256_of_bytes(data),
    )


def _column(item: Property, codes: Mapping[str, tuple[Code, ...]], path: Path) -> ColumnContract:
    allowed = item.valid_values
    code_list = item.custom("codeList") or None
    listed = tuple(code.code for code in codes.get(code_list, ())) if code_list else None
    if allowed != listed:
        _refuse(
            f"column {item.name}: its valid values are not the codes of its list",
            path.name,
            hint=f"Make validValues and {CODE_LISTS_FILE} agree, in the same order.",
        )
    return ColumnContract(
        name=item.name,
        logical_type=item.logical_type,
        duckdb_type=item.physical_type,
        arrow_type=ARROW_TYPES[item.physical_type],
        nullable=not item.required,
        unit=item.custom("unit") or None,
        description_en=item.description,
        description_zh=item.custom("descriptionZh"),
        allowed_values=allowed,
        references=item.reference,
        code_list=code_list,
    )


def _require_references(contract: TableContract, all_: Mapping[str, TableContract]) -> None:
    for column in contract.columns:
        if column.references is None:
            continue
        table, key = column.references
        if table not in all_ or key not in {c.name for c in all_[table].columns}:
            _refuse(f"column {column.name} refers to {table}.{key}", f"{contract.name}.yaml")


def _column_ddl(column: ColumnContract) -> str:
    parts = [_quoted(column.name), column.duckdb_type]
    if not column.nullable:
        parts.append("NOT NULL")
    if column.allowed_values and not column.duckdb_type.endswith("[]"):
        codes = ", ".join(map(_literal, column.allowed_values))
        parts.append(f"CHECK ({_quoted(column.name)} IN ({codes}))")
    return " ".join(parts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _refuse_columns(contract: TableContract, given: Iterable[str], number: int) -> None:
    wanted, have = {column.name for column in contract.columns}, set(given)
    unknown = len(have - wanted)
    missing = ", ".join(sorted(wanted - have))
    raise ContractError(
        f"columns differ from the contract: {unknown} unknown; missing: {missing or 'none'}",
        where=f"table {contract.name}, row {number}",
        expected=", ".join(column.name for column in contract.columns),
    )


def _refuse(reason: str, where: str, *, hint: str = "") -> None:
    raise ContractError(reason, where=where, hint=hint)
