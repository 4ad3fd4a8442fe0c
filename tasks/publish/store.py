"""Build a cohort release beside its place and publish it with one rename. Never overwrites."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from schemas.errors import BadInputError, BusyError, ContractError
from schemas.run.atomic_files import directory_published_as, sha256_of_file, sync_directory
from schemas.tables.contracts import TableContract, read_table_contracts
from schemas.tables.parted_tables import PartedTable
from tasks.publish.diff.differences import (
    RELEASE_TABLE,
    Bump,
    Differences,
    compare_tables,
    parse_version,
)
from tasks.publish.diff.id_history import REMOVED_IDS, RemovedSubject, parse_removed
from tasks.publish.diff.reasons import WITHDREW
from tasks.publish.facts import ReleaseFacts, ReleaseResult, ReleaseStatus
from tasks.publish.manifest import (
    changed_registers,
    content_of_parts,
    registers_of,
)
from tasks.publish.signature import Signer
from tasks.publish.store_kept_database import KeptDatabase
from tasks.publish.store_manifest import read_manifest, require_whole
from tasks.publish.store_plan import batches_of, make_plan
from tasks.publish.store_reuse import reusable
from tasks.publish.store_tables import read_release_tables, require_parts
from tasks.publish.store_write import write_release

LATEST = "latest"
#: 2000-01-01, the time of every file of a release.
NO_TIME = 946_684_800
_STAGING = re.compile(r"\.\d+\.\d+\.\d+\.[0-9a-f]{8}\.part")
_SET_ASIDE = re.compile(r"\.(\d+\.\d+\.\d+)\.[0-9a-f]{8}\.erased")
_LATEST_STAGING = re.compile(r"\.latest\.[0-9a-f]{8}\.part")


def build_release(
    tables: Mapping[str, pa.Table | PartedTable],
    *,
    releases_dir: Path,
    nifti_sources: Mapping[str, Path],
    facts: ReleaseFacts,
    bump: str = "auto",
    previous: Path | None = None,
    dry_run: bool = False,
    inspect: Callable[[Path], None] | None = None,
    signer: Signer | None = None,
    hash_of: Callable[[Path], str] = sha256_of_file,
    previous_is_proven: bool = False,
    contents: MutableMapping[str, str] | None = None,
    kept: KeptDatabase | None = None,
) -> ReleaseResult:
    """Publish the tables and volumes as a new immutable release, if anything changed.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table or PartedTable
        Every published table but `release`, each as its contract states. Subjects without
        consent may be in them: they are left out here. Of one in parts no more than one part is
        in memory at a time.
    releases_dir : Path
        Where releases lie.
    nifti_sources : mapping of str to Path
        volume_id to file, for each row of `nifti_volume` that stays; files beside it with
        the same stem (`.json`, `.bval`, `.bvec`) come along. Masks stand beside, under
        `lesion_masks.source_key`.
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
    signer : Signer, optional
        Signs the sums; a release without is one that `verify` finds unsigned.
    hash_of : callable
        Gives the SHA-256 of a volume in the warehouse.
    previous_is_proven : bool
        Whether the home remembers the manifest of the release before: then files with the same
        rows are given on from it, and not written again.
    contents : mutable mapping, optional
        Name of a part → `table_hash` of its rows, as far as known; what is computed is added.
    kept : KeptDatabase, optional
        Rows of images of the release before, which the database may begin with; those of this one
        are kept when it is published.

    Raises
    ------
    ContractError
        If a table is missing or differs from its contract, or a volume's file is missing or
        is not the one that was proven.
    BadInputError
        If `bump` would hide a larger change; or nothing changed, and files of the release before
        are gone.
    BusyError
        If another run published this version meanwhile.
    """
    contracts = read_table_contracts()
    _require_contracts(tables, contracts)
    previous = previous.resolve() if previous else newest_release(releases_dir)
    plan = make_plan(tables, contracts, facts, previous, bump, {} if contents is None else contents)
    rows = plan.rows
    before = previous.name if previous else None
    if previous and plan.differences.bump is Bump.NONE:
        require_whole(previous)
        if not dry_run:  # a build killed between its two renames left the link behind
            point_latest(releases_dir, previous.name)
        status, path = ReleaseStatus.UNCHANGED, previous
    elif dry_run:
        status, path = ReleaseStatus.DRY_RUN, None
    else:
        status, path = ReleaseStatus.PUBLISHED, releases_dir / plan.version
        before_it = reusable(plan, is_proven=previous_is_proven)
        with _published(path) as staging:
            write_release(staging, plan, nifti_sources, signer, hash_of, before_it, kept)
            if inspect is not None:
                inspect(staging)
            _close(staging)
        point_latest(releases_dir, plan.version)
        if kept is not None:
            kept.keep()
    return ReleaseResult(
        status=status,
        version=plan.version,
        predecessor=before,
        path=path,
        content_hash=plan.content_hash,
        differences=plan.differences,
        rows=rows,
    )


@contextmanager
def _published(path: Path) -> Iterator[Path]:
    try:
        with directory_published_as(path) as staging:
            yield staging
    except FileExistsError:
        raise BusyError(
            f"version {path.name} was published by another run",
            where="releases",
            hint="Release again: it will compare with the new version.",
        ) from None


def _close(staging: Path) -> None:
    """Make every file read-only, and every time the same: a real one would stand beside days."""
    for path in (*sorted(staging.rglob("*"), reverse=True), staging):
        if path.is_file():
            path.chmod(0o444)  # whoever means to change it has to say so first
        os.utime(path, (NO_TIME, NO_TIME))


def newest_release(releases_dir: Path) -> Path | None:
    """Return the folder with the highest version, or None when there is no release."""
    return max(
        release_folders(releases_dir), key=lambda path: parse_version(path.name), default=None
    )


def removed_subjects(releases_dir: Path) -> list[str]:
    """Return the pseudonyms that the newest release lists as not released any more."""
    return [row.subject_id for row in _removed(releases_dir)]


def withdrawn_subjects(releases_dir: Path) -> frozenset[str]:
    """Return those whom the newest release does not have because they withdrew."""
    return frozenset(row.subject_id for row in _removed(releases_dir) if row.reason in WITHDREW)


def _removed(releases_dir: Path) -> list[RemovedSubject]:
    newest = newest_release(releases_dir)
    if newest is None or not (newest / REMOVED_IDS).is_file():
        return []
    return parse_removed((newest / REMOVED_IDS).read_text(encoding="utf-8"))


def release_folders(releases_dir: Path) -> list[Path]:
    """Return the folders of all releases, oldest version first."""
    found = [path for path in releases_dir.glob("*.*.*") if _is_release(path)]
    return sorted(found, key=lambda path: parse_version(path.name))


def diff_releases(before: Path, after: Path) -> Differences:
    """Return what changed between two release folders, rows and values included.

    Raises
    ------
    BadInputError
        If a manifest or a file of a table is missing or cannot be read: what is damaged is
        no difference.
    """
    contracts = read_table_contracts()
    old, new = read_manifest(before), read_manifest(after)
    one, other = content_of_parts(old), content_of_parts(new)
    require_parts(before, one)
    require_parts(after, other)
    same = {path for path in one if one[path] and one[path] == other.get(path)}
    registers = changed_registers(registers_of(old), registers_of(new))
    return compare_tables(
        read_release_tables(before, contracts, without=same),
        read_release_tables(after, contracts, without=same),
        contracts,
        registers_changed=registers,
        known_batches=batches_of(before),
    )


def sweep_staging(releases_dir: Path) -> int:
    """Remove what killed builds left behind; call it while no other build can run.

    A release that an interrupted erasure had set aside is put back in its place.

    Returns
    -------
    int
        How many staged folders and links were removed.
    """
    removed = 0
    for path in sorted(releases_dir.glob(".*.erased")):
        found = _SET_ASIDE.fullmatch(path.name)
        if found and (releases_dir / found[1]).exists():
            shutil.rmtree(path)
            removed += 1
        elif found:
            path.rename(releases_dir / found[1])
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
    tables: Mapping[str, pa.Table | PartedTable], contracts: Mapping[str, TableContract]
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
                hint="Make the table with schemas.tables.contracts.conform.",
            )


def point_latest(releases_dir: Path, version: str) -> None:
    """Let `latest` point to a version, with one rename; where it does already, nothing happens."""
    link = releases_dir / LATEST
    if link.is_symlink() and link.readlink() == Path(version):
        return
    beside = releases_dir / f".{LATEST}.{uuid.uuid4().hex[:8]}.part"
    beside.symlink_to(version)
    beside.replace(link)
    sync_directory(releases_dir)
