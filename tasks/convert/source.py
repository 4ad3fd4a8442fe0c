"""Facts of the pixel data of one source file, from its header; nothing is decoded here."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.elements import PIXEL_DATA
from schemas.dicom.functional_groups import MAX_FRAMES
from schemas.dicom.header_scan import ScannedHeader
from schemas.dicom.sub_stacks import slice_normal
from tasks.convert.codes import Code
from tasks.convert.encoded import DEFLATED, EXPLICIT_BIG_ENDIAN, NATIVE, PROVABLE, ends_too_early
from tasks.convert.header_scan import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    FRAMES,
    HIGH_BIT,
    IMAGE_TYPE,
    ROWS,
    SAMPLES,
    SIGNED,
    SOP_UID,
    philips_slope,
    require_usual,
)
from tasks.convert.mosaic import (
    SIEMENS_CSA_BLOCK,
    SIEMENS_CSA_GROUP,
    SIEMENS_CSA_IMAGE,
    Mosaic,
    mosaic_layout,
    scanned_mosaic,
)
from tasks.convert.rescale import frame_scales, read_rescale, scanned_rescale
from tasks.convert.vendor_gradients import frame_gradients, gradient_of, scanned_gradient

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FloatArray = NDArray[np.float64]

_PHILIPS_GROUP, _PHILIPS_BLOCK = 0x2005, "Philips MR Imaging DD 001"
_PHILIPS_SLOPE_OFFSET = 0x0E
_UID = re.compile(r"[0-9.]{1,64}")


class _NoLayoutError(Exception):
    """A mosaic does not say how its tiles lie."""


@dataclass(frozen=True, kw_only=True)
class PixelFacts:
    """Where and how the pixels of one instance are stored; `problem` when they cannot be used.

    `scales` are slope and intercept of each frame where frames have their own. A frame's
    facts come from `of_frame`; `tile` is then its place in a grid and `index` its place
    among the frames. `philips_slope` is the vendor's scale slope (2005,100E): stored value
    divided by it is what Philips calls the floating-point value. `gradient_lps` is the diffusion
    direction, DICOM LPS, empty where there is none; `gradients_lps` that of each frame where
    frames have their own. `rescale_stated` and `rescale_counts` are as in `Rescale`.
    """

    sop_uid: str
    problem: Code | None = None
    encoded: bool = False
    offset: int = 0
    dtype: str = "<u2"
    bits_stored: int = 16
    rows: int = 0
    columns: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    rescale_stated: bool = True
    rescale_counts: bool = True
    mosaic: Mosaic | None = None
    deflated: bool = False
    philips_slope: float | None = None
    gradient_lps: tuple[float, ...] = ()
    scales: tuple[tuple[float, float], ...] = ()
    gradients_lps: tuple[tuple[float, ...], ...] = ()
    index: int = 0
    tile: int | None = None

    def of_frame(self, number: int, grid_across: int | None) -> PixelFacts:
        """Return the facts of one frame (from 1), or of one tile of a grid."""
        if grid_across is not None:
            return replace(self, tile=number - 1)
        size = self.rows * self.columns * np.dtype(self.dtype).itemsize
        slope, intercept = (self.slope, self.intercept)
        if number <= len(self.scales):
            slope, intercept = self.scales[number - 1]
        return replace(
            self,
            offset=self.offset + (number - 1) * size,
            index=number - 1,
            slope=slope,
            intercept=intercept,
            scales=(),
            gradient_lps=self.gradients_lps[number - 1] if self.gradients_lps else (),
            gradients_lps=(),
        )

    @property
    def pixel_format(self) -> tuple[object, ...]:
        """What must be the same in all slices of one stack."""
        return (self.dtype, self.bits_stored, self.rows, self.columns, self.mosaic)


def pixel_facts(header: Dataset, *, size_bytes: int) -> PixelFacts:
    """Return the facts of one file; what keeps it from being proven is its `problem`.

    Parameters
    ----------
    header : Dataset
        Read with a small `defer_size`, so that native pixel data was skipped, not loaded.
    size_bytes : int
        Size of the file, to see whether it ends before its pixels do.
    """
    sop_uid = str(header.get("SOPInstanceUID", ""))
    try:
        return _facts(header, sop_uid, size_bytes)
    except _NoLayoutError:
        return PixelFacts(sop_uid=sop_uid, problem=Code.MOSAIC_WITHOUT_LAYOUT)
    except Exception:
        # Hostile headers raise anything from KeyError to OverflowError on access; whatever
        # it is, the pixels of this instance cannot be interpreted.
        return PixelFacts(sop_uid=sop_uid, problem=Code.UNREADABLE)


def _facts(header: Dataset, sop_uid: str, size_bytes: int) -> PixelFacts:
    syntax = header.file_meta.TransferSyntaxUID
    if PIXEL_DATA not in header:
        # pydicom leaves out an element whose end is missing; who compressed pixels had some.
        lost = Code.TRUNCATED if syntax.is_encapsulated else Code.NO_PIXEL_DATA
        return PixelFacts(sop_uid=sop_uid, problem=lost)
    if syntax not in PROVABLE:
        return PixelFacts(sop_uid=sop_uid, problem=Code.UNSUPPORTED_TRANSFER_SYNTAX)
    bits, stored = int(header.BitsAllocated), int(header.BitsStored)
    laid_out_as_usual = (
        bits in (8, 16, 32)
        and 0 < stored <= bits
        and int(header.HighBit) == stored - 1
        and int(header.get("SamplesPerPixel", 1)) == 1
    )
    if not laid_out_as_usual:
        return PixelFacts(sop_uid=sop_uid, problem=Code.UNSUPPORTED_PIXEL_FORMAT)
    n_frames = int(header.get("NumberOfFrames", 1) or 1)
    if not 0 < n_frames <= MAX_FRAMES:
        return PixelFacts(sop_uid=sop_uid, problem=Code.UNSUPPORTED_PIXEL_FORMAT)
    native = syntax in NATIVE
    offset, problem = _extent(header, size_bytes, n_frames)
    scales = frame_scales(header, n_frames)
    rescale = read_rescale(header, scales)
    order = ">" if syntax == EXPLICIT_BIG_ENDIAN else "<"
    return PixelFacts(
        sop_uid=sop_uid,
        problem=problem,
        encoded=not native,
        offset=offset,
        dtype=f"{order}{'i' if int(header.PixelRepresentation) else 'u'}{bits // 8}",
        bits_stored=stored,
        rows=int(header.Rows),
        columns=int(header.Columns),
        slope=rescale.slope,
        intercept=rescale.intercept,
        rescale_stated=rescale.is_stated,
        rescale_counts=rescale.counts,
        mosaic=_mosaic(header),
        deflated=syntax == DEFLATED,
        philips_slope=_philips_slope(header),
        gradient_lps=gradient_of(header),
        scales=scales,
        gradients_lps=frame_gradients(header, n_frames),
    )


def facts_of_scan(header: ScannedHeader, size_bytes: int) -> PixelFacts | None:
    """Return the same facts from header bytes alone.

    None, or a ValueError, where the full parser must read them.
    """
    sop_uid = sop_uid_of_scan(header)
    require_usual(header)
    numbers = [header.number(tag) for tag in (ROWS, COLUMNS, BITS_ALLOCATED, BITS_STORED)]
    signed, high_bit, samples = (header.number(tag) for tag in (SIGNED, HIGH_BIT, SAMPLES))
    image_type = header.text(IMAGE_TYPE) or ""
    rows, columns, bits, stored = (number or 0 for number in numbers)
    kinds = [kind.strip() for kind in image_type.upper().split("\\")]
    # Whatever is not the usual single-frame slice is left to the full parser.
    usual = (
        rows > 0
        and columns > 0
        and bits in (8, 16, 32)
        and 0 < stored <= bits
        and high_bit == stored - 1
        and signed in (0, 1)
        and samples in (None, 1)
        and header.text(FRAMES) in (None, "1")
        and ("MOSAIC" in kinds or "MOSAIC" not in image_type.upper())
    )
    if not usual or sop_uid is None:
        return None
    rescale = scanned_rescale(header)
    return PixelFacts(
        sop_uid=sop_uid,
        problem=problem_of_scan(header, rows * columns * bits // 8, size_bytes),
        offset=header.pixel_offset,
        dtype=f"<{'i' if signed else 'u'}{bits // 8}",
        bits_stored=stored,
        rows=rows,
        columns=columns,
        slope=rescale.slope,
        intercept=rescale.intercept,
        rescale_stated=rescale.is_stated,
        rescale_counts=rescale.counts,
        philips_slope=philips_slope(header),
        mosaic=scanned_mosaic(header) if "MOSAIC" in kinds else None,
        gradient_lps=scanned_gradient(header),
    )


def sop_uid_of_scan(header: ScannedHeader) -> str | None:
    """Return the SOPInstanceUID, None where only the full parser can say it."""
    sop_uid = header.text(SOP_UID)
    return sop_uid if sop_uid is not None and _UID.fullmatch(sop_uid) else None


def problem_of_scan(header: ScannedHeader, expected: int, size_bytes: int) -> Code | None:
    """Return TRUNCATED where a file of this size does not hold so many bytes of pixels."""
    short = header.pixel_length < expected or header.pixel_offset + expected > size_bytes
    return Code.TRUNCATED if short else None


def _extent(header: Dataset, size_bytes: int, n_frames: int) -> tuple[int, Code | None]:
    """Return where the pixels begin (native ones only) and whether they are all there."""
    from pydicom.dataelem import RawDataElement

    element: object = header.get_item(PIXEL_DATA, keep_deferred=True)
    if not isinstance(element, RawDataElement):
        raise TypeError("pixel data was interpreted before its place was known")
    syntax = header.file_meta.TransferSyntaxUID
    expected = int(header.Rows) * int(header.Columns) * int(header.BitsAllocated) // 8 * n_frames
    length, offset = int(element.length), int(element.value_tell)
    if syntax.is_encapsulated:
        short = not element.value or ends_too_early(element.value, syntax, n_frames)
    elif syntax == DEFLATED:
        # Its place is in the inflated stream, not in the file.
        short = len(element.value or b"") < expected
    else:
        short = length < expected or offset + expected > size_bytes
    return offset, Code.TRUNCATED if short or expected <= 0 else None


def _philips_slope(header: Dataset) -> float | None:
    try:
        block = header.private_block(_PHILIPS_GROUP, _PHILIPS_BLOCK)
        return float(block[_PHILIPS_SLOPE_OFFSET].value)
    except (KeyError, TypeError, ValueError):
        return None


def _mosaic(header: Dataset) -> Mosaic | None:
    if "MOSAIC" not in [str(value).upper() for value in header.get("ImageType", None) or ()]:
        return None
    try:
        block = header.private_block(SIEMENS_CSA_GROUP, SIEMENS_CSA_BLOCK.decode())
        csa = bytes(block[SIEMENS_CSA_IMAGE].value)
        return mosaic_layout(csa, float(header.SpacingBetweenSlices))
    except Exception as error:
        raise _NoLayoutError from error


def stored_values(raw: NDArray[np.generic], bits_stored: int) -> NDArray[np.generic]:
    """Return stored values with the unused high bits cleared or sign-extended.

    Parameters
    ----------
    raw : integer array, shape (rows, columns)
        As in the file, after decoding.
    bits_stored : int
        BitsStored (0028,0101).

    Returns
    -------
    integer array, shape (rows, columns)
        The same array when all bits are used.

    Notes
    -----
    DICOM PS3.5 8.1.1: bits above HighBit are not part of the value.
    """
    unused = raw.dtype.itemsize * 8 - bits_stored
    if unused == 0 or _fits(raw, bits_stored):
        return raw
    native = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    return np.asarray((native << unused) >> unused)


def _fits(raw: NDArray[np.generic], bits_stored: int) -> bool:
    """Return whether no value would change: nearly all files leave the unused bits as they are."""
    if raw.size == 0:
        return True
    if raw.dtype.kind == "u":
        return int(raw.max()) < 1 << bits_stored
    half = 1 << (bits_stored - 1)
    return -half <= int(raw.min()) and int(raw.max()) < half


def tile_origin_lps(
    position_lps: FloatArray,
    orientation_lps: FloatArray,
    pixel_spacing_mm: FloatArray,
    mosaic_shape: tuple[int, int],
    tile_shape: tuple[int, int],
) -> FloatArray:
    """Return the centre of the first pixel of a mosaic's first slice, in mm, DICOM LPS.

    The mosaic's ImagePositionPatient is that of a sheet as large as all tiles, centred on
    the slice.

    Parameters
    ----------
    position_lps, orientation_lps : float array, shape (3,) and (6,)
        ImagePositionPatient and ImageOrientationPatient of the mosaic.
    pixel_spacing_mm : float array, shape (2,)
        Between rows, between columns.
    mosaic_shape, tile_shape : (rows, columns)
    """
    margin = (np.asarray(mosaic_shape) - np.asarray(tile_shape)) / 2.0
    along_row, along_column = orientation_lps[:3], orientation_lps[3:]
    shift = along_row * margin[1] * pixel_spacing_mm[1]
    shift = shift + along_column * margin[0] * pixel_spacing_mm[0]
    return np.asarray(position_lps + shift)


def unit_axes_lps(orientation_lps: tuple[float, ...]) -> FloatArray:
    """Return the unit vectors along a row, along a column and along the normal, shape (3, 3)."""
    normal = slice_normal(orientation_lps)
    if normal is None:
        raise ValueError("no valid orientation")
    return np.vstack([np.reshape(orientation_lps, (2, 3)), normal])
