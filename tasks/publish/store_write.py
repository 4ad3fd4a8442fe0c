"""Write one release into a staged folder: tables, volumes, documents, sums, database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from schemas.errors import ContractError
from schemas.identifiers import Sha256
from schemas.lesion_masks import masks_by_volume, published_suffix
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from schemas.tables.parted_tables import AnyPart, TablePart, in_memory
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
from tasks.publish.signature import PUBLIC_KEY, SIGNATURE, Signer
from tasks.publish.store_database import DATABASE, catalogue, write_database
from tasks.publish.store_kept_database import KeptDatabase
from tasks.publish.store_reuse import Reusable, share
from tasks.publish.store_tables import write_parquet

#: The table with a row for each image.
IMAGES = "instance"


def write_release(
    staging: Path,
    plan: Plan,
    nifti_sources: Mapping[str, Path],
    signer: Signer | None,
    hash_of: Callable[[Path], str],
    before: Reusable,
    kept: KeptDatabase | None = None,
) -> None:
    """Write everything a release holds; `SHA256SUMS` and its signature come last.

    Everything is written from the plan, but what `before` gives: files that are proven to be
    what would be written. What came out byte for byte as in the release before is then given the
    file of that as a second name: otherwise that is a place to share with, never a source.
    """
    sums = _write_tables(staging, plan, before)
    sums |= _link_volumes(staging, plan, nifti_sources, hash_of)
    write_parquet(published_changes(plan.differences), staging / CHANGES)
    sums[CHANGES] = sha256_of_file(staging / CHANGES)
    csv_files = _write_csv_files(staging, plan, sums, before)
    sums |= _write_files(staging, read_documents(plan))
    if signer is not None:
        sums |= _write_files(staging, {PUBLIC_KEY: signer.public_file})
    described = _described(plan, csv_files)
    sums |= _write_files(staging, metadata_files(described, sums))
    crate = ro_crate(described, sums, [DATABASE, MANIFEST, SUMS, SIGNATURE])
    sums |= _write_files(staging, {"ro-crate-metadata.json": canonical_json(crate)})
    if kept is not None:
        _begin_database(staging, plan, kept)
    write_database(staging / DATABASE, _rows_of_tables(staging, plan), plan.contracts)
    # The database file never repeats, so the manifest, which does, leaves it to SHA256SUMS and
    # holds what its tables, views and words are.
    sums |= _write_files(staging, {MANIFEST: _manifest(plan, sums, catalogue(staging / DATABASE))})
    sums[DATABASE] = sha256_of_file(staging / DATABASE)
    write_sums(staging, sums)
    if signer is not None:
        sign_sums(staging, signer, plan.version)


def sign_sums(folder: Path, signer: Signer, version: str) -> None:
    """Sign `SHA256SUMS` of a folder as that of a version."""
    signature = signer.sign((folder / SUMS).read_bytes(), version)
    (folder / SIGNATURE).unlink(missing_ok=True)
    (folder / SIGNATURE).write_bytes(signature)


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
    staging: Path, plan: Plan, sums: dict[str, Sha256], before: Reusable
) -> dict[str, str]:
    """Write a CSV file of every table that Excel can hold; return table → path."""
    csv_files = {}
    for name, number in plan.rows.items():
        if number > EXCEL_ROWS:
            continue
        path = f"excel/{name}.csv"
        csv_files[name] = path
        given = before.give(path, staging)
        if given is None:
            write_csv(_whole_table(plan, name), staging / path)
        sums[path] = given or _shared_if_same(staging, plan, path)
    return csv_files


def _whole_table(plan: Plan, name: str) -> pa.Table:
    if name not in plan.parted:
        return plan.tables[name]
    keys = [(key, "ascending") for key in plan.contracts[name].primary_key]
    return plan.parted[name].whole().sort_by(keys)


def _rows_of_tables(staging: Path, plan: Plan) -> dict[str, pa.Table | list[Path]]:
    """Return the rows of all tables; of those in parts, the files that hold them."""
    written: dict[str, list[Path]] = {name: [] for name in plan.parted}
    for path in plan.parts:
        if (name := path.split("/")[1]) in written:
            written[name].append(staging / path)
    return {name: written.get(name) or plan.tables[name] for name in plan.rows}


def _begin_database(staging: Path, plan: Plan, kept: KeptDatabase) -> None:
    """Begin with the rows of images, where they lie in files of their sites."""
    hashes = {path: plan.part_hashes[path] for path in plan.parts if path.split("/")[1] == IMAGES}
    if IMAGES in plan.parted and plan.parted[IMAGES].num_rows:
        files = {path: staging / path for path in hashes}
        kept.begin(staging / DATABASE, plan.contracts[IMAGES], files, hashes)


def _described(plan: Plan, csv_files: Mapping[str, str]) -> Described:
    return Described(
        version=plan.version,
        content_hash=plan.content_hash,
        predecessor=plan.previous.name if plan.previous else None,
        facts=plan.facts,
        contracts=plan.contracts,
        csv_files=csv_files,
        rows=plan.rows,
    )


def _write_tables(staging: Path, plan: Plan, before: Reusable) -> dict[str, Sha256]:
    sums: dict[str, Sha256] = {}
    for path, part in plan.parts.items():
        given = before.give(path, staging)
        if given is None:
            _write_part(part, staging / path)
        sums[path] = given or _shared_if_same(staging, plan, path)
    return sums


def _write_part(part: AnyPart, path: Path) -> None:
    """Write the rows of one file; those that lie in such a file already get it as it is."""
    if isinstance(part, TablePart) and part.subjects is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part.path, path)
    else:
        write_parquet(in_memory(part), path)


def _shared_if_same(staging: Path, plan: Plan, path: str) -> Sha256:
    """Return the hash of a file as written; where the release before has the same, share it."""
    digest = sha256_of_file(staging / path)
    before = plan.previous / path if plan.previous else None
    if (
        before is not None
        and before.is_file()
        and not before.is_symlink()
        and before.stat().st_size == (staging / path).stat().st_size
        and sha256_of_file(before) == digest
    ):
        share(before, staging / path)
    return digest


def _link_volumes(
    staging: Path, plan: Plan, sources: Mapping[str, Path], hash_of: Callable[[Path], str]
) -> dict[str, Sha256]:
    sums: dict[str, Sha256] = {}
    masks = masks_by_volume(sources)
    for row in plan.tables["nifti_volume"].select(["volume_id", "rel_path", "sha256"]).to_pylist():
        source, path = sources.get(row["volume_id"]), row["rel_path"]
        if source is None or not source.is_file():
            raise ContractError("the file of a volume is not there", where=row["volume_id"])
        if hash_of(source) != row["sha256"]:
            raise ContractError(
                "the file of a volume is not the one that was proven",
                where=row["volume_id"],
                hint="Convert the series again; the file in the warehouse was changed.",
            )
        share(source, staging / path)
        sums[path] = row["sha256"]
        for lesion_no, mask in masks.get(row["volume_id"], ()):
            named = sidecar_path(path, published_suffix(lesion_no))
            share(mask, staging / named)
            sums[named] = sha256_of_file(mask)
        for suffix in SIDECAR_SUFFIXES:
            beside = Path(sidecar_path(str(source), suffix))
            if beside.is_file():
                share(beside, staging / sidecar_path(path, suffix))
                sums[sidecar_path(path, suffix)] = sha256_of_file(beside)
    return sums


def _manifest(plan: Plan, sums: Mapping[str, Sha256], database: Mapping[str, str]) -> bytes:
    table_rows: dict[str, dict[str, int]] = {name: {} for name in sorted(plan.rows)}
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
            database=database,
        )
    )
