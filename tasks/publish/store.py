"""Build a cohort release beside its place and publish it with one rename. Never overwrites."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from schemas.atomic_files import (
    canonical_json,
    directory_published_as,
    sha256_of_bytes,
    sha256_of_file,
    sync_directory,
)
from schemas.contracts import TableContract, conform, read_table_contracts
from schemas.errors import BadInputError, BusyError, ContractError
from schemas.identifiers import Sha256
from tasks.publish.consent import released_tables
from tasks.publish.content import content_hash
from tasks.publish.differences import (
    RELEASE_TABLE,
    Bump,
    Differences,
    compare_tables,
    next_version,
    parse_version,
)
from tasks.publish.documents import changelog, data_dictionary, examples, readme
from tasks.publish.facts import ReleaseFacts, ReleaseResult, ReleaseStatus
from tasks.publish.manifest import (
    SUMS,
    build_manifest,
    changed_registers,
    contract_registers,
    read_manifest,
    read_sums,
    registers_of,
)
from tasks.publish.naming import SIDECAR_SUFFIXES, sidecar_path
from tasks.publish.store_tables import (
    read_release_tables,
    split_by_site,
    write_database,
    write_parquet,
)

LATEST = "latest"
DATABASE = "cohort.duckdb"
_STAGING = re.compile(r"\.\d+\.\d+\.\d+\.[0-9a-f]{8}\.part")
_LATEST_STAGING = re.compile(r"\.latest\.[0-9a-f]{8}\.part")


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Everything decided before the first byte is written."""

    version: str
    tables: Mapping[str, pa.Table]
    contracts: Mapping[str, TableContract]
    facts: ReleaseFacts
    differences: Differences
    content_hash: Sha256
    previous: Path | None


def build_release(
    tables: Mapping[str, pa.Table],
    *,
    releases_dir: Path,
    nifti_sources: Mapping[str, Path],
    facts: ReleaseFacts,
    bump: str = "auto",
    previous: Path | None = None,
    dry_run: bool = False,
    inspect: Callable[[Path], None] | None = None,
) -> ReleaseResult:
    """Publish the tables and volumes as a new immutable release, if anything changed.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Every published table but `release`, each as its contract states. Subjects without
        consent may be in them: they are left out here.
    releases_dir : Path
        Where releases lie.
    nifti_sources : mapping of str to Path
        volume_id to file, for each row of `nifti_volume` that stays; files beside it with
        the same stem (`.json`, `.bval`, `.bvec`) come along.
    facts : ReleaseFacts
        Versions, decision register, input ledger.
    bump : str
        `auto` computes the version from the differences; a larger bump may be asked for.
    previous : Path, optional
        Release to compare with; default: the newest in `releases_dir`.
    dry_run : bool
        Compute version and differences only; write nothing.
    inspect : callable, optional
        Looks through the staged folder before it gets its name; raises to stop.

    Raises
    ------
    ContractError
        If a table is missing or differs from its contract, or a volume's file is missing or
        is not the one that was proven.
    BadInputError
        If `bump` would hide a larger change.
    BusyError
        If another run published this version meanwhile.
    """
    contracts = read_table_contracts()
    _require_contracts(tables, contracts)
    previous = previous.resolve() if previous else newest_release(releases_dir)
    plan = _plan(released_tables(tables, contracts), contracts, facts, previous, bump)
    rows = {name: table.num_rows for name, table in plan.tables.items()}
    before = previous.name if previous else None
    if previous and plan.differences.bump is Bump.NONE:
        if not dry_run:  # a build killed between its two renames left the link behind
            _point_latest(releases_dir, previous.name)
        status, path = ReleaseStatus.UNCHANGED, previous
    elif dry_run:
        status, path = ReleaseStatus.DRY_RUN, None
    else:
        status, path = ReleaseStatus.PUBLISHED, releases_dir / plan.version
        _publish(path, plan, nifti_sources, inspect)
        _point_latest(releases_dir, plan.version)
    return ReleaseResult(
        status=status,
        version=plan.version,
        predecessor=before,
        path=path,
        content_hash=plan.content_hash,
        differences=plan.differences,
        rows=rows,
    )


def _publish(
    path: Path,
    plan: _Plan,
    nifti_sources: Mapping[str, Path],
    inspect: Callable[[Path], None] | None,
) -> None:
    try:
        with directory_published_as(path) as staging:
            _write_release(staging, plan, nifti_sources)
            if inspect is not None:
                inspect(staging)
    except FileExistsError:
        raise BusyError(
            f"version {path.name} was published by another run",
            where="releases",
            hint="Release again: it will compare with the new version.",
        ) from None


def newest_release(releases_dir: Path) -> Path | None:
    """Return the folder with the highest version, or None when there is no release."""
    found = [path for path in releases_dir.glob("*.*.*") if _is_release(path)]
    return max(found, key=lambda path: parse_version(path.name), default=None)


def diff_releases(before: Path, after: Path) -> Differences:
    """Return what changed between two release folders, rows and values included."""
    contracts = read_table_contracts()
    one, other = (read_release_tables(path, contracts) for path in (before, after))
    registers = changed_registers(
        registers_of(read_manifest(before)), registers_of(read_manifest(after))
    )
    return replace(compare_tables(one, other, contracts), registers_changed=registers)


def sweep_staging(releases_dir: Path) -> int:
    """Remove what killed builds left behind; call it while no other build can run.

    Returns
    -------
    int
        How many staged folders and links were removed.
    """
    removed = 0
    for path in sorted(releases_dir.glob(".*.part")):
        if _STAGING.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path)
            removed += 1
        elif _LATEST_STAGING.fullmatch(path.name) and path.is_symlink():
            path.unlink()
            removed += 1
    return removed


