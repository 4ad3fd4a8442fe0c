"""Erase one subject from releases: the one exception to their immutability.

A release that held the subject is made anew beside its place without the subject's rows,
volumes and mentions, with a tombstone, and takes the place of the old one. Files that say
nothing of the subject stay the same files.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.conformity import CONFORMITY_CSV, ConformityRow, parse_conformity
from schemas.evaluations import is_of_an_evaluation
from schemas.identifiers import Sha256
from schemas.lesion_masks import PUBLISHED, masks_beside, register_of_masks, source_key
from schemas.run.atomic_files import canonical_json, sha256_of_file, sync_directory, sync_tree
from tasks.publish.diff.content import ALL_SITES, content_hash, part_path, table_hash
from tasks.publish.diff.differences import RELEASE_TABLE
from tasks.publish.diff.reasons import ERASED
from tasks.publish.documents.store_excel import write_csv
from tasks.publish.erase.erasure import (
    TOMBSTONES,
    changes_without,
    crate_without,
    lines_without,
    names_of,
    tombstones,
    without_subject,
)
from tasks.publish.facts import ReleaseFacts
from tasks.publish.manifest import MANIFEST, SUMS, content_of_parts
from tasks.publish.signature import SIGNATURE, Signer
from tasks.publish.store import build_release, newest_release, release_folders
from tasks.publish.store_database import DATABASE, rewrite_database
from tasks.publish.store_manifest import read_manifest, read_sums
from tasks.publish.store_reuse import share
from tasks.publish.store_tables import read_parts, write_parquet
from tasks.publish.store_write import sign_sums, write_sums

CHANGES = "diff/changes.parquet"
CRATE = "ro-crate-metadata.json"
#: Documents that quote hashes of other files or of the content.
_QUOTING = ("datapackage.json", "croissant.json", "datacite.json", "CITATION.cff", CRATE)
_LISTS = (
    "id_history.csv",
    "diff/subjects.csv",
    "diff/labels.csv",
    "diff/eligibility.csv",
    CONFORMITY_CSV,
)


def erase_from_releases(
    releases_dir: Path,
    subject_id: str,
    signer: Signer | None = None,
    *,
    before_each: Callable[[str, Path], None] = lambda version, staged: None,
) -> list[str]:
    """Erase the subject from every release that holds it; return their versions.

    `before_each` is called with version and staged folder right before one takes its place: what
    is remembered of a release must not lag behind it, since a call after a kill finds it done.

    Killed at any moment, it leaves each release old or new, or to be put back by
    `store.sweep_staging`; a second call ends the work.
    """
    erased = []
    for folder in release_folders(releases_dir):
        tables = {path.name: read_parts(folder, path.name) for path in _table_folders(folder)}
        named = names_of(tables, subject_id)
        if named == {subject_id} and not _mentions(tables, subject_id):
            continue
        staging = _without(folder, tables, subject_id, named, signer)
        before_each(folder.name, staging)
        _take_the_place_of(folder, staging)
        erased.append(folder.name)
    return erased


def releases_with(releases_dir: Path, subject_id: str) -> list[Path]:
    """Return the folders of the releases that have the subject, oldest first."""
    return [
        folder
        for folder in release_folders(releases_dir)
        if subject_id in read_parts(folder, "subject")["subject_id"].to_pylist()
    ]


def publish_without(
    releases_dir: Path, subject_id: str, signer: Signer | None = None
) -> str | None:
    """Publish the newest release anew without the subject, as its next major version.

    Returns
    -------
    str or None
        The version; None when the newest release does not hold the subject: then the version
        that left the subject out is published already.

    Raises
    ------
    ContractError
        If the contracts changed since: `livercohort release` makes the next version then.
    """
    newest = newest_release(releases_dir)
    if newest is None:
        return None
    tables = {path.name: read_parts(newest, path.name) for path in _table_folders(newest)}
    if not _mentions(tables, subject_id):
        return None
    volumes = tables["nifti_volume"].select(["volume_id", "rel_path"]).to_pylist()
    others = tables["nifti_volume"].filter(pc.field("subject_id") != subject_id)
    del tables[RELEASE_TABLE]
    result = build_release(
        tables,
        releases_dir=releases_dir,
        nifti_sources={
            **{row["volume_id"]: newest / row["rel_path"] for row in volumes},
            **{
                source_key(row["volume_id"], lesion_no): path
                for row in volumes
                for lesion_no, path in masks_beside(newest, row["rel_path"])
            },
        },
        facts=_facts_of(newest, subject_id, others),
        signer=signer,
    )
    return result.version


def _mask_sums(volumes: pa.Table, sums: Mapping[str, str]) -> dict[str, str]:
    """Return source key → SHA-256 of the masks that a release has beside some of its volumes."""
    masks: dict[str, list[tuple[int, str]]] = {}
    for path, digest in sums.items():
        stem, lesion, rest = path.rpartition(".lesion-")
        number = PUBLISHED.fullmatch(lesion + rest)
        if number is not None:
            masks.setdefault(f"{stem}.nii.gz", []).append((int(number[1]), digest))
    return {
        source_key(row["volume_id"], lesion_no): digest
        for row in volumes.select(["volume_id", "rel_path"]).to_pylist()
        for lesion_no, digest in masks.get(row["rel_path"], ())
    }


def _facts_of(release: Path, subject_id: str, volumes: pa.Table) -> ReleaseFacts:
    manifest = read_manifest(release)
    return ReleaseFacts(
        software_version=manifest["software_version"],
        protocol_version=manifest["registers"]["protocol_version"],
        mapping_version=manifest["mapping_version"],
        decisions_csv=(release / "decisions.csv").read_bytes(),
        input_ledger_sha256=manifest["input_ledger_sha256"],
        key_id=manifest["key_id"],
        year=manifest.get("year"),
        kept_out={subject_id: ERASED},
        masks_sha256=register_of_masks(_mask_sums(volumes, read_sums(release))),
        conformity=_conformity_of(release),
    )


def _conformity_of(release: Path) -> tuple[ConformityRow, ...]:
    path = release / CONFORMITY_CSV
    return parse_conformity(path.read_text(encoding="utf-8")) if path.is_file() else ()


def _mentions(tables: Mapping[str, pa.Table], subject_id: str) -> bool:
    return any(
        "subject_id" in table.column_names and subject_id in table["subject_id"].to_pylist()
        for table in tables.values()
    )


def _table_folders(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "tables").iterdir() if path.is_dir())


def _without(
    folder: Path,
    tables: Mapping[str, pa.Table],
    subject_id: str,
    named: frozenset[str],
    signer: Signer | None,
) -> Path:
    staging = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    staging.mkdir()
    kept = {name: without_subject(name, table, subject_id, named) for name, table in tables.items()}
    sums = dict(read_sums(folder))
    old_sums = dict(sums)
    manifest = read_manifest(folder)
    gone = frozenset(
        row["rel_path"]
        for row in tables["nifti_volume"].select(["subject_id", "rel_path"]).to_pylist()
        if row["subject_id"] == subject_id
    )
    stems = tuple(path.removesuffix(".nii.gz") + "." for path in gone)
    removed = frozenset(path for path in sums if stems and path.startswith(stems))
    hashes = content_of_parts(manifest)
    parts, parts_gone = _write_parts(folder, staging, subject_id, named, hashes)
    removed |= parts_gone
    masks = register_of_masks(_mask_sums(kept["nifti_volume"], sums))
    if masks is None:
        manifest["registers"].pop("masks_sha256", None)
    else:
        manifest["registers"]["masks_sha256"] = masks
    new_hash = content_hash(
        {path: hashes[path] for path in sorted(hashes)},
        {name: entry["sha256"] for name, entry in manifest["contracts"].items()},
        manifest["registers"],
    )
    kept[RELEASE_TABLE] = _release_row(kept, new_hash)
    write_parquet(kept[RELEASE_TABLE], staging / part_path(RELEASE_TABLE, "all"))
    _write_lists(folder, staging, named)
    for name, table in kept.items():
        if (folder / f"excel/{name}.csv").is_file() and not table.equals(tables[name]):
            write_csv(table, staging / f"excel/{name}.csv")
    old = (folder / TOMBSTONES).read_bytes() if (folder / TOMBSTONES).is_file() else None
    (staging / TOMBSTONES).write_bytes(tombstones(old, subject_id, manifest["content_hash"]))
    _share_the_rest(folder, staging, removed)
    sums = _new_sums(staging, old_sums, removed)
    _quote_anew(folder, staging, old_sums, sums, removed, (manifest["content_hash"], new_hash))
    hashes[part_path(RELEASE_TABLE, "all")] = table_hash(kept[RELEASE_TABLE])
    sums |= {path: sha256_of_file(staging / path) for path in _QUOTING if path in sums}
    _write_manifest(staging, manifest, sums, parts, hashes, new_hash)
    sums[MANIFEST] = sha256_of_file(staging / MANIFEST)
    rewrite_database(folder / DATABASE, staging / DATABASE, kept)
    sums[DATABASE] = sha256_of_file(staging / DATABASE)
    (staging / SUMS).unlink(missing_ok=True)
    write_sums(staging, sums)
    if signer is not None:
        sign_sums(staging, signer, folder.name)
    return staging


def _write_parts(
    folder: Path, staging: Path, subject_id: str, named: frozenset[str], hashes: dict[str, str]
) -> tuple[dict[str, int], frozenset[str]]:
    """Write the parts that change and note their hashes; return rows of parts, and parts gone.

    A part without rows goes, unless it is the only one: as `content.split_by_site` has it.
    """
    rows: dict[str, int] = {}
    gone: set[str] = set()
    for table in _table_folders(folder):
        parts = {path.stem: pq.read_table(path) for path in sorted(table.glob("*.parquet"))}
        name = table.name
        kept = {s: without_subject(name, part, subject_id, named) for s, part in parts.items()}
        left = {stem: part for stem, part in kept.items() if part.num_rows}
        left = left or {ALL_SITES: next(iter(kept.values())).slice(0, 0)}
        gone |= {part_path(name, stem) for stem in parts.keys() - left.keys()}
        for stem, part in left.items():
            path = part_path(name, stem)
            rows[path] = part.num_rows
            if stem not in parts or not part.equals(parts[stem]):
                write_parquet(part, staging / path)
                hashes[path] = table_hash(part)
    for path in gone:
        del hashes[path]
    return rows, frozenset(gone)


def _release_row(kept: Mapping[str, pa.Table], new_hash: Sha256) -> pa.Table:
    table = kept[RELEASE_TABLE]
    (row,) = table.to_pylist()
    row["content_hash"] = new_hash
    counted = {
        "n_subjects": "subject",
        "n_studies": "imaging_study",
        "n_series": "series",
        "n_volumes": "nifti_volume",
    }
    row |= {column: kept[name].num_rows for column, name in counted.items()}
    return pa.Table.from_pylist([row], schema=table.schema)


def _write_lists(folder: Path, staging: Path, named: frozenset[str]) -> None:
    for path in _LISTS:
        if (folder / path).is_file():
            text = (folder / path).read_text(encoding="utf-8")
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).write_text(lines_without(text, named), encoding="utf-8")
    if (folder / CHANGES).is_file():
        write_parquet(changes_without(pq.read_table(folder / CHANGES), named), staging / CHANGES)


def _share_the_rest(folder: Path, staging: Path, removed: frozenset[str]) -> None:
    written = {MANIFEST, DATABASE, SUMS, SIGNATURE, *_QUOTING}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        where = path.relative_to(folder).as_posix()
        # Evaluations stand on the release as it was, with the subject: they go, and whoever has
        # the run evaluates it again.
        if is_of_an_evaluation(where):
            continue
        if where not in removed | written and not (staging / where).exists():
            share(path, staging / where)


def _new_sums(
    staging: Path, old_sums: Mapping[str, str], removed: frozenset[str]
) -> dict[str, str]:
    sums = {path: digest for path, digest in old_sums.items() if path not in removed}
    for path in sorted(p for p in staging.rglob("*") if p.is_file()):
        where = path.relative_to(staging).as_posix()
        if where not in sums or path.stat().st_nlink == 1:
            sums[where] = sha256_of_file(path)
    return sums


def _quote_anew(
    folder: Path,
    staging: Path,
    old_sums: Mapping[str, str],
    sums: Mapping[str, str],
    removed: frozenset[str],
    content: tuple[str, str],
) -> None:
    """Write the documents that quote hashes, with the new ones in place of the old."""
    replaced = {old_sums[path]: sums[path] for path in sums if path in old_sums} | dict([content])
    for name in _QUOTING:
        if not (folder / name).is_file():
            continue
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in replaced.items():
            if old != new:
                text = text.replace(old, new)
        data = text.encode()
        if name == CRATE:
            # Metadata that changed since cannot quote itself: `SHA256SUMS` has its hash.
            data = crate_without(data, removed, {TOMBSTONES: sums[TOMBSTONES]})
            for quoting in _QUOTING:
                if quoting != CRATE and (staging / quoting).is_file():
                    new = sha256_of_file(staging / quoting)
                    data = data.replace(old_sums[quoting].encode(), new.encode())
        (staging / name).write_bytes(data)


def _write_manifest(
    staging: Path,
    manifest: dict[str, Any],
    sums: Mapping[str, str],
    parts: Mapping[str, int],
    hashes: Mapping[str, str],
    new_hash: Sha256,
) -> None:
    manifest["content_hash"] = new_hash
    manifest["tombstones"] = json.loads((staging / TOMBSTONES).read_bytes())
    for entry in manifest["tables"].values():
        name = next(iter(entry["files"])).split("/")[1]
        entry["files"] = {
            path: {"sha256": sums[path], "rows": rows, "content": hashes[path]}
            for path, rows in parts.items()
            if path.split("/")[1] == name
        }
        entry["rows"] = sum(facts["rows"] for facts in entry["files"].values())
    apart = {*parts, MANIFEST, DATABASE}
    manifest["files"] = {path: sums[path] for path in sorted(sums) if path not in apart}
    (staging / MANIFEST).write_bytes(canonical_json(manifest))


def _take_the_place_of(folder: Path, staging: Path) -> None:
    """Put the new folder where the old one was; a kill between the two renames is swept."""
    sync_tree(staging)
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.erased")
    folder.rename(aside)
    staging.rename(folder)
    sync_directory(folder.parent)
    shutil.rmtree(aside)
