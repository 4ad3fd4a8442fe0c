"""Read lesion masks: NIfTI, or DICOM SEG through highdicom."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from tasks.evaluate.masks import Mask

#: NIfTI counts to the right and to the front, DICOM to the left and to the back.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NIFTI = (".nii", ".nii.gz")


def read_mask(path: Path, label: int) -> Mask:
    """Return the voxels of one lesion.

    Parameters
    ----------
    path : Path
        A NIfTI file, or a DICOM SEG.
    label : int
        Value of its voxels, or its segment number; a file with one label only is that lesion
        whatever its value.

    Raises
    ------
    ValueError
        If the file cannot be read as a mask, or has no such lesion; never quotes its name.
    """
    read = _read_nifti if path.name.endswith(_NIFTI) else _read_seg
    try:
        affine, labels = read(path)
    except Exception as error:  # any reader may stumble over what a stranger's file holds
        raise ValueError(f"a mask that cannot be read ({type(error).__name__})") from None
    present = np.unique(labels[labels != 0])
    chosen = labels == label
    if len(present) == 1:
        chosen = labels == present[0]
    voxels = np.argwhere(chosen)
    if not len(voxels):
        raise ValueError("a mask without a voxel of the lesion")
    return Mask(affine, voxels.astype(np.int64))


def _read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nibabel.Nifti1Image.from_filename(path)
    values = np.asarray(image.dataobj)
    if not np.isfinite(values).all() or not np.isfinite(image.affine).all():
        raise ValueError("values that are no numbers")
    return _RAS_TO_LPS @ image.affine, values.round().astype(np.int64)


def _read_seg(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import highdicom

    segmentation = highdicom.seg.segread(path)
    volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=False)
    return np.asarray(volume.affine), np.asarray(volume.array).astype(np.int64)
