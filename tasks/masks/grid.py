"""Put a mask on the grid of a volume voxel for voxel, or refuse: nothing is resampled. Pure.

A mask and a volume may store the same voxels in another order: slices from the other end, rows
mirrored, axes exchanged. That is a change of indices, exact and undone without loss. Any other
difference (spacing, angle, shift, size) would need interpolation and is refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Voxels = NDArray[np.uint8]
#: NIfTI counts to the right and to the front, DICOM to the left and to the back.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: How far a voxel's middle may lie off that of the volume, in voxels: rounding of headers.
_OFF = 0.002


class NoMaskError(ValueError):
    """A file holds no mask of one lesion; the message is ours and quotes nothing of the file."""


class OtherGridError(ValueError):
    """The voxels of a mask are not those of the volume; the message says in which way."""


def index_map(source: Matrix, target: Matrix, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return how indices of one grid become indices of another, as a 4 x 4 matrix of whole numbers.

    Parameters
    ----------
    source, target : Matrix
        Affines, voxel index to mm, in one frame, shape (4, 4).
    shape : tuple of int
        Size of the source, voxels: the corners of its box have to meet the target's voxels.

    Raises
    ------
    OtherGridError
        If the voxels do not coincide.
    """
    try:
        exact = np.linalg.inv(target) @ source
    except np.linalg.LinAlgError:
        raise OtherGridError("an affine that leads nowhere") from None
    whole = np.rint(exact)
    turn = np.abs(whole[:3, :3])
    if not (
        np.array_equal(turn.sum(axis=0), [1] * 3) and np.array_equal(turn.sum(axis=1), [1] * 3)
    ):
        raise OtherGridError("voxels of another size, or turned")
    corners = np.array(
        [
            [i, j, k, 1]
            for i in (0, shape[0] - 1)
            for j in (0, shape[1] - 1)
            for k in (0, shape[2] - 1)
        ],
        dtype=np.float64,
    )
    if not np.isfinite(exact).all() or float(np.abs(corners @ (exact - whole).T).max()) > _OFF:
        raise OtherGridError(
            "voxels of another size, turned a little, or between those of the volume"
        )
    return whole.astype(np.int64)


def on_grid(mask: Voxels, affine: Matrix, target: Matrix, shape: tuple[int, int, int]) -> Voxels:
    """Return a mask on the grid of a volume.

    Parameters
    ----------
    mask : Voxels
        1 where the lesion is, else 0, shape (i, j, k).
    affine, target : Matrix
        Voxel index to mm of the mask and of the volume, in one frame.
    shape : tuple of int
        Size of the volume. The mask may cover a part of it.

    Raises
    ------
    OtherGridError
        If the voxels do not coincide, or the lesion leaves the volume.
    """
    lead = index_map(affine, target, mask.shape)
    voxels = np.argwhere(mask)
    moved = voxels @ lead[:3, :3].T + lead[:3, 3]
    if len(moved) and ((moved < 0).any() or (moved >= np.array(shape)).any()):
        raise OtherGridError("voxels outside the volume")
    placed = np.zeros(shape, dtype=np.uint8)
    placed[tuple(moved.T)] = 1
    return placed


def require_whole_grid(
    mask_shape: tuple[int, ...], affine: Matrix, target: Matrix, shape: tuple[int, int, int]
) -> None:
    """Refuse a mask whose box of voxels is not the volume's: it was drawn on another volume.

    Parameters
    ----------
    mask_shape, shape : tuple of int
        Sizes of the mask and of the volume.
    affine, target : Matrix
        Voxel index to mm of the mask and of the volume, in one frame.

    Raises
    ------
    OtherGridError
        If size or place differ, be it by whole voxels.
    """
    if sorted(mask_shape) != sorted(shape):
        raise OtherGridError(f"{' x '.join(map(str, mask_shape))} voxels")
    lead = index_map(affine, target, mask_shape)
    ends = np.array([(0, 0, 0, 1), (*(n - 1 for n in mask_shape), 1)]) @ lead[:3].T
    if not np.array_equal(np.sort(ends, axis=0), [[0] * 3, [n - 1 for n in shape]]):
        raise OtherGridError("as many voxels, in another place")


def frame_of(mask: Voxels, target: Matrix, image: Matrix, rows: int, columns: int) -> Voxels:
    """Return one image plane of a mask.

    Parameters
    ----------
    mask : Voxels
        On the grid of the volume.
    target : Matrix
        Voxel index to LPS, mm, of the volume.
    image : Matrix
        (column, row, 0) of the image to LPS, mm; its third axis as long as the volume's.
    rows, columns : int
        Size of the image.

    Returns
    -------
    Voxels
        Shape (rows, columns).
    """
    lead = index_map(image, target, (columns, rows, 1))
    row, column = np.mgrid[0:rows, 0:columns]
    indices = np.stack([column, row, np.zeros_like(row)], axis=-1) @ lead[:3, :3].T + lead[:3, 3]
    if (indices < 0).any() or (indices >= np.array(mask.shape)).any():
        raise OtherGridError("an image outside the volume")
    return np.asarray(mask[indices[..., 0], indices[..., 1], indices[..., 2]], dtype=np.uint8)


def one_lesion(labels: NDArray[np.generic], label: int | None) -> Voxels:
    """Return the voxels of one lesion of a label image.

    Parameters
    ----------
    labels : ndarray
        Values of the file, shape (i, j, k).
    label : int or None
        Value of the lesion; needed where the file has several.

    Raises
    ------
    NoMaskError
        If values are no whole numbers, the label is not there, or several are and none is chosen.
    """
    values = np.asarray(labels)
    if values.ndim != 3:
        raise NoMaskError(f"a mask of {values.ndim} dimensions; a mask has 3")
    if not np.isfinite(values).all() or not np.array_equal(values, np.rint(values)):
        raise NoMaskError("values that are no whole numbers: probabilities are no mask")
    present = [int(v) for v in np.unique(values) if v != 0]
    if label is None and len(present) > 1:
        raise NoMaskError(f"{len(present)} labels; say which one with --label")
    chosen = label if label is not None else (present or [0])[0]
    if chosen == 0 or chosen not in present:
        raise NoMaskError("no voxel of the lesion")
    return np.asarray(values == chosen, dtype=np.uint8)
