"""Since which release a finding stands: read from the releases before, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

_ID = "finding_id"


def standing_since(releases: Path, version: str) -> dict[str, str]:
    """Return, for each finding of a release, the first release of its unbroken run.

    Parameters
    ----------
    releases : Path
        Folder of all releases.
    version : str
        The release whose findings are asked for.

    Returns
    -------
    dict of str to str
        Version and, where it is known, the day its forms are as of, by finding id.
    """
    ids_of_part: dict[tuple[int, int], frozenset[str]] = {}
    since: dict[str, str] = {}
    standing: frozenset[str] | None = None
    for folder, name in _back_from(releases, version):
        ids: set[str] = set()
        for part in sorted((folder / "tables" / "finding").glob("*.parquet")):
            facts = part.stat()
            # Parts that did not change are one file in many releases: read once.
            key = (facts.st_dev, facts.st_ino)
            if key not in ids_of_part:
                column = pq.read_table(part, columns=[_ID]).column(_ID)
                ids_of_part[key] = frozenset(column.to_pylist())
            ids |= ids_of_part[key]
        standing = frozenset(ids) if standing is None else standing & ids
        if not standing:
            break
        since.update(dict.fromkeys(standing, name))
    return since


def _back_from(releases: Path, version: str) -> Iterator[tuple[Path, str]]:
    """Yield a release and those before it; the chain ends where one is no longer there."""
    following: str | None = version
    while following is not None:
        manifest = releases / following / "manifest.json"
        if not manifest.is_file():
            return
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        yield manifest.parent, following
        following = facts["predecessor"]
