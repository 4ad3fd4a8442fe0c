"""Which masks a release publishes: those that lie on one of its volumes, of one of its lesions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from schemas.lesion_masks import MaskFile, register_of_masks
from schemas.run.atomic_files import sha256_of_file


@dataclass(frozen=True)
class PublishedMasks:
    """`lesion` with the volume of each mask, and the files.

    `left_out` are masks in the warehouse of which this release has no volume or no lesion: the
    series came anew, or its subject is kept out; and those of a lesion that has several, of which
    nobody said which one counts.
    """

    lesion: pa.Table
    masks: tuple[MaskFile, ...]
    left_out: int

    @property
    def sources(self) -> dict[str, Path]:
        """The files by their name among the sources of a release."""
        return {mask.source_key: mask.path for mask in self.masks}

    @property
    def sha256(self) -> str | None:
        """One hash over all of them: a register of the release; None without masks."""
        return register_of_masks({m.source_key: sha256_of_file(m.path) for m in self.masks})


def published_masks(
    lesion: pa.Table, nifti_volume: pa.Table, masks: Iterable[MaskFile]
) -> PublishedMasks:
    """Link lesions to the volumes that their masks lie on.

    Parameters
    ----------
    lesion, nifti_volume : pyarrow.Table
        The tables of the release.
    masks : iterable of MaskFile
        All of the warehouse.
    """
    subject_of = dict(
        zip(
            nifti_volume["volume_id"].to_pylist(),
            nifti_volume["subject_id"].to_pylist(),
            strict=True,
        )
    )
    lesions = list(
        zip(lesion["subject_id"].to_pylist(), lesion["lesion_no"].to_pylist(), strict=True)
    )
    everything = sorted(masks)
    of_lesion = {key: list[MaskFile]() for key in lesions}
    for mask in everything:
        of_lesion.get((subject_of.get(mask.volume_id), mask.lesion_no), []).append(mask)
    placed = {key: found[0] for key, found in of_lesion.items() if len(found) == 1}
    volumes = [placed[key].volume_id if key in placed else None for key in lesions]
    at = lesion.schema.get_field_index("mask_volume_id")
    field = lesion.schema.field(at)
    linked = lesion.set_column(at, field, pa.array(volumes, type=field.type))
    kept = tuple(sorted(placed.values()))
    return PublishedMasks(linked, kept, len(everything) - len(kept))
