"""What delivered files say of every plane, read by pydicom, numpy and nibabel alone.

Nothing here imports the pipeline: a mistake in its reading, its layout rules or its proof
cannot be repeated here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut

Array = NDArray[np.float64]

_CT = "1.2.840.10008.5.1.4.1.1.2"
_B_VALUES = (
    (0x0019, "SIEMENS MR HEADER", 0x0C),
    (0x0043, "GEMS_PARM_01", 0x39),
    (0x2001, "Philips Imaging DD 001", 0x03),
    (0x0065, "Image Private Header", 0x09),
)
#: What is one thing in a volume, whatever else changes from slice to slice.
_OF_VOLUME = (
    *("ConvolutionKernel", "KVP", "EchoTime", "InversionTime", "FlipAngle"),
    *("TemporalPositionIdentifier", "FrameOfReferenceUID", "PatientPosition"),
)


@dataclass(frozen=True)
class Plane:
    """One plane as delivered.

    `values` (rows, columns) are real values, None where the header does not say how stored
    numbers become values. `corner`, `along_row` and `along_column` are in mm, DICOM LPS: the
    first pixel's centre and one step along a row and down a column. `direction` is the
    diffusion direction in LPS, empty without one. `traits` must be the same in one volume.
    """

    uid: str
    values: Array | None = field(repr=False)
    corner: Array
    along_row: Array
    along_column: Array
    b_value: float
    direction: tuple[float, ...]
    traits: tuple[str, ...]


def delivered_planes(folder: Path) -> list[Plane]:
    """Return all planes of all images below a folder that have a place in space."""
    planes: list[Plane] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            try:
                data = pydicom.dcmread(path)
                planes += _planes(data)
            except Exception:
                # What nobody can read is in no volume.
                continue
    return planes


def _planes(data: Dataset) -> Iterator[Plane]:
    if "MOSAIC" in data.ImageType:
        return _mosaic(data)
    if "PerFrameFunctionalGroupsSequence" in data:
        return _enhanced(data)
    grid = _private(data, 0x0065, "Image Private Header", 0x51)
    if grid is not None:
        return _grid(data, grid)
    return iter([_single(data)])


def _single(data: Dataset) -> Plane:
    stored = data.pixel_array
    if stored.ndim != 2:
        raise ValueError("colour, or frames without a place")
    values = _real_values(data, stored)
    return _plane(data, str(data.SOPInstanceUID), values, data.ImagePositionPatient)


def _mosaic(data: Dataset) -> Iterator[Plane]:
    # Warns that it is experimental as soon as it is imported.
    from nibabel.nicom import csareader, dicomwrappers

    csa = csareader.get_csa_header(data, "image")  # type: ignore[no-untyped-call]  # no types
    wrapper = dicomwrappers.MosaicWrapper(data, csa)  # type: ignore[no-untyped-call]  # the same
    stored = np.asarray(wrapper.get_unscaled_data())  # type: ignore[no-untyped-call]  # the same
    n = stored.shape[2]
    affine = np.asarray(wrapper.affine)
    for k in range(n):
        corner = affine[:3, 3] + k * affine[:3, 2]
        values = _real_values(data, stored[:, :, k])
        yield _plane(data, f"{data.SOPInstanceUID}/{k}", values, corner)


def _grid(data: Dataset, items: Sequence[Dataset]) -> Iterator[Plane]:
    n = len(items)
    stated = str(_private(data, 0x0065, "Image Private Header", 0x04) or "").split("*")
    if len(stated) == 2:
        rows, columns = (int(part) for part in stated)
    else:
        across = math.ceil(math.sqrt(n))
        rows, columns = data.Rows // math.ceil(n / across), data.Columns // across
    sheet = data.pixel_array
    for k, item in enumerate(items):
        down, right = divmod(k, data.Columns // columns)
        tile = sheet[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns]
        values = _real_values(data, tile)
        yield _plane(data, f"{data.SOPInstanceUID}/{k}", values, item.ImagePositionPatient)


def _enhanced(data: Dataset) -> Iterator[Plane]:
    stored = data.pixel_array.reshape(-1, data.Rows, data.Columns)
    for k, groups in enumerate(data.PerFrameFunctionalGroupsSequence):
        shared = data.SharedFunctionalGroupsSequence[0]
        flat = Dataset()
        for source in (data, *_contents(shared), *_contents(groups)):
            for element in source:
                if element.VR != "SQ" or "Diffusion" in element.keyword:
                    flat[element.tag] = element
        if "EffectiveEchoTime" in flat:
            flat.EchoTime = flat.EffectiveEchoTime
        yield _plane(
            flat,
            f"{data.SOPInstanceUID}/{k}",
            _real_values(flat, stored[k]),
            flat.ImagePositionPatient,
        )


def _contents(groups: Dataset) -> Iterator[Dataset]:
    for element in groups:
        if element.VR == "SQ" and len(element.value) and not element.tag.is_private:
            yield element.value[0]


def _plane(data: Dataset, uid: str, values: Array | None, corner: Any) -> Plane:
    axes = np.asarray([_number(v) for v in data.ImageOrientationPatient]).reshape(2, 3)
    between_rows, between_columns = (_number(v) for v in data.PixelSpacing)
    b_value = _b_value(data)
    traits = [str(data.get(keyword, "")) for keyword in _OF_VOLUME]
    direction = _direction(data, axes) if b_value else ()
    return Plane(
        uid,
        values,
        np.asarray([_number(v) for v in corner]),
        axes[0] * between_columns,
        axes[1] * between_rows,
        b_value,
        direction,
        (*traits, f"{b_value:.4f}", *(f"{v:.3f}" for v in direction)),
    )


def _number(value: Any) -> float:
    return float(str(value).replace(",", ".").strip())


def _real_values(data: Dataset, stored: NDArray[Any]) -> Array | None:
    """Return real values by PS3.3 C.11.1; None where the object does not say how."""
    unused = 8 * stored.dtype.itemsize - int(data.BitsStored)
    if stored.dtype.kind in "iu" and unused:
        stored = (stored << unused) >> unused
    if data.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(stored, data), dtype=np.float64)
    slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
    if slope in (None, "") or intercept in (None, ""):
        mapping = data.get("RealWorldValueMappingSequence")
        if mapping and slope in (None, ""):
            slope, intercept = mapping[0].RealWorldValueSlope, mapping[0].RealWorldValueIntercept
        elif str(data.get("SOPClassUID", "")) == _CT:
            return None
        slope = 1.0 if slope in (None, "") else slope
        intercept = 0.0 if intercept in (None, "") else intercept
    if _number(slope) == 0:
        return None
    return np.asarray(stored, dtype=np.float64) * _number(slope) + _number(intercept)


def _private(data: Dataset, group: int, creator: str, element: int) -> Any:
    try:
        return data.private_block(group, creator)[element].value
    except KeyError:
        return None


def _b_value(data: Dataset) -> float:
    if data.get("DiffusionBValue") not in (None, ""):
        return _number(data.DiffusionBValue)
    for group, creator, element in _B_VALUES:
        found = _private(data, group, creator, element)
        if found is not None:
            first = found if isinstance(found, str | int | float) else found[0]
            return _number(first) % 1e9
    return 0.0


def _direction(data: Dataset, axes: Array) -> tuple[float, ...]:
    """Return the direction in LPS: public, Siemens, Philips; UIH and GE by the image's axes."""
    directions = data.get("DiffusionGradientDirectionSequence")
    public = directions[0] if directions else data
    found = public.get("DiffusionGradientOrientation")
    found = found or _private(data, 0x0019, "SIEMENS MR HEADER", 0x0E)
    philips = [_private(data, 0x2005, "Philips MR Imaging DD 001", e) for e in (0xB0, 0xB1, 0xB2)]
    if not found and None not in philips:
        found = philips
    image = np.vstack([axes, np.cross(axes[0], axes[1])])
    if not found:
        uih = _private(data, 0x0065, "Image Private Header", 0x37)
        found = None if uih is None else list(np.asarray(uih) @ image)
    if not found:
        ge = [_private(data, 0x0019, "GEMS_ACQU_01", e) for e in (0xBB, 0xBC, 0xBD)]
        if None not in ge and data.get("InPlanePhaseEncodingDirection") == "COL":
            parts = np.asarray([_number(v) for v in ge]) * (1, 1, -1)
            found = list(parts @ image)
    direction = tuple(_number(v) for v in found or ())
    return direction if len(direction) == 3 and any(direction) else ()
