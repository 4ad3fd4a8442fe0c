"""Take masks in for a release, and hand them out as DICOM SEG."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from pydicom import dcmread

from livercohort import Release, open_release
from schemas.errors import BadInputError, ContractError
from schemas.identifiers import SeriesUid, SiteCode
from schemas.lesion_masks import Keyed, MaskFile, list_masks, mask_folder, mask_name, masks_beside
from schemas.run.atomic_files import make_folder, sha256_of_file, write_bytes
from schemas.run.software import software_version
from schemas.run.zones import Zones
from tasks.masks.grid import (
    RAS_TO_LPS,
    Matrix,
    NoMaskError,
    OtherGridError,
    Voxels,
    on_grid,
    one_lesion,
    require_whole_grid,
)
from tasks.masks.segmentation import is_segmentation, make_segmentation, read_segmentation

_VOLUME = (
    "SELECT volume_id, series_uid, subject_id, rel_path, sha256, dim_x, dim_y, dim_z "
    "FROM nifti_volume WHERE {} = ?"
)
_DRAW = "Draw the mask on the volume of the release, and do not resample it."
#: Twice a whole body of 512 x 512 x 2000 voxels in bytes, and what software writes before voxels.
_MOST_VOXELS, _MOST_BEFORE = 1 << 30, 1 << 24
LastLook = Callable[[list[str]], None]


@dataclass(frozen=True)
class TakenIn:
    """What became of a mask: `new` is false when the very same was there already."""

    volume_id: str
    subject_id: str
    lesion_no: int
    voxels: int
    new: bool


@dataclass(frozen=True)
class _Volume:
    """A proven volume of a release."""

    volume_id: str
    series_uid: str
    subject_id: str
    rel_path: str
    shape: tuple[int, int, int]
    affine: Matrix

    @property
    def site(self) -> SiteCode:
        return SiteCode(self.subject_id.partition("-")[0])


def import_mask(
    zones: Zones,
    folder: Path,
    mask: Path,
    lesion_no: int,
    *,
    keyed: Keyed,
    volume_id: str | None = None,
    label: int | None = None,
    replace: bool = False,
    map_uid: Callable[[str], str] | None = None,
    at_last: LastLook = lambda _: None,
) -> TakenIn:
    """Take in the reference mask of a lesion; the next release publishes it.

    Parameters
    ----------
    zones : Zones
        Whose warehouse.
    folder : Path
        The release on whose volume it was drawn.
    mask : Path
        NIfTI, or DICOM SEG of the released images or of those of the hospital.
    lesion_no : int
        The lesion, as the table `lesion` numbers it.
    keyed : callable
        SHA-256 → its keyed digest, by which a release knows that the mask was taken in.
    volume_id : str, optional
        The volume; a SEG names its series, and needs it only where that has several volumes.
    label : int, optional
        Value or segment number of the lesion, where the file has several.
    replace : bool
        Whether it stands in place of the mask that the lesion has.
    map_uid : callable, optional
        Gives the UID that stands for an original one: a SEG of a hospital names the series so.
    at_last : callable
        Given the subject right before the mask gets its name, and raises to stop.

    Raises
    ------
    BadInputError
        If the mask cannot be read, is empty, is of another grid, or the lesion has another mask.
        Nothing of the file is quoted: a name may be a person's.
    """
    try:
        labels, affine, of_series = _read(mask)
        lesion = one_lesion(labels, label)
    except NoMaskError as error:
        raise _refused(str(error)) from None
    except Exception as error:  # of any reader; what it says may quote a stranger's file
        raise _refused(f"a file that cannot be read ({type(error).__name__})") from None
    with open_release(folder) as release:
        volume = _volume(release, volume_id, of_series, map_uid)
        _require_lesion(release, volume.subject_id, lesion_no)
        others = _of_lesion(zones, release, volume.subject_id, lesion_no)
    try:
        if of_series is None:
            require_whole_grid(lesion.shape, affine, RAS_TO_LPS @ volume.affine, volume.shape)
        placed = on_grid(lesion, affine, RAS_TO_LPS @ volume.affine, volume.shape)
    except OtherGridError as error:
        raise _refused(str(error), expected=_told(volume), hint=_DRAW) from None
    data = _nifti(placed, volume.affine)
    path = mask_folder(zones, volume.site, volume.series_uid) / mask_name(
        volume.volume_id, lesion_no, data, keyed
    )
    taken = TakenIn(
        volume.volume_id, volume.subject_id, lesion_no, int(placed.sum()), not path.is_file()
    )
    stale = [one.path for one in others if one.path != path]
    if stale and not replace:
        raise BadInputError(
            f"lesion {lesion_no} of {volume.subject_id} has another mask",
            expected="one reference mask a lesion",
            hint="--replace puts this one in its place; releases made before keep theirs.",
        )
    at_last([volume.subject_id])
    make_folder(path.parent)
    write_bytes(path, data)
    for old in stale:
        old.unlink()
    return taken


def export_segmentation(
    zones: Zones,
    folder: Path,
    volume_id: str,
    lesion_no: int,
    target: Path,
    *,
    at_last: LastLook = lambda _: None,
) -> int:
    """Write the mask of a lesion in a release as DICOM SEG; return how many frames it has.

    It references the de-identified objects of the warehouse: their UIDs are those of the release.
    `at_last` is given the subject right before the file gets its name, and raises to stop.

    Raises
    ------
    BadInputError
        If the release has no such mask, or the file is there already.
    ContractError
        If objects of the series are missing, or their planes are not those of the volume.
    """
    if target.exists():
        raise BadInputError("the file is there already", where=str(target))
    with open_release(folder) as release:
        volume = _volume(release, volume_id, None, None)
        wanted = set(
            release.sql(
                "SELECT DISTINCT sop_uid FROM instance WHERE series_uid = ? AND "
                "sub_stack_digest = ?",
                [volume.series_uid, volume.volume_id],
            )["sop_uid"]
        )
    beside = dict(masks_beside(folder, volume.rel_path))
    if lesion_no not in beside:
        raise BadInputError(
            f"the release has no mask of lesion {lesion_no} on this volume",
            expected=f"one of {', '.join(map(str, sorted(beside))) or 'none'}",
        )
    place = zones.dicom_series(volume.site, SeriesUid(volume.series_uid))
    images = [dcmread(place / f"{uid}.dcm") for uid in sorted(wanted) if _is_there(place, uid)]
    if len(images) < len(wanted) or not images:
        raise ContractError(
            "objects of the series are not in the warehouse", where=f"series {volume.series_uid}"
        )
    mask = np.asarray(nibabel.Nifti1Image.from_filename(beside[lesion_no]).dataobj, np.uint8)
    try:
        made = make_segmentation(mask, volume.affine, images, lesion_no, software_version())
    except OtherGridError as error:
        raise ContractError(
            f"the planes of the objects are not those of the volume: {error}",
            where=f"series {volume.series_uid}",
        ) from None
    data = BytesIO()
    made.save_as(data)
    at_last([volume.subject_id])
    write_bytes(target, data.getvalue())
    return int(made.NumberOfFrames)


def _is_there(place: Path, uid: str) -> bool:
    return (place / f"{uid}.dcm").is_file()


def _read(mask: Path) -> tuple[np.ndarray, Matrix, str | None]:
    """Return labels, affine (LPS, mm), and the series that a SEG names."""
    if is_segmentation(mask):
        return read_segmentation(mask)
    image = nibabel.Nifti1Image.from_bytes(_nifti_bytes(mask))
    if image.affine is None or not np.isfinite(image.affine).all():
        raise NoMaskError("an affine of no numbers")
    return np.asarray(image.dataobj), RAS_TO_LPS @ image.affine, None


def _nifti_bytes(mask: Path) -> bytes:
    """Return as much of a NIfTI as its header announces: a few kilobytes may unpack to any size."""
    with mask.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(mask) if packed else mask.open("rb") as stream:
        head = stream.read(nibabel.Nifti1Header.sizeof_hdr)
        header = nibabel.Nifti1Header(head)  # type: ignore[no-untyped-call]
        shape: tuple[int, ...] = header.get_data_shape()  # type: ignore[no-untyped-call]
        itemsize = int(header.get_data_dtype().itemsize)  # type: ignore[no-untyped-call]
        before = int(header["vox_offset"])
        n_voxels = math.prod(shape)
        if min(shape, default=0) < 1 or n_voxels > _MOST_VOXELS:
            raise NoMaskError(f"{' x '.join(map(str, shape))} voxels")
        if not len(head) <= before <= _MOST_BEFORE:
            raise NoMaskError("a header that does not say where the voxels begin")
        rest = before - len(head) + n_voxels * itemsize
        return head + stream.read(rest)


def _volume(
    release: Release,
    volume_id: str | None,
    of_series: str | None,
    map_uid: Callable[[str], str] | None,
) -> _Volume:
    known = [] if of_series is None else [of_series, *([map_uid(of_series)] if map_uid else [])]
    if volume_id is not None:
        rows = release.sql(_VOLUME.format("volume_id"), [volume_id])
        if known and not rows["series_uid"].isin(known).all():
            raise BadInputError(
                "the mask is refused: a segmentation of another series",
                expected=f"one of the series of volume {volume_id}",
            )
    elif of_series is None:
        raise BadInputError(
            "a NIfTI file does not say on which volume it was drawn",
            hint="Name it with --volume: `volume_id` of the table `nifti_volume`.",
        )
    else:
        found = [release.sql(_VOLUME.format("series_uid"), [uid]) for uid in known]
        rows = pd.concat(found)
    if len(rows) != 1:
        raise BadInputError(
            f"the release has {len(rows)} such volumes",
            expected="one",
            hint="Name it with --volume: `volume_id` of the table `nifti_volume`.",
        )
    row = rows.iloc[0]
    path = release.folder / row["rel_path"]
    if sha256_of_file(path) != row["sha256"]:
        raise ContractError("the volume is not the one that was proven", where=row["rel_path"])
    image = nibabel.Nifti1Image.from_filename(path)
    return _Volume(
        volume_id=str(row["volume_id"]),
        series_uid=str(row["series_uid"]),
        subject_id=str(row["subject_id"]),
        rel_path=str(row["rel_path"]),
        shape=(int(row["dim_x"]), int(row["dim_y"]), int(row["dim_z"])),
        affine=np.asarray(image.affine, dtype=np.float64),
    )


def _require_lesion(release: Release, subject_id: str, lesion_no: int) -> None:
    numbers = release.sql(
        "SELECT lesion_no FROM lesion WHERE subject_id = ? ORDER BY lesion_no", [subject_id]
    )["lesion_no"].tolist()
    if lesion_no not in numbers:
        raise BadInputError(
            f"{subject_id} has no lesion {lesion_no}",
            expected=f"one of {', '.join(map(str, numbers)) or 'none'}",
        )


def _of_lesion(zones: Zones, release: Release, subject_id: str, lesion_no: int) -> list[MaskFile]:
    """Return the masks that the warehouse has of a lesion, on whatever volume."""
    volumes = set(
        release.sql("SELECT volume_id FROM nifti_volume WHERE subject_id = ?", [subject_id])[
            "volume_id"
        ]
    )
    return [
        one for one in list_masks(zones) if one.volume_id in volumes and one.lesion_no == lesion_no
    ]


def _nifti(mask: Voxels, affine: Matrix) -> bytes:
    """Return the bytes of a mask: the same mask gives the same."""
    image: Any = nibabel.Nifti1Image(mask, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), mtime=0)


def _told(volume: _Volume) -> str:
    return f"the voxels of volume {volume.volume_id}, {' x '.join(map(str, volume.shape))}"


def _refused(found: str, expected: str = "", hint: str = "") -> BadInputError:
    return BadInputError(
        f"the mask is refused: {found}",
        expected=expected or "whole numbers on the grid of one volume",
        hint=hint,
    )
