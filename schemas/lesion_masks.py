"""Masks of lesions that were taken in: where they lie and what their names say.

`warehouse/masks/<site>/<series>/<volume_id>.lesion-<n>.<16 hex digits>.nii.gz`: a mask on the grid
of a volume; the digits are the beginning of the keyed digest of the file: who can write here and
has no key can change no mask and add none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ContractError
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones

MASKS = "masks"
#: SHA-256 → its keyed digest, in hex.
Keyed = Callable[[str], str]
DIGEST_LETTERS = 16
_NAME = re.compile(r"([0-9a-f]{16})\.lesion-(\d{1,3})\.([0-9a-f]{16})\.nii\.gz")
#: The mask beside its volume in a release: `<stem>.lesion-1_mask.nii.gz`.
PUBLISHED = re.compile(r"\.lesion-(\d{1,3})_mask\.nii\.gz")


@dataclass(frozen=True, order=True)
class MaskFile:
    """A mask in the warehouse."""

    volume_id: str
    lesion_no: int
    digest: str
    path: Path

    @property
    def source_key(self) -> str:
        """Its name among the sources of a release, beside that of the volume."""
        return source_key(self.volume_id, self.lesion_no)


def source_key(volume_id: str, lesion_no: int) -> str:
    """Return the name of a mask among the sources of a release."""
    return f"{volume_id}/lesion-{lesion_no}"


def masks_by_volume(sources: Mapping[str, Path]) -> dict[str, list[tuple[int, Path]]]:
    """Return volume_id → (lesion number, file) for the masks among the sources of a release."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for key, path in sorted(sources.items()):
        volume_id, slash, lesion = key.partition("/lesion-")
        if slash:
            found.setdefault(volume_id, []).append((int(lesion), path))
    return found


def published_suffix(lesion_no: int) -> str:
    """Return how the file of a mask ends, after the stem of its volume."""
    return f".lesion-{lesion_no}_mask.nii.gz"


def mask_folder(zones: Zones, site: SiteCode, series_uid: str) -> Path:
    """Return where the masks of a series lie; they go with it when a subject is erased."""
    return zones.warehouse / MASKS / site / series_uid


def mask_name(volume_id: str, lesion_no: int, data: bytes, keyed: Keyed) -> str:
    """Return the name of a mask's file; `keyed` gives the keyed digest of a SHA-256."""
    return f"{volume_id}.lesion-{lesion_no}.{_digest(data, keyed)}.nii.gz"


def list_masks(zones: Zones) -> tuple[MaskFile, ...]:
    """Return every mask in the warehouse, in order."""
    return tuple(sorted(_known((zones.warehouse / MASKS).glob("[!.]*/[!.]*/*.nii.gz"))))


def require_unchanged_masks(masks: Iterable[MaskFile], keyed: Keyed) -> None:
    """Refuse a mask that nobody with the key took in, or whose bytes are others since.

    Parameters
    ----------
    masks : iterable of MaskFile
        What is about to be published.
    keyed : callable
        SHA-256 → its keyed digest.

    Raises
    ------
    ContractError
        It names the volume and the lesion.
    """
    for mask in masks:
        if _digest(mask.path.read_bytes(), keyed) != mask.digest:
            raise ContractError(
                "a mask is not the one that was taken in",
                where=mask.source_key,
                hint="Take it in again: livercohort mask import … --replace.",
            )


def register_of_masks(sums: Mapping[str, str]) -> str | None:
    """Return one hash over masks, given the SHA-256 of each by its source key; None for none."""
    lines = "".join(f"{key} {sums[key]}\n" for key in sorted(sums))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else None


def masks_beside(folder: Path, rel_path: str) -> tuple[tuple[int, Path], ...]:
    """Return (lesion number, file) of the masks that a release has beside a volume."""
    stem = Path(rel_path.removesuffix(".nii.gz"))
    found = []
    for path in sorted((folder / stem.parent).glob(f"{stem.name}.lesion-*_mask.nii.gz")):
        number = PUBLISHED.fullmatch(path.name.removeprefix(stem.name))
        if number is not None:
            found.append((int(number[1]), path))
    return tuple(found)


def _digest(data: bytes, keyed: Keyed) -> str:
    return keyed(hashlib.sha256(data).hexdigest())[:DIGEST_LETTERS]


def _known(paths: Iterable[Path]) -> Iterable[MaskFile]:
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if name is not None:
            yield MaskFile(name[1], int(name[2]), name[3], path)