def _is_release(path: Path) -> bool:
    try:
        parse_version(path.name)
    except BadInputError:
        return False
    return path.is_dir() and not path.is_symlink()


def _require_contracts(
    tables: Mapping[str, pa.Table], contracts: Mapping[str, TableContract]
) -> None:
    wanted = contracts.keys() - {RELEASE_TABLE}
    if tables.keys() != wanted:
        raise ContractError(
            f"tables missing: {', '.join(sorted(wanted - tables.keys())) or 'none'}; "
            f"without a contract: {', '.join(sorted(tables.keys() - wanted)) or 'none'}",
            where="release",
        )
    for name, table in tables.items():
        if not table.schema.equals(contracts[name].arrow_schema()):
            raise ContractError(
                "columns or types differ from the contract",
                where=f"table {name}",
                hint="Make the table with schemas.contracts.conform.",
            )


def _plan(
    released: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    facts: ReleaseFacts,
    previous: Path | None,
    bump: str,
) -> _Plan:
    name_of_content = content_hash(released, contracts, facts.registers)
    if previous is None:
        differences = compare_tables({}, released, contracts)
    elif read_manifest(previous)["content_hash"] == name_of_content:
        differences = Differences()
    else:
        differences = _differences(previous, released, contracts, facts)
    before = previous.name if previous else None
    if previous and differences.bump is Bump.NONE:
        version = previous.name
    else:
        version = next_version(before, differences.bump, bump)
    plan = _Plan(
        version=version,
        tables=released,
        contracts=contracts,
        facts=facts,
        differences=differences,
        content_hash=name_of_content,
        previous=previous,
    )
    return replace(plan, tables={**released, RELEASE_TABLE: _release_table(plan)})


def _differences(
    previous: Path,
    released: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    facts: ReleaseFacts,
) -> Differences:
    differences = compare_tables(read_release_tables(previous, contracts), released, contracts)
    # Another decision or wording of a contract may change no row, but the release says so.
    changed = changed_registers(
        registers_of(read_manifest(previous)),
        {**facts.registers, **contract_registers(contracts)},
    )
    return replace(differences, registers_changed=changed)


def _release_table(plan: _Plan) -> pa.Table:
    facts, tables = plan.facts, plan.tables
    row = {
        "release_id": f"livercohort:{plan.version}",
        "semver": plan.version,
        "as_of": facts.as_of,
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


def _write_release(staging: Path, plan: _Plan, nifti_sources: Mapping[str, Path]) -> None:
    sums: dict[str, Sha256] = {}
    old_sums = read_sums(plan.previous) if plan.previous else {}
    table_rows = _write_tables(staging, plan, sums, old_sums)
    _link_volumes(staging, plan, nifti_sources, sums, old_sums)
    for path, data in _documents(plan).items():
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        sums[path] = sha256_of_bytes(data)
    # The database file never repeats, so the manifest, which does, leaves it to SHA256SUMS.
    manifest = canonical_json(
        build_manifest(
            version=plan.version,
            previous=plan.previous.name if plan.previous else None,
            content_hash=plan.content_hash,
            facts=plan.facts,
            contracts=plan.contracts,
            table_rows=table_rows,
            sums=sums,
        )
    )
    (staging / "manifest.json").write_bytes(manifest)
    sums["manifest.json"] = sha256_of_bytes(manifest)
    write_database(staging / DATABASE, plan.tables, plan.contracts)
    sums[DATABASE] = sha256_of_file(staging / DATABASE)
    lines = [f"{digest}  {path}\n" for path, digest in sorted(sums.items())]
    (staging / SUMS).write_text("".join(lines), encoding="utf-8")


def _write_tables(
    staging: Path, plan: _Plan, sums: dict[str, Sha256], old_sums: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for name, table in plan.tables.items():
        rows[name] = {}
        for stem, part in split_by_site(table, plan.contracts[name]).items():
            path = f"tables/{name}/{stem}.parquet"
            write_parquet(part, staging / path)
            sums[path] = sha256_of_file(staging / path)
            rows[name][path] = part.num_rows
            if plan.previous and old_sums.get(path) == sums[path]:
                _share(plan.previous / path, staging / path)
    return rows


def _link_volumes(
    staging: Path,
    plan: _Plan,
    sources: Mapping[str, Path],
    sums: dict[str, Sha256],
    old_sums: Mapping[str, str],
) -> None:
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
        _share(plan.previous / path if plan.previous and shared else source, staging / path)
        sums[path] = row["sha256"]
        for suffix in SIDECAR_SUFFIXES:
            beside = Path(sidecar_path(str(source), suffix))
            if beside.is_file():
                _share(beside, staging / sidecar_path(path, suffix))
                sums[sidecar_path(path, suffix)] = sha256_of_file(beside)


def _documents(plan: _Plan) -> dict[str, bytes]:
    older = ""
    if plan.previous and (plan.previous / "CHANGELOG.md").is_file():
        older = (plan.previous / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = {name: table.num_rows for name, table in plan.tables.items()}
    first = plan.previous is None
    return {
        "README.md": readme(plan.version, plan.facts, rows),
        "CHANGELOG.md": changelog(plan.version, plan.facts, plan.differences, older, first),
        "data_dictionary.csv": data_dictionary(plan.contracts),
        "decisions.csv": plan.facts.decisions_csv,
        **examples(),
    }


def _share(source: Path, target: Path) -> None:
    """Give a file a second name; on another file system, a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _point_latest(releases_dir: Path, version: str) -> None:
    link = releases_dir / LATEST
    if link.is_symlink() and link.readlink() == Path(version):
        return
    beside = releases_dir / f".{LATEST}.{uuid.uuid4().hex[:8]}.part"
    beside.symlink_to(version)
    beside.replace(link)
    sync_directory(releases_dir)
