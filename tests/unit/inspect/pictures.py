"""Small series of images with a body in them, and words drawn into them by the simulator's pen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tasks.inspect.records import ImageFile, InspectJob
from tasks.simulate.images.drawn_text import TextStyle, text_pixels

SIDE = 256
AIR, BODY, WHITE = 24, 1064, 2400
#: Every character of it is one that the simulator can draw.
NAME = "WANG XIAOMING"


def body(slice_no: int, seed: int = 0) -> NDArray[np.uint16]:
    """An ellipse of tissue with an organ that moves from slice to slice, and noise."""
    rng = np.random.default_rng((seed, slice_no))
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = ((x - 128) / 110) ** 2 + ((y - 128) / 80) ** 2 < 1
    organ = (x - 90 - 3 * slice_no) ** 2 + (y - 120) ** 2 < 30**2
    image = np.where(inside, BODY, AIR) + 60 * organ + rng.normal(0, 8, (SIDE, SIDE))
    clipped: NDArray[np.uint16] = np.clip(image, 0, 4095).astype(np.uint16)
    return clipped


def written(image: NDArray[np.uint16], style: TextStyle, text: str = NAME) -> NDArray[np.uint16]:
    """The image with a text drawn into it."""
    ink = image.copy()
    ink[text_pixels(text, (image.shape[0], image.shape[1]), style)] = style.level
    return ink


CORNER = TextStyle("corner", 16.0, 0.05, 0.05, level=WHITE)
TURNED = TextStyle("turned", 16.0, 0.08, 0.95, angle_deg=90.0, level=WHITE)
HAN = TextStyle("Han", 22.0, 0.85, 0.1, level=WHITE, han=True)


def write_file(path: Path, image: NDArray[Any], uid: str, **other: Any) -> Path:
    """A CT file of this image."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, uid
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    data.PatientID, data.Modality = "P1", "CT"
    data.Rows, data.Columns = image.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PixelSpacing, data.ImageOrientationPatient = [1.6, 1.6], [1, 0, 0, 0, 1, 0]
    data.PixelData = image.tobytes()
    for keyword, value in other.items():
        setattr(data, keyword, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def job(folder: Path, images: list[NDArray[np.uint16]], **other: Any) -> InspectJob:
    """The images as files of one series."""
    files = tuple(
        ImageFile(f"1.{number}", write_file(folder / f"{number}.dcm", image, f"1.2.3.4.{number}"))
        for number, image in enumerate(images, start=1)
    )
    return InspectJob(files, **{"draw": 5, "every_frame": False, **other})
