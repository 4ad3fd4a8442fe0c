"""Change the secret under which the vault is encrypted. Pseudonyms, UIDs and shifts stay.

The new secret is random and does not come from the master key. It stands in the key file
before anything is sealed with it, and the old one leaves the file only after everything
opens without it: a kill at any instant leaves all readable, and the next run finishes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.errors import EnvironmentProblemError
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.vault.anchors import (
    ANCHORS_CONTEXT,
    anchors_file,
    read_anchors,
    require_own_vault,
)
from schemas.vault.keys import KEY_BYTES, KeyRing, key_file_text, read_key_file
from schemas.vault.look_ups import HEAD_CONTEXT
from schemas.vault.sealed_contexts import IDENTIFIERS_CONTEXT, INSPECTIONS_CONTEXT, forms_context
from schemas.vault.subjects import Vault

_KEY_MODE = 0o600


@dataclass(frozen=True)
class Sealed:
    """The version of the secret in force, and how much is sealed with it."""

    version: int
    vault_fields: int
    files: int


def rotate_vault_secret(key_file: Path, zones: Zones) -> Sealed:
    """Seal the vault and all sealed files of the restricted zone with a new secret.

    Run it while no night is running. Back up the key file afterwards: the old copy no
    longer opens the vault.

    Raises
    ------
    EnvironmentProblemError
        If the key is missing, or something cannot be opened with it; nothing is changed then.
    """
    ring = read_key_file(key_file)
    check_sealed(ring, zones)
    version = ring.vault_version + 1
    both = {**ring.vault_secrets, version: secrets.token_bytes(KEY_BYTES)}
    ring = replace(ring, vault_secrets=both)
    write_bytes(key_file, key_file_text(ring).encode("ascii"), mode=_KEY_MODE)
    contexts = sealed_files(zones)
    fields = Vault(zones.vault, ring).rewrap()
    for path, context in contexts.items():
        _reseal(path, context, ring)
    newest = replace(ring, vault_secrets={version: both[version]})
    check_sealed(newest, zones)
    write_bytes(key_file, key_file_text(newest).encode("ascii"), mode=_KEY_MODE)
    return Sealed(version, fields, len(contexts))


def check_sealed(ring: KeyRing, zones: Zones) -> Sealed:
    """Open the whole vault and every sealed file of the restricted zone.

    Raises
    ------
    EnvironmentProblemError
        If one of them does not open with this key, or the vault is not the one of this home.
    """
    vault = Vault(zones.vault, ring)
    fields = vault.check()
    require_own_vault(read_anchors(zones, ring), vault.subject_tokens())
    contexts = sealed_files(zones)
    for path, context in contexts.items():
        _open(path, context, ring)
    return Sealed(ring.vault_version, fields, len(contexts))


def sealed_files(zones: Zones) -> Mapping[Path, str]:
    """Return every sealed file of the restricted zone, and the context it is bound to.

    Raises
    ------
    EnvironmentProblemError
        If a sealed file has a name nobody here knows: it would be lost with the old secret.
    """
    found: dict[Path, str] = {}
    for path in sorted((zones.restricted / "inspections").glob("*.sealed")):
        found[path] = INSPECTIONS_CONTEXT
    for path in sorted((zones.restricted / "batches").glob("*/*/*.sealed")):
        batch, site = path.parent.name, path.parent.parent.name
        contexts = {
            "identifiers.sealed": IDENTIFIERS_CONTEXT,
            "forms.sealed": forms_context(site, batch),
        }
        if path.name not in contexts:
            raise EnvironmentProblemError(
                f"{path.name} is sealed in a way that rotation does not know",
                where=f"batch {batch} of {site}",
                hint="Nothing was changed. Report this as a defect.",
            )
        found[path] = contexts[path.name]
    if zones.look_up_head.is_file():
        found[zones.look_up_head] = HEAD_CONTEXT
    if anchors_file(zones).is_file():
        found[anchors_file(zones)] = ANCHORS_CONTEXT
    return found


def _reseal(path: Path, context: str, ring: KeyRing) -> None:
    write_bytes(path, ring.seal(_open(path, context, ring), context=context), mode=_KEY_MODE)


def _open(path: Path, context: str, ring: KeyRing) -> bytes:
    try:
        return ring.unseal(path.read_bytes(), context=context)
    except Exception:
        raise EnvironmentProblemError(
            f"{path.name} cannot be opened with this key",
            where=_place(path),
            hint="Use the key with which this home was started (`livercohort key show-id`).",
        ) from None


def _place(path: Path) -> str:
    folder, parent = path.parent, path.parent.parent
    if parent.parent.name == "batches":
        return f"batch {folder.name} of {parent.name}"
    return folder.name
