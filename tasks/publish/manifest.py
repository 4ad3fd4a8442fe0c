"""`manifest.json` and `SHA256SUMS` of a release: what it is made of, in repeatable bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.decisions import parse_decisions
from schemas.identifiers import Sha256
from schemas.tables.contracts import TableContract
from tasks.publish.facts import ReleaseFacts

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
_SUM_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class _Part(BaseModel):
    sha256: str
    rows: int


class _TableEntry(BaseModel):
    rows: int
    files: dict[str, _Part]


class _ContractEntry(BaseModel):
    version: str
    sha256: str


class Manifest(BaseModel):
    """What every manifest states, whatever else stands in it."""

    model_config = ConfigDict(strict=True)

    semver: str
    content_hash: str
    software_version: str
    mapping_version: str
    key_id: str
    input_ledger_sha256: str
    registers: dict[str, str]
    contracts: dict[str, _ContractEntry]
    tables: dict[str, _TableEntry]
    files: dict[str, str]


def build_manifest(
    *,
    version: str,
    previous: str | None,
    content_hash: Sha256,
    facts: ReleaseFacts,
    contracts: Mapping[str, TableContract],
    table_rows: Mapping[str, Mapping[str, int]],
    part_hashes: Mapping[str, Sha256],
    sums: Mapping[str, Sha256],
    database: Mapping[str, str],
) -> dict[str, Any]:
    """Return the manifest.

    `table_rows` is rows per file per table, `part_hashes` the `table_hash` of each such file,
    `sums` covers all files, `database` is the catalogue of the database.
    """
    in_tables = {path for files in table_rows.values() for path in files}
    return {
        "release_id": f"livercohort:{version}",
        "semver": version,
        "predecessor": previous,
        "year": facts.year,
        "content_hash": content_hash,
        "software_version": facts.software_version,
        "mapping_version": facts.mapping_version,
        "key_id": facts.key_id,
        "input_ledger_sha256": facts.input_ledger_sha256,
        "registers": facts.registers,
        **({"inspection": dict(facts.inspection)} if facts.inspection else {}),
        "database": dict(database),
        "contracts": {
            name: {"version": contract.version, "sha256": contract.sha256}
            for name, contract in contracts.items()
        },
        "tables": {
            name: {
                "rows": sum(files.values()),
                "files": {
                    path: {"sha256": sums[path], "rows": rows, "content": part_hashes[path]}
                    for path, rows in files.items()
                },
            }
            for name, files in table_rows.items()
        },
        "files": {path: sums[path] for path in sums if path not in in_tables},
    }


def parse_sums(data: bytes) -> tuple[dict[str, str], list[int]]:
    """Return path → SHA-256 as `SHA256SUMS` states them, and the numbers of lines that do not.

    A path that is stated twice or leads out of the release counts among the latter.
    """
    sums: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        found = _SUM_LINE.fullmatch(line)
        path = PurePosixPath(found[2]) if found else PurePosixPath("/")
        if found is None or path.is_absolute() or ".." in path.parts or found[2] in sums:
            wrong.append(number)
        else:
            sums[found[2]] = found[1]
    return sums, wrong


def listed_files(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return path → SHA-256 of every file that a manifest states."""
    parts = (entry["files"] for entry in manifest["tables"].values())
    in_tables = {path: facts["sha256"] for files in parts for path, facts in files.items()}
    return {**manifest["files"], **in_tables}


def registers_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what a release was made under: decisions, protocol, and each contract."""
    contracts = manifest.get("contracts", {})
    listed = {f"contract {name}": entry["sha256"] for name, entry in contracts.items()}
    return {**manifest.get("registers", {}), **listed}


def contract_registers(contracts: Mapping[str, TableContract]) -> dict[str, str]:
    """Return the contracts in force, named as `registers_of` names them."""
    return {f"contract {name}": contract.sha256 for name, contract in contracts.items()}


def changed_registers(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of registers that differ or came anew, sorted."""
    return tuple(name for name in sorted(after) if before.get(name) != after[name])


def content_of_parts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return path → `table_hash` of the rows that lie there."""
    return {
        path: str(facts.get("content", ""))
        for entry in manifest["tables"].values()
        for path, facts in entry["files"].items()
    }


def changed_meanings(
    before: Mapping[str, Any],
    decisions_before: bytes,
    facts: ReleaseFacts,
    contracts: Mapping[str, TableContract],
) -> tuple[str, ...]:
    """Return what was decided or defined otherwise, sorted; a signature alone is not that."""
    found = []
    if before.get("registers", {}).get("protocol_version") != facts.protocol_version:
        found.append("protocol_version")
    old, new = _decided(decisions_before), _decided(facts.decisions_csv)
    found += [f"decision {name}" for name in new if name in old and old[name] != new[name]]
    found += [f"decision {name}" for name in old if name not in new]
    for name, entry in before.get("contracts", {}).items():
        contract = contracts.get(name)
        if contract and contract.version.split(".")[0] != str(entry["version"]).split(".")[0]:
            found.append(f"contract {name}")
    return tuple(sorted(found))


def _decided(decisions_csv: bytes) -> dict[str, str]:
    rows = parse_decisions(decisions_csv)
    return {decision.decision_id: decision.option_chosen for decision in rows}
