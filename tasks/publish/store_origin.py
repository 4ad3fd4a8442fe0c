"""What the home remembers of its releases, and what of the one before may be gone on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.errors import GateBlockedError
from schemas.run.atomic_files import sha256_of_file
from schemas.run.zones import Zones
from schemas.vault.anchors import Anchors, changing_anchors
from schemas.vault.keys import KeyRing
from tasks.publish.manifest import MANIFEST, SUMS
from tasks.publish.store_manifest import read_manifest

#: Documents of a release that the next one continues; everything else is made anew.
_CONTINUED = ("CHANGELOG.md", "id_history.csv", "removed_ids.csv", "shared_counts.csv")


def record_releases(zones: Zones, ring: KeyRing, folders: Iterable[Path]) -> None:
    """Remember the sums and the manifest of releases as they were just written."""
    with changing_anchors(zones, ring) as change:
        for folder in folders:
            change.release(
                folder.name, sha256_of_file(folder / SUMS), sha256_of_file(folder / MANIFEST)
            )


def recorded_sums(anchors: Anchors | None) -> Mapping[str, str]:
    """Return version → SHA-256 of `SHA256SUMS`, as remembered."""
    return anchors.releases if anchors else {}


def require_continuable(previous: Path | None, anchors: Anchors | None) -> bool:
    """Return whether the manifest of the release before is the one this home remembers.

    Volumes and the database of a release before are no source of the next, tables only where
    they are proven to be what would be written: damage is told by `livercohort verify` and goes
    no further.

    Raises
    ------
    GateBlockedError
        If a document that the next release continues was changed.
    """
    if previous is None or anchors is None or previous.name not in anchors.manifests:
        return False  # of a version that remembered nothing
    if sha256_of_file(previous / MANIFEST) != anchors.manifests[previous.name]:
        raise _changed(previous, MANIFEST)
    stated = read_manifest(previous)["files"]
    for name in _CONTINUED:
        if name in stated:
            place = previous / name
            if not place.is_file() or sha256_of_file(place) != stated[name]:
                raise _changed(previous, name)
    return True


def _changed(previous: Path, name: str) -> GateBlockedError:
    return GateBlockedError(
        f"{name} of release {previous.name} was changed since it was published",
        where=f"releases/{previous.name}",
        expected="the file as it was published, since the next release continues it",
        hint="Restore it from backup and find out who changed it; nothing was released.",
    )
