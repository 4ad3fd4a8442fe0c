"""Write one release into a staged folder: tables, volumes, documents, sums, database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from schemas.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from schemas.contracts import TableContract
from schemas.errors import ContractError
from schemas.identifiers import Sha256
from tasks.publish.compare import ROW_ADDED, ROW_REMOVED
from tasks.publish.dictionary import (
    DICTIONARY_COLUMNS,
    data_dictionary,
    dictionary_html,
    dictionary_rows,
)
from tasks.publish.diff_files import (
    CHANGES,
    changelog_lines,
    diff_documents,
    published_changes,
    summary,
)
from tasks.publish.differences import Differences
from tasks.publish.disclosure import (
    SHARED_COUNTS,
    SHARED_PER_SITE,
    counts_csv,
    flow_counts,
    parse_counts,
    protect,
)
from tasks.publish.documents import changelog, dataset_description, examples, readme
from tasks.publish.facts import ReleaseFacts
from tasks.publish.id_history import (
    ID_HISTORY,
    ID_TABLES,
    REMOVED_IDS,
    OldId,
    RemovedSubject,
    extend_history,
    history_csv,
    parse_history,
    parse_removed,
    removed_csv,
)
from tasks.publish.manifest import MANIFEST, SUMS, build_manifest, read_manifest, read_sums
from tasks.publish.metadata import Described, metadata_files, ro_crate
from tasks.publish.naming import SIDECAR_SUFFIXES, sidecar_path
from tasks.publish.store_database import (
    DATABASE,
    UPDATE_UP_TO,
    count_database_rows,
    update_database,
    write_database,
)
from tasks.publish.store_excel import EXCEL_ROWS, workbook, write_csv
from tasks.publish.store_tables import write_parquet
from tasks.publish.views import DEFAULT_READING


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided before the first byte is written.

    Parameters
    ----------
    version : str
        Version of the release.
    tables : mapping of str to pyarrow.Table
        Every table, `release` included.
    parts, part_hashes : mapping
        Path inside the release → rows that lie there, and their `table_hash`.
    unchanged : frozenset of str
        Paths whose rows are those of the release before.
    contracts, facts, differences, content_hash
        What the rows mean, what the release was told, and what changed.
    previous : Path, optional
        The release before.
    """

    version: str
    tables: Mapping[str, pa.Table]
    parts: Mapping[str, pa.Table]
    part_hashes: Mapping[str, Sha256]
    unchanged: frozenset[str]
    contracts: Mapping[str, TableContract]
    facts: ReleaseFacts
    differences: Differences
    content_hash: Sha256
    previous: Path | None


def write_release(staging: Path, plan: Plan, nifti_sources: Mapping[str, Path]) -> None:
    """Write everything a release holds; `SHA256SUMS` comes last."""
    old_sums = read_sums(plan.previous) if plan.previous else {}
    sums = _write_tables(staging, plan, old_sums)
    sums |= _link_volumes(staging, plan, nifti_sources, old_sums)
    write_parquet(published_changes(plan.differences), staging / CHANGES)
    sums[CHANGES] = sha256_of_file(staging / CHANGES)
    csv_files = _write_csv_files(staging, plan, sums, old_sums)
    sums |= _write_files(staging, _documents(plan))
    described = _described(plan, csv_files)
    sums |= _write_files(staging, metadata_files(described, sums))
    crate = ro_crate(described, sums, [DATABASE, MANIFEST, SUMS])
    sums |= _write_files(staging, {"ro-crate-metadata.json": canonical_json(crate)})
    # The database file never repeats, so the manifest, which does, leaves it to SHA256SUMS.
    sums |= _write_files(staging, {MANIFEST: _manifest(plan, sums)})
    _write_database(staging / DATABASE, plan)
    sums[DATABASE] = sha256_of_file(staging / DATABASE)
    write_sums(staging, sums)


