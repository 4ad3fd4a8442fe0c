"""Write one release into a staged folder: tables, volumes, documents, sums, database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from schemas.errors import ContractError
from schemas.identifiers import Sha256
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from tasks.publish.documents.diff_files import (
    CHANGES,
    published_changes,
)
from tasks.publish.documents.metadata import Described, metadata_files, ro_crate
from tasks.publish.documents.store_documents import read_documents
from tasks.publish.documents.store_excel import EXCEL_ROWS, write_csv
from tasks.publish.manifest import MANIFEST, SUMS, build_manifest
from tasks.publish.naming import SIDECAR_SUFFIXES, sidecar_path
from tasks.publish.release_plan import Plan
from tasks.publish.store_database import (
    DATABASE,
    UPDATE_UP_TO,
    count_database_rows,
    update_database,
    write_database,
)
from tasks.publish.store_manifest import read_manifest, read_sums
from tasks.publish.store_tables import write_parquet


def write_release(staging: Path, plan: Plan, nifti_sources: Mapping[str, Path]) -> None:
    """Write everything a release holds; `SHA256SUMS` comes last."""
    old_sums = read_sums(plan.previous) if plan.previous else {}
    sums = _write_tables(staging, plan, old_sums)
    sums |= _link_volumes(staging, plan, nifti_sources, old_sums)
    write_parquet(published_changes(plan.differences), staging / CHANGES)
    sums[CHANGES] = sha256_of_file(staging / CHANGES)
    csv_files = _write_csv_files(staging, plan, sums, old_sums)
    sums |= _write_files(staging, read_documents(plan))
    described = _described(plan, csv_files)
    sums |= _write_files(staging, metadata_files(described, sums))
    crate = ro_crate(described, sums, [DATABASE, MANIFEST, SUMS])
    sums |= _write_files(staging, {"ro-crate-metadata.json": canonical_json(crate)})
    # The database file never repeats, so the manifest, which does, leaves it to SHA256SUMS.
    sums |= _write_files(staging, {MANIFEST: _manifest(plan, sums)})
    _write_database(staging / DATABASE, plan, old_sums)
    sums[DATABASE] = sha256_of_file(staging / DATABASE)
    write_sums(staging, sums)


def _write_database(path: Path, plan: Plan, old_sums: Mapping[str, str]) -> None:
    """Update a copy of the database before where little changed; else make it anew.

    It is made anew, too, when somebody was removed: nothing of them may stay in its blocks. And
    when the one before was damaged: that must not go on.
    """
    changed = _changed_parts(plan)
    number = sum(part.num_rows for parts in changed.values() for part in parts.values())
    whole = sum(table.num_rows for table in plan.tables.values())
    if (
        plan.previous is None
        or plan.differences.subjects_removed
        or not _same_meaning(plan, plan.previous)
        or number > UPDATE_UP_TO * whole
        or not _is_unharmed(plan.previous, DATABASE, old_sums)
    ):
        write_database(path, plan.tables, plan.contracts)
        return
    update_database(plan.previous / DATABASE, path, changed, plan.contracts)
    expected = {name: table.num_rows for name, table in plan.tables.items()}
    if count_database_rows(path) != expected:
        path.unlink()
        write_database(path, plan.tables, plan.contracts)


def _same_meaning(plan: Plan, previous: Path) -> bool:
    """Whether tables and views of the release before were made from the same definitions."""
    manifest = read_manifest(previous)
    stated = {name: entry["sha256"] for name, entry in manifest["contracts"].items()}
    now = {name: contract.sha256 for name, contract in plan.contracts.items()}
    return stated == now and manifest["software_version"] == plan.facts.software_version


def _changed_parts(plan: Plan) -> dict[str, dict[str, pa.Table]]:
    """Return table → site → rows, for what is not as in the release before."""
    before = set(read_sums(plan.previous)) if plan.previous else set()
    gone = {path for path in before if path.startswith("tables/")} - set(plan.parts)
    changed: dict[str, dict[str, pa.Table]] = {}
    for path in sorted({*plan.parts, *gone} - plan.unchanged):
        _, name, file = path.split("/")
        if name in plan.tables:
            rows = plan.parts.get(path, plan.tables[name].slice(0, 0))
            changed.setdefault(name, {})[file.removesuffix(".parquet")] = rows
    return changed


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Write `SHA256SUMS` as `sha256sum -c` reads it."""
    lines = [f"{digest}  {path}\n" for path, digest in sorted(sums.items())]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _write_files(staging: Path, documents: Mapping[str, bytes]) -> dict[str, Sha256]:
    sums = {}
    for path, data in documents.items():
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        sums[path] = sha256_of_bytes(data)
    return sums


