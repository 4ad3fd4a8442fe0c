"""Files of the release before that the next one may have as they are: proven, not believed.

A file is given on when its rows are those of this release, the home remembers the manifest that
states its SHA-256, its bytes still have that, and the same programs would write it: then it is
the file that would be written now, and costs a link and a hash.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.identifiers import Sha256
from schemas.run.atomic_files import sha256_of_file
from tasks.publish.manifest import listed_files
from tasks.publish.release_plan import Plan
from tasks.publish.store_manifest import read_manifest


@dataclass(frozen=True)
class Reusable:
    """What of the release before may be given on.

    Parameters
    ----------
    folder : Path
        The release before.
    stated : mapping of str to str
        Path → SHA-256, of files whose rows are those of this release.
    """

    folder: Path
    stated: Mapping[str, str] = field(default_factory=dict)

    def give(self, path: str, staging: Path) -> Sha256 | None:
        """Give a file a second name in a staged folder; None where it may not be had."""
        stated, source = self.stated.get(path), self.folder / path
        if stated is None or source.is_symlink() or not source.is_file():
            return None
        if sha256_of_file(source) != stated:
            return None  # written anew; `verify` tells of the damage
        share(source, staging / path)
        return Sha256(stated)


def share(source: Path, target: Path) -> None:
    """Give a file a second name; on another file system, a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def reusable(plan: Plan, *, is_proven: bool) -> Reusable:
    """Return which files of the release before hold what this one does.

    Parameters
    ----------
    plan : Plan
        What this release will be.
    is_proven : bool
        Whether the home remembers the manifest of the release before.
    """
    if plan.previous is None or not is_proven:
        return Reusable(Path())
    manifest = read_manifest(plan.previous)
    whole = [
        f"excel/{name}.csv"
        for name, entry in manifest["tables"].items()
        if set(entry["files"]) == _parts_of(plan, name) and set(entry["files"]) <= plan.unchanged
    ]
    listed = listed_files(manifest)
    stated = {path: listed[path] for path in (*plan.unchanged, *whole) if path in listed}
    is_ours = manifest["software_version"] == plan.facts.software_version
    if not (is_ours and _same_writer(plan.previous, plan.unchanged)):
        return Reusable(plan.previous)
    return Reusable(plan.previous, stated)


def _parts_of(plan: Plan, table: str) -> set[str]:
    return {path for path in plan.parts if path.split("/")[1] == table}


def _same_writer(release: Path, paths: frozenset[str]) -> bool:
    """Return whether the Arrow in use wrote a file: another gives the same rows other bytes."""
    try:
        writer = str(pq.read_metadata(release / min(paths)).created_by)
    except (OSError, ValueError, pa.ArrowException):
        return False
    return writer.endswith(f"version {pa.__version__}")
