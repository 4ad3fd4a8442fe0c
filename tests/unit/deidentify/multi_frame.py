"""Enhanced multi-frame objects with names, dates and texts planted in their functional groups."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from tests.builders import COLUMNS, ROWS, SPACING_MM, make_instance

NAME, FRAME_DATE = "Zhang^Weiming", "20250307101500.25"
_MOVED_TO_GROUPS = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "InstanceNumber",
    "AcquisitionDate",
)


def item(**elements: object) -> Dataset:
    data = Dataset()
    for keyword, value in elements.items():
        setattr(data, keyword, Sequence([value]) if isinstance(value, Dataset) else value)
    return data


def make_enhanced(*, modality: str = "MR", n_slices: int = 3, b_values: int = 1) -> Dataset:
    """An enhanced object of `n_slices` times `b_values` frames."""
    uid = EnhancedMRImageStorage if modality == "MR" else EnhancedCTImageStorage
    data = make_instance(modality=modality, series=9, SOPClassUID=uid)
    for keyword in _MOVED_TO_GROUPS:
        if keyword in data:
            delattr(data, keyword)
    data.InstanceNumber = 1
    data.Manufacturer = "Philips Medical Systems"
    frames = [(b, n) for b in range(b_values) for n in range(n_slices)]
    data.NumberOfFrames = len(frames)
    shape = (len(frames), ROWS, COLUMNS)
    pixels = np.random.default_rng(5).integers(0, 4000, size=shape, dtype=np.uint16)
    data.PixelData = pixels.tobytes()
    data.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID="1.2.3.99")])
    data.DimensionIndexSequence = Sequence(
        [
            item(
                DimensionOrganizationUID="1.2.3.99",
                DimensionIndexPointer=pointer,
                FunctionalGroupPointer=0x00209111,
                DimensionDescriptionLabel=NAME,
            )
            for pointer in (0x00209056, 0x00209057, 0x00189087)
        ]
    )
    data.SharedFunctionalGroupsSequence = Sequence([_shared(modality)])
    data.PerFrameFunctionalGroupsSequence = Sequence([_frame(b, n, modality) for b, n in frames])
    return data


def _shared(modality: str) -> Dataset:
    shared = item(
        PixelMeasuresSequence=item(
            PixelSpacing=[1.0, 1.25], SliceThickness=2.5, SpacingBetweenSlices=2.5
        ),
        PlaneOrientationSequence=item(ImageOrientationPatient=[1.0, 0, 0, 0, 1.0, 0]),
        PixelValueTransformationSequence=item(
            RescaleIntercept=0, RescaleSlope=1.5, RescaleType="US"
        ),
        ReferencedImageSequence=item(
            ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.4", ReferencedSOPInstanceUID="1.2.3.4"
        ),
    )
    if modality == "MR":
        shared.MRTimingAndRelatedParametersSequence = Sequence(
            [item(RepetitionTime=4500.0, FlipAngle=90.0, EchoTrainLength=1)]
        )
        shared.MRFOVGeometrySequence = Sequence([item(InPlanePhaseEncodingDirection="COLUMN")])
        shared.MREchoSequence = Sequence([item(EffectiveEchoTime=72.5)])
        shared.MRReceiveCoilSequence = Sequence([item(ReceiveCoilName=NAME)])
    else:
        shared.CTExposureSequence = Sequence([item(ExposureInmAs=120.0)])
    return shared


def _frame(b_index: int, number: int, modality: str) -> Dataset:
    frame = item(
        FrameContentSequence=item(
            FrameAcquisitionDateTime=FRAME_DATE,
            FrameReferenceDateTime=FRAME_DATE,
            FrameComments=NAME,
            FrameLabel=NAME,
            StackID="1",
            InStackPositionNumber=number + 1,
            DimensionIndexValues=[1, number + 1, b_index + 1],
        ),
        PlanePositionSequence=item(ImagePositionPatient=[-25.0, -20.0, SPACING_MM * number]),
        FrameAnatomySequence=item(
            FrameLaterality="U",
            AnatomicRegionSequence=item(
                CodeValue="T-62000", CodingSchemeDesignator="SRT", CodeMeaning=f"Liver {NAME}"
            ),
        ),
        DerivationImageSequence=item(
            DerivationDescription=NAME,
            SourceImageSequence=item(
                ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.4",
                ReferencedSOPInstanceUID="1.2.3.5",
                PatientID=NAME,
            ),
        ),
    )
    if modality == "MR":
        direction = [0.0, 0.0, 1.0] if b_index else [0.0, 0.0, 0.0]
        frame.MRDiffusionSequence = Sequence(
            [
                item(
                    DiffusionBValue=800.0 * b_index,
                    DiffusionDirectionality="DIRECTIONAL" if b_index else "NONE",
                    DiffusionGradientDirectionSequence=item(DiffusionGradientOrientation=direction),
                )
            ]
        )
    block = frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    inner = item(ImagePositionPatient=[-25.0, -20.0, SPACING_MM * number], OperatorsName=NAME)
    scaling = inner.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    scaling.add_new(0x0E, "FL", 0.0125)
    scaling.add_new(0x37, "LO", NAME)
    block.add_new(0x0F, "SQ", Sequence([inner]))
    return frame
