"""What the home remembers of its releases, and what of the one before may be gone on from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schemas.errors import GateBlockedError
from schemas.run.atomic_files import sha256_of_file
from schemas.run.zones import Zones
from schemas.vault.anchors import Anchors, changing_anchors
from schemas.vault.keys import KeyRing
from tasks.publish.diff.differences import parse_version
from tasks.publish.manifest import MANIFEST, SUMS
from tasks.publish.signature import SIGNATURE, SignatureError, signed_version
from tasks.publish.store_manifest import read_manifest, read_sums

#: Documents of a release that the next one continues; everything else is made anew.
_CONTINUED = ("CHANGELOG.md", "id_history.csv", "removed_ids.csv", "shared_counts.csv")


def record_release(zones: Zones, ring: KeyRing, version: str, folder: Path) -> None:
    """Remember the sums and the manifest of a release as they were just written."""
    with changing_anchors(zones, ring) as change:
        change.release(version, sha256_of_file(folder / SUMS), sha256_of_file(folder / MANIFEST))


def record_if_own(zones: Zones, ring: KeyRing, newest: Path, public: bytes) -> bool:
    """Remember a release that was published by a run which was killed before it could do so.

    It is one where the home remembers none of its version or later, and it bears the home's
    signature for that version: nobody else can have made it.

    Returns
    -------
    bool
        Whether the home remembers this release now, as it lies there.
    """
    with changing_anchors(zones, ring) as change:
        known = max(change.anchors.releases, key=parse_version, default=None)
        is_new = known is None or parse_version(known) < parse_version(newest.name)
        if is_new and _is_signed(newest, public):
            change.release(
                newest.name, sha256_of_file(newest / SUMS), sha256_of_file(newest / MANIFEST)
            )
        remembered = change.anchors.releases.get(newest.name)
    return (newest / SUMS).is_file() and remembered == sha256_of_file(newest / SUMS)


def _is_signed(release: Path, public: bytes) -> bool:
    try:
        signature = (release / SIGNATURE).read_bytes()
        version = signed_version((release / SUMS).read_bytes(), signature, public)
        manifest = sha256_of_file(release / MANIFEST)
    except (OSError, SignatureError):
        return False
    return version == release.name and read_sums(release).get(MANIFEST) == manifest


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