def _write_database(path: Path, plan: Plan) -> None:
    """Update a copy of the database before where little changed; else make it anew.

    It is made anew, too, when somebody was removed: nothing of them may stay in its blocks.
    """
    changed = _changed_parts(plan)
    number = sum(part.num_rows for parts in changed.values() for part in parts.values())
    whole = sum(table.num_rows for table in plan.tables.values())
    if (
        plan.previous is None
        or not plan.previous.joinpath(DATABASE).is_file()
        or plan.differences.subjects_removed
        or not _same_meaning(plan, plan.previous)
        or number > UPDATE_UP_TO * whole
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
        if plan.previous and path in old_sums and same and own <= plan.unchanged:
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


def summary_lines(numbers: Mapping[str, Any]) -> list[str]:
    """Return a difference in words, one line for each kind of change."""
    return changelog_lines(numbers, _reason_words())


def share(source: Path, target: Path) -> None:
    """Give a file a second name; on another file system, a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_tables(staging: Path, plan: Plan, old_sums: Mapping[str, str]) -> dict[str, Sha256]:
    """Write the parts that changed; the others are the files of the release before."""
    sums: dict[str, Sha256] = {}
    for path, part in plan.parts.items():
        if plan.previous and path in plan.unchanged:
            share(plan.previous / path, staging / path)
            sums[path] = Sha256(old_sums[path])
        else:
            write_parquet(part, staging / path)
            sums[path] = sha256_of_file(staging / path)
    return sums


def _link_volumes(
    staging: Path, plan: Plan, sources: Mapping[str, Path], old_sums: Mapping[str, str]
) -> dict[str, Sha256]:
    sums: dict[str, Sha256] = {}
    for row in plan.tables["nifti_volume"].select(["volume_id", "rel_path", "sha256"]).to_pylist():
        source, path = sources.get(row["volume_id"]), row["rel_path"]
        if source is None or not source.is_file():
            raise ContractError("the file of a volume is not there", where=row["volume_id"])
        # A volume of the release before was hashed when it was linked there.
        shared = plan.previous and old_sums.get(path) == row["sha256"]
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


def _documents(plan: Plan) -> dict[str, bytes]:
    before = plan.previous.name if plan.previous else None
    rows = {name: table.num_rows for name, table in plan.tables.items()}
    lines = ["First release."]
    if before:
        lines = summary_lines(summary(before, plan.version, plan.differences))
    return {
        "README.md": readme(plan.version, plan.facts, rows),
        "CHANGELOG.md": changelog(
            plan.version, plan.facts, lines, _text(plan.previous, "CHANGELOG.md")
        ),
        "data_dictionary.csv": data_dictionary(plan.contracts),
        "data_dictionary.html": dictionary_html(plan.contracts),
        "data_dictionary.xlsx": workbook(
            "dictionary", DICTIONARY_COLUMNS, dictionary_rows(plan.contracts)
        ),
        "nifti/dataset_description.json": dataset_description(plan.version, plan.facts),
        "decisions.csv": plan.facts.decisions_csv,
        SHARED_COUNTS: _shared_counts(plan),
        ID_HISTORY: history_csv(_history(plan)),
        REMOVED_IDS: removed_csv(_removed(plan)),
        **diff_documents(before, plan.version, plan.differences),
        **examples(),
    }


def _shared_counts(plan: Plan) -> bytes:
    rows = plan.tables["stard_flow"].to_pylist()
    before = parse_counts(_text(plan.previous, SHARED_COUNTS))
    held = protect(flow_counts(rows, SHARED_PER_SITE, DEFAULT_READING), before)
    return counts_csv(held)


def _history(plan: Plan) -> list[OldId]:
    if plan.previous is None:
        return []
    rows = plan.differences.rows
    rows = rows.filter(pc.is_in(rows["table"], value_set=pa.array(ID_TABLES)))
    after = plan.differences.successors
    gone = [
        OldId(
            table=row["table"],
            old_id=row["key"],
            subject_id=row["subject_id"],
            last_release=plan.previous.name,
            successor=after.get((row["table"], row["key"]), ""),
            reason=row["reason"],
        )
        for row in rows.filter(pc.equal(rows["kind"], ROW_REMOVED)).to_pylist()
    ]
    added = rows.filter(pc.equal(rows["kind"], ROW_ADDED))
    back = frozenset(zip(added["table"].to_pylist(), added["key"].to_pylist(), strict=True))
    history = parse_history(_text(plan.previous, ID_HISTORY))
    removed = frozenset(plan.differences.subjects_removed)
    return extend_history(history, gone, back, removed)


def _removed(plan: Plan) -> list[RemovedSubject]:
    """Return who was removed up to this release; who came back is released again."""
    known = {row.subject_id: row for row in parse_removed(_text(plan.previous, REMOVED_IDS))}
    known |= {
        subject: RemovedSubject(subject, plan.version, reason)
        for subject, reason in plan.differences.removed_because.items()
    }
    for subject in plan.differences.subjects_added:
        known.pop(subject, None)
    return sorted(known.values())


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


def _text(release: Path | None, name: str) -> str:
    if release is None or not (release / name).is_file():
        return ""
    return (release / name).read_text(encoding="utf-8")


@cache
def _reason_words() -> dict[str, str]:
    text = files("tasks.publish").joinpath("change_reasons.yaml").read_text(encoding="utf-8")
    return {row["reason"]: row["text_en"] for row in yaml.safe_load(text)}
