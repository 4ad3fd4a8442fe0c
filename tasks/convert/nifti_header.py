"""The NIfTI-1 header of an uncompressed image, as far as the proof needs it.

nibabel reads the same; loading it takes longer than most conversions. Tests hold both
against each other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

HEADER_BYTES = 348
_MAGIC = b"n+1\0"
_DTYPES = {2: "<u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "<i1", 512: "<u2", 768: "<u4"}
#: Offset and length of free text: db_name, descrip, aux_file, intent_name.
_TEXTS = ((14, 18), (148, 80), (228, 24), (328, 16))
_DIM, _DATATYPE, _PIXDIM, _VOX_OFFSET, _QFORM_CODE, _SFORM_CODE = 40, 70, 76, 108, 252, 254
_QUATERNION, _SFORM = 256, 280
_AXES = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True)
class NiftiHeader:
    """What a header says; `affine_ras` (4, 4) is the s-form, or the q-form without one.

    Source: NIfTI-1 data format, nifti1.h (NIMH, 2005).
    """

    raw: bytes
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int
    slope: float
    intercept: float
    affine_ras: FloatArray
    qform_ras: FloatArray


def parse_nifti_header(raw: bytes) -> NiftiHeader:
    """Read the first bytes of a little-endian NIfTI-1 file.

    Raises
    ------
    ValueError
        If they are no such header.
    """
    if len(raw) < HEADER_BYTES or struct.unpack_from("<i", raw)[0] != HEADER_BYTES:
        raise ValueError("no NIfTI-1 header")
    n_dim, *dim = struct.unpack_from("<8h", raw, _DIM)
    (datatype,) = struct.unpack_from("<h", raw, _DATATYPE)
    offset, slope, intercept = struct.unpack_from("<3f", raw, _VOX_OFFSET)
    qform_code, sform_code = struct.unpack_from("<2h", raw, _QFORM_CODE)
    shape = tuple(dim[:n_dim]) if 1 <= n_dim <= 7 else ()
    if raw[344:348] != _MAGIC or datatype not in _DTYPES or not shape or offset < HEADER_BYTES:
        raise ValueError("no NIfTI-1 header of one image in one file")
    if not (sform_code > 0 or qform_code > 0):
        raise ValueError("a NIfTI-1 header without an affine")
    qform = _qform(raw)
    sform = np.vstack([np.reshape(struct.unpack_from("<12f", raw, _SFORM), (3, 4)), [0, 0, 0, 1]])
    unscaled = slope == 0 or not np.isfinite(slope)
    return NiftiHeader(
        raw=raw[:HEADER_BYTES],
        shape=shape,
        dtype=np.dtype(_DTYPES[datatype]),
        offset=int(offset),
        slope=1.0 if unscaled else float(slope),
        intercept=0.0 if unscaled else float(intercept),
        affine_ras=sform if sform_code > 0 else qform,
        qform_ras=qform,
    )


def _qform(raw: bytes) -> FloatArray:
    """Return the q-form as a matrix (nifti1.h, method 2)."""
    factor, dx, dy, dz = struct.unpack_from("<4f", raw, _PIXDIM)
    b, c, d, *origin = struct.unpack_from("<6f", raw, _QUATERNION)
    a = float(np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d))))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * [dx, dy, -dz if factor < 0 else dz]
    matrix[:3, 3] = origin
    return matrix


def mended_header(header: NiftiHeader, affine_ras: FloatArray) -> bytes:
    """Return the header without free text and with the proven affine.

    The q-form is stated anew only where it says something else than the proven affine.
    """
    raw = bytearray(header.raw)
    for offset, length in _TEXTS:
        raw[offset : offset + length] = bytes(length)
    (sform_code,) = struct.unpack_from("<h", raw, _SFORM_CODE)
    if sform_code <= 0 or not np.allclose(header.affine_ras, affine_ras, atol=1e-6):
        struct.pack_into("<h", raw, _SFORM_CODE, 1)
        struct.pack_into("<12f", raw, _SFORM, *affine_ras[:3].ravel().tolist())
    if not np.allclose(header.qform_ras, affine_ras, atol=1e-3):
        return _with_qform(bytes(raw), affine_ras)
    return bytes(raw)


def _with_qform(raw: bytes, affine_ras: FloatArray) -> bytes:
    # Rare enough to pay for the library: a matrix to a quaternion, shears taken out.
    import nibabel

    header = nibabel.Nifti1Header(raw)  # type: ignore[no-untyped-call]  # nibabel has no types here
    header.set_qform(affine_ras, code=1)  # type: ignore[no-untyped-call]  # the same
    return bytes(header.binaryblock[:HEADER_BYTES])


def orientation_code(affine_ras: FloatArray) -> str:
    """Return for each voxel axis where it leads: L or R, P or A, I or S.

    Parameters
    ----------
    affine_ras : float array, shape (4, 4)
        Voxel index to mm, NIfTI RAS. The axis that lies closest to one of space goes first,
        so that no two voxel axes get the same letter.
    """
    sizes = np.linalg.norm(affine_ras[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine_ras[:3, :3] / np.where(sizes == 0, 1, sizes))
    turn = left @ right
    letters = [""] * 3
    for axis in np.argsort(-np.abs(turn).max(axis=0), kind="stable").tolist():
        place = int(np.abs(turn[:, axis]).argmax())
        letters[axis] = _AXES[place][int(turn[place, axis] > 0)]
        turn[place, :] = 0
    return "".join(letters)