def _write_csv_files(
    staging: Path, plan: Plan, sums: dict[str, Sha256], old_sums: Mapping[str, str]
) -> dict[str, str]:
    """Write a CSV file of every table that Excel can hold; return table → path."""
    csv_files = {}
    for name, table in plan.tables.items():
        if table.num_rows > EXCEL_ROWS:
            continue
        path = f"excel/{name}.csv"
        csv_files[name] = path
        folder = f"tables/{name}/"
        own = {part for part in plan.parts if part.startswith(folder)}
        same = own == {part for part in old_sums if part.startswith(folder)}
        reused = same and own <= plan.unchanged
        if plan.previous and reused and _is_unharmed(plan.previous, path, old_sums):
            share(plan.previous / path, staging / path)
            sums[path] = Sha256(old_sums[path])
        else:
            write_csv(table, staging / path)
            sums[path] = sha256_of_file(staging / path)
    return csv_files


def _described(plan: Plan, csv_files: Mapping[str, str]) -> Described:
    return Described(
        version=plan.version,
        content_hash=plan.content_hash,
        predecessor=plan.previous.name if plan.previous else None,
        facts=plan.facts,
        contracts=plan.contracts,
        csv_files=csv_files,
        rows={name: table.num_rows for name, table in plan.tables.items()},
    )


def share(source: Path, target: Path) -> None:
    """Give a file a second name; on another file system, a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_tables(staging: Path, plan: Plan, old_sums: Mapping[str, str]) -> dict[str, Sha256]:
    """Write the parts that changed, or were damaged since; the others are those of before."""
    sums: dict[str, Sha256] = {}
    for path, part in plan.parts.items():
        unchanged = path in plan.unchanged
        if plan.previous and unchanged and _is_unharmed(plan.previous, path, old_sums):
            share(plan.previous / path, staging / path)
            sums[path] = Sha256(old_sums[path])
        else:
            write_parquet(part, staging / path)
            sums[path] = sha256_of_file(staging / path)
    return sums


def _is_unharmed(release: Path, path: str, sums: Mapping[str, str]) -> bool:
    """Whether a file of a release is still the one that was published."""
    place = release / path
    return place.is_file() and path in sums and sha256_of_file(place) == sums[path]


def _link_volumes(
    staging: Path, plan: Plan, sources: Mapping[str, Path], old_sums: Mapping[str, str]
) -> dict[str, Sha256]:
    sums: dict[str, Sha256] = {}
    for row in plan.tables["nifti_volume"].select(["volume_id", "rel_path", "sha256"]).to_pylist():
        source, path = sources.get(row["volume_id"]), row["rel_path"]
        if source is None or not source.is_file():
            raise ContractError("the file of a volume is not there", where=row["volume_id"])
        # A volume of the release before was hashed when it was linked there.
        shared = (
            plan.previous
            and old_sums.get(path) == row["sha256"]
            and (plan.previous / path).is_file()
        )
        if not shared and sha256_of_file(source) != row["sha256"]:
            raise ContractError(
                "the file of a volume is not the one that was proven",
                where=row["volume_id"],
                hint="Convert the series again; the file in the warehouse was changed.",
            )
        share(plan.previous / path if plan.previous and shared else source, staging / path)
        sums[path] = row["sha256"]
        for suffix in SIDECAR_SUFFIXES:
            beside = Path(sidecar_path(str(source), suffix))
            if beside.is_file():
                share(beside, staging / sidecar_path(path, suffix))
                sums[sidecar_path(path, suffix)] = sha256_of_file(beside)
    return sums


def _manifest(plan: Plan, sums: Mapping[str, Sha256]) -> bytes:
    table_rows: dict[str, dict[str, int]] = {name: {} for name in sorted(plan.tables)}
    for path, part in plan.parts.items():
        table_rows[path.split("/")[1]][path] = part.num_rows
    return canonical_json(
        build_manifest(
            version=plan.version,
            previous=plan.previous.name if plan.previous else None,
            content_hash=plan.content_hash,
            facts=plan.facts,
            contracts=plan.contracts,
            table_rows=table_rows,
            part_hashes=plan.part_hashes,
            sums=sums,
        )
    )
