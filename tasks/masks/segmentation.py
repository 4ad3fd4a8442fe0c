"""DICOM SEG and what it is of: planes of the released images, voxel for voxel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import highdicom
import numpy as np
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.sr.codedict import codes
from pydicom.uid import DeflatedExplicitVRLittleEndian, SegmentationStorage

from tasks.masks.grid import (
    RAS_TO_LPS,
    Matrix,
    NoMaskError,
    OtherGridError,
    Voxels,
    frame_of,
)

_MAKER = "livercohort"


def read_segmentation(path: Path) -> tuple[Voxels, Matrix, str]:
    """Return the label image of a SEG, its affine (LPS, mm) and the series it is of.

    Only pixels, geometry and the UID of the referenced series are read; what else a site's
    station wrote is left where it is.

    Raises
    ------
    NoMaskError
        If it is deflated, or its segments are fractions or of several series.
    Exception
        Of any reader, if the file is no SEG or its segments overlap; it may quote the file.
    """
    if _of_head(path, "TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise NoMaskError("a deflated file, which may unpack to any size")
    segmentation = highdicom.seg.segread(path)
    if segmentation.segmentation_type.value != "BINARY":
        raise NoMaskError("fractions; a mask says yes or no")
    referenced = [str(item.SeriesInstanceUID) for item in segmentation.ReferencedSeriesSequence]
    if len(referenced) != 1:
        raise NoMaskError(f"segments of {len(referenced)} series; expected one")
    volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=False)
    return np.asarray(volume.array), np.asarray(volume.affine, dtype=np.float64), referenced[0]


def is_segmentation(path: Path) -> bool:
    """Return whether a file is a DICOM SEG by its header."""
    return _of_head(path, "MediaStorageSOPClassUID") == SegmentationStorage


def _of_head(path: Path, keyword: str) -> str:
    """Return what the head of a DICOM file says (PS3.10 7.1), which is never deflated."""
    try:
        return str(read_file_meta_info(path)[keyword].value)
    except Exception:  # any file may be asked about
        return ""


def one_plane_each(images: Sequence[Dataset]) -> list[Dataset]:
    """Return one image of each position: of repeats (b-values, phases) the first by number."""
    chosen: dict[tuple[float, ...], Dataset] = {}
    for image in sorted(images, key=lambda i: (int(i.InstanceNumber or 0), i.SOPInstanceUID)):
        chosen.setdefault(tuple(map(float, image.ImagePositionPatient)), image)
    return list(chosen.values())


def make_segmentation(
    mask: Voxels, affine_ras: Matrix, images: Sequence[Dataset], lesion_no: int, version: str
) -> Dataset:
    """Return a SEG of one lesion that references the released images.

    Parameters
    ----------
    mask : Voxels
        On the grid of the volume.
    affine_ras : Matrix
        Voxel index to RAS, mm, of the volume.
    images : sequence of Dataset
        The released objects of the series: classic ones, or one enhanced object.
    lesion_no : int
        Number of the lesion.
    version : str
        Of the software.

    Raises
    ------
    OtherGridError
        If the planes of the images are not those of the volume.
    """
    affine = RAS_TO_LPS @ affine_ras
    several = not hasattr(images[0], "NumberOfFrames")
    sources = one_plane_each(images) if several else list(images)
    planes = _planes(sources) if several else _frame_planes(images[0])
    step = _step(affine, planes[0])
    rows, columns = int(sources[0].Rows), int(sources[0].Columns)
    pixels = np.stack(
        [frame_of(mask, affine, _with_step(plane, step), rows, columns) for plane in planes]
    )
    if int(pixels.sum()) < int(mask.sum()):
        raise OtherGridError("a lesion on planes of which no image was released")
    seed = hashlib.sha256(pixels.tobytes() + str(sources[0].SeriesInstanceUID).encode())
    described = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=f"Lesion {lesion_no}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[described],
        series_instance_uid=_uid(seed.digest(), b"series"),
        series_number=900,
        sop_instance_uid=_uid(seed.digest(), b"object"),
        instance_number=lesion_no,
        manufacturer=_MAKER,
        manufacturer_model_name=_MAKER,
        software_versions=version,
        device_serial_number="0",
        content_label=f"LESION_{lesion_no}",
        omit_empty_frames=True,
    )


def _uid(seed: bytes, what: bytes) -> str:
    """Return a UID of what is in the object: the same mask has the same (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(hashlib.sha256(seed + what).digest()[:16], 'big')}"


def _planes(images: Sequence[Dataset]) -> list[Matrix]:
    return [
        _plane(i.ImagePositionPatient, i.ImageOrientationPatient, i.PixelSpacing) for i in images
    ]


def _frame_planes(image: Dataset) -> list[Matrix]:
    shared = image.SharedFunctionalGroupsSequence[0]
    planes = []
    for frame in image.PerFrameFunctionalGroupsSequence:
        position = _group(frame, shared, "PlanePositionSequence").ImagePositionPatient
        turn = _group(frame, shared, "PlaneOrientationSequence").ImageOrientationPatient
        spacing = _group(frame, shared, "PixelMeasuresSequence").PixelSpacing
        planes.append(_plane(position, turn, spacing))
    return planes


def _group(frame: Dataset, shared: Dataset, keyword: str) -> Dataset:
    held: Dataset = (frame if keyword in frame else shared)[keyword].value[0]
    return held


def _plane(position: Sequence[float], turn: Sequence[float], spacing: Sequence[float]) -> Matrix:
    """Return (column, row, 0) to LPS, mm (PS3.3 C.7.6.2.1.1); the third axis is of length 1."""
    along_row, along_column = np.array(turn[:3], float), np.array(turn[3:], float)
    plane = np.eye(4)
    plane[:3, 0], plane[:3, 1] = along_row * float(spacing[1]), along_column * float(spacing[0])
    plane[:3, 2] = np.cross(along_row, along_column)
    plane[:3, 3] = np.array(position, float)
    return plane


def _step(affine: Matrix, plane: Matrix) -> float:
    """Return the length of the volume's axis across the images, mm."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    across = np.abs((affine[:3, :3] / lengths).T @ plane[:3, 2])
    return float(lengths[int(across.argmax())])


def _with_step(plane: Matrix, step: float) -> Matrix:
    longer = plane.copy()
    longer[:3, 2] *= step
    return longer
