"""What must not vanish or change unseen, kept apart from it and sealed.

Whoever can write a table can write its checksum beside it. So the home keeps, sealed with the
master key in `restricted/`: the digest of every release and of every committed `batch.json`
(which itself holds the digests of tables and the head of the audit chain), the identity and
size of the vault, and the end of the log of decisions about pixels. Each batch says that it was
anchored, so the file cannot go unnoticed either.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag

from schemas.errors import EnvironmentProblemError
from schemas.run.atomic_files import canonical_json, make_folder, write_bytes
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing

ANCHORS_CONTEXT = "anchors/v1"
_NAME = "anchors.sealed"


@dataclass(frozen=True)
class Anchors:
    """What a home remembers.

    Parameters
    ----------
    releases, manifests : mapping of str to str
        Version → SHA-256 of its `SHA256SUMS`, and of its `manifest.json`.
    batches : mapping of str to str
        `<site>/<batch>` → SHA-256 of its `batch.json`.
    vault_identity : str
        Token of a subject that the vault has held from its first night; empty before that.
    vault_subjects : int
        How many subjects the vault holds at least: none ever leaves.
    pixel_decisions : str
        `<count>:<last link>` of the decisions that were kept; empty before the first.
    """

    releases: Mapping[str, str] = field(default_factory=dict)
    manifests: Mapping[str, str] = field(default_factory=dict)
    batches: Mapping[str, str] = field(default_factory=dict)
    vault_identity: str = ""
    vault_subjects: int = 0
    pixel_decisions: str = ""


def anchors_file(zones: Zones) -> Path:
    """Return where it is kept."""
    return zones.restricted / _NAME


def read_anchors(zones: Zones, ring: KeyRing) -> Anchors | None:
    """Return what the home remembers; None for a home that never wrote it down.

    Raises
    ------
    EnvironmentProblemError
        If the file was changed or is of another key.
    """
    path = anchors_file(zones)
    if not path.is_file():
        return None
    try:
        return Anchors(**json.loads(ring.unseal(path.read_bytes(), context=ANCHORS_CONTEXT)))
    except (InvalidTag, ValueError, TypeError):
        raise EnvironmentProblemError(
            "what this home remembers of its batches and releases cannot be opened",
            where=f"restricted/{_NAME}",
            hint="Use the key with which this home was started; else restore the file from "
            "backup and tell who is responsible for data protection.",
        ) from None


@contextmanager
def changing_anchors(zones: Zones, ring: KeyRing) -> Iterator[_Change]:
    """Give what the home remembers to add to; written when the block ends without an error."""
    make_folder(zones.restricted, closed=True)
    lock = os.open(zones.restricted / f".{_NAME}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_anchors(zones, ring) or Anchors()
        change = _Change(before)
        yield change
        if change.anchors != before:
            plain = canonical_json(asdict(change.anchors))
            sealed = ring.seal(plain, context=ANCHORS_CONTEXT)
            write_bytes(anchors_file(zones), sealed, mode=0o600)
    finally:
        os.close(lock)


def require_own_vault(anchors: Anchors | None, tokens: frozenset[str]) -> None:
    """Refuse a vault that was emptied, deleted or exchanged since this home knows it.

    A new one would go unnoticed: the same numbers give the same pseudonyms, but who was erased
    or looked up, and every PatientID filed before, would be forgotten.
    """
    if anchors is None or not anchors.vault_subjects:
        return
    if len(tokens) < anchors.vault_subjects or anchors.vault_identity not in tokens:
        raise EnvironmentProblemError(
            f"the vault holds {len(tokens)} subjects, and not those of this home",
            expected=f"at least the {anchors.vault_subjects} that this home remembers",
            where="the vault",
            hint="Somebody emptied, deleted or exchanged it. Restore it from backup and tell who "
            "is responsible for data protection; nothing goes on before.",
        )


class _Change:
    """What the home remembers, and what is added to it."""

    def __init__(self, anchors: Anchors) -> None:
        self.anchors = anchors

    def release(self, version: str, sums: str, manifest: str) -> None:
        """Remember a release, or that an erasure made it anew."""
        self.anchors = replace(
            self.anchors,
            releases={**self.anchors.releases, version: sums},
            manifests={**self.anchors.manifests, version: manifest},
        )

    def batch(self, site: str, batch: str, digest: str) -> None:
        """Remember a committed batch, or that an erasure changed it."""
        known = {**self.anchors.batches, f"{site}/{batch}": digest}
        self.anchors = replace(self.anchors, batches=known)

    def vault(self, tokens: frozenset[str]) -> None:
        """Remember which vault it is and how many subjects it holds."""
        if tokens:
            self.anchors = replace(
                self.anchors,
                vault_identity=self.anchors.vault_identity or min(tokens),
                vault_subjects=max(self.anchors.vault_subjects, len(tokens)),
            )

    def pixel_decisions(self, count: int, link: str) -> None:
        """Remember how many decisions about pixels are kept, and the last one's link."""
        self.anchors = replace(self.anchors, pixel_decisions=f"{count}:{link}")
