"""What a release will be: what it says, and what changed since the one before."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from schemas.identifiers import Sha256
from schemas.tables.contracts import TableContract, conform
from schemas.tables.parted_tables import AnyPart, PartedTable, TablePart, in_memory
from tasks.publish.consent import reasons_of_removal, released_subjects, released_tables
from tasks.publish.diff.content import content_hash, part_path, split_tables, table_hash
from tasks.publish.diff.differences import (
    RELEASE_TABLE,
    Bump,
    Differences,
    compare_tables,
    next_version,
)
from tasks.publish.facts import ReleaseFacts
from tasks.publish.manifest import (
    changed_meanings,
    changed_registers,
    content_of_parts,
    contract_registers,
    registers_of,
)
from tasks.publish.release_plan import Plan
from tasks.publish.store_manifest import read_manifest
from tasks.publish.store_tables import read_parts, read_release_tables


def make_plan(
    tables: Mapping[str, pa.Table | PartedTable],
    contracts: Mapping[str, TableContract],
    facts: ReleaseFacts,
    previous: Path | None,
    bump: str,
    contents: MutableMapping[str, str],
) -> Plan:
    """Return what the release will be; see `store.build_release` for the parameters."""
    # In which order the tables are given changes no byte.
    short = {name: tables[name] for name in sorted(tables) if isinstance(tables[name], pa.Table)}
    released = released_tables(short, contracts, facts.kept_out)
    inside = released_subjects(short["subject"], facts.kept_out)
    parted = {n: one.only(inside) for n, one in tables.items() if isinstance(one, PartedTable)}
    parts = _parts(released, parted, contracts)
    hashes = {path: _content_of(part, contents) for path, part in parts.items()}
    meanings = {name: contract.sha256 for name, contract in contracts.items()}
    name_of_content = content_hash(hashes, meanings, facts.registers)
    plan = Plan(
        version=previous.name if previous else "",
        tables=released,
        parted=parted,
        parts=parts,
        part_hashes=hashes,
        unchanged=_unchanged(previous, hashes),
        contracts=contracts,
        facts=facts,
        differences=Differences(),
        content_hash=name_of_content,
        previous=previous,
    )
    if previous is None:
        differences = compare_tables({}, {**released, **_empty(parted)}, contracts)
    elif read_manifest(previous)["content_hash"] == name_of_content:
        return plan
    else:
        because = reasons_of_removal(short["subject"], facts.kept_out)
        differences = _differences(plan, previous, because)
    before = previous.name if previous else None
    if previous is None or differences.bump is not Bump.NONE:
        plan = replace(plan, version=next_version(before, differences.bump, bump))
    return _with_release_table(replace(plan, differences=differences))


def _parts(
    released: Mapping[str, pa.Table],
    parted: Mapping[str, PartedTable],
    contracts: Mapping[str, TableContract],
) -> dict[str, AnyPart]:
    """Return path → rows of all tables, sorted by path; one without rows is an empty part."""
    none = {name: table for name, table in _empty(parted).items() if not parted[name].parts}
    parts: dict[str, AnyPart] = {**split_tables({**released, **none}, contracts)}
    for name, table in parted.items():
        parts |= {part_path(name, site): part for site, part in table.parts.items()}
    return {path: parts[path] for path in sorted(parts)}


def _empty(parted: Mapping[str, PartedTable]) -> dict[str, pa.Table]:
    return {name: table.schema.empty_table() for name, table in parted.items()}


def _content_of(part: AnyPart, contents: MutableMapping[str, str]) -> Sha256:
    """Return the `table_hash` of a part, which is known where the same was hashed before."""
    if not isinstance(part, TablePart):
        return table_hash(part)
    if part.subjects is None:
        return Sha256(part.content)
    if part.name not in contents:
        contents[part.name] = str(table_hash(part.read()))
    return Sha256(contents[part.name])


def _unchanged(previous: Path | None, hashes: Mapping[str, str]) -> frozenset[str]:
    if previous is None:
        return frozenset()
    before = content_of_parts(read_manifest(previous))
    return frozenset(path for path in hashes if before.get(path) == hashes[path])


def _differences(plan: Plan, previous: Path, because: Mapping[str, str]) -> Differences:
    """Compare with the release before; what is unchanged is not even read."""
    manifest = read_manifest(previous)
    # Another decision or wording of a contract may change no row, but the release says so.
    registers = {**plan.facts.registers, **contract_registers(plan.contracts)}
    changed = {
        name: [
            in_memory(part)
            for path, part in plan.parts.items()
            if path.split("/")[1] == name and path not in plan.unchanged
        ]
        for name in plan.rows
    }
    empty = {name: plan.contracts[name].arrow_schema().empty_table() for name in plan.rows}
    after = {
        name: pa.concat_tables([empty[name], *parts]).combine_chunks()
        for name, parts in changed.items()
    }
    differences = compare_tables(
        read_release_tables(previous, plan.contracts, without=plan.unchanged),
        after,
        plan.contracts,
        removed_because=because,
        registers_changed=changed_registers(registers_of(manifest), registers),
        known_batches=batches_of(previous),
    )
    decisions = (previous / "decisions.csv").read_bytes()
    meanings = changed_meanings(manifest, decisions, plan.facts, plan.contracts)
    return replace(differences, meanings_changed=meanings)


def batches_of(release: Path) -> frozenset[str]:
    """Return the batches that a release was made of."""
    table = read_parts(release, "ingest_batch")
    return frozenset(table["batch_id"].to_pylist())


def _with_release_table(plan: Plan) -> Plan:
    table = _release_table(plan)
    path = part_path(RELEASE_TABLE, "all")
    return replace(
        plan,
        tables={**plan.tables, RELEASE_TABLE: table},
        parts={**plan.parts, path: table},
        part_hashes={**plan.part_hashes, path: table_hash(table)},
    )


def _release_table(plan: Plan) -> pa.Table:
    facts, tables = plan.facts, plan.tables
    row = {
        "release_id": f"livercohort:{plan.version}",
        "semver": plan.version,
        "predecessor": plan.previous.name if plan.previous else None,
        "content_hash": plan.content_hash,
        "protocol_version": facts.protocol_version,
        "mapping_version": facts.mapping_version,
        "decisions_sha256": facts.registers["decisions_sha256"],
        "software_version": facts.software_version,
        "n_subjects": tables["subject"].num_rows,
        "n_studies": tables["imaging_study"].num_rows,
        "n_series": tables["series"].num_rows,
        "n_volumes": tables["nifti_volume"].num_rows,
    }
    return conform(plan.contracts[RELEASE_TABLE], [row])
