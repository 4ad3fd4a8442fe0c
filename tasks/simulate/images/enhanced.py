"""A whole series as one Enhanced MR object (PS3.3 A.36.2), as newer scanners write it."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems
from pydicom.uid import EnhancedMRImageStorage

from tasks.simulate.images.enhanced_modules import add_hardware, add_pulse_sequence, item_of
from tasks.simulate.images.geometry import plane_of
from tasks.simulate.images.headers import SeriesContext
from tasks.simulate.images.image_types import image_type
from tasks.simulate.images.packing import add_pixels
from tasks.simulate.images.pixels import (
    SeriesTemplate,
    file_bytes,
    frame_pixels,
    frame_seconds,
    sop_uid,
)
from tasks.simulate.images.vendors import (
    PHILIPS_RESCALE_SLOPE,
    PHILIPS_SCALE_SLOPE,
    Frame,
    frames_of,
)
from tasks.simulate.people.hospitals import Vendor
from tasks.simulate.people.protocols import SeriesPlan
from tasks.simulate.people.subjects import clock
from tasks.simulate.people.text_encoding import copy_of

# Attributes of a classic image that an enhanced one states in functional groups instead.
_MOVED = (
    "SliceThickness", "SpacingBetweenSlices", "ScanningSequence", "SequenceVariant", "ScanOptions",
    "MRAcquisitionType", "RepetitionTime", "FlipAngle", "EchoTrainLength", "NumberOfAverages",
    "PixelBandwidth", "InPlanePhaseEncodingDirection", "ImagingFrequency", "WindowCenter",
    "WindowWidth", "RescaleIntercept", "RescaleSlope", "SequenceName", "SeriesTime",
)  # fmt: skip
_CONTRAST = {"MR_T2": "T2", "MR_T2_FS": "T2", "MR_MRCP": "T2", "MR_DWI": "DIFFUSION",
             "MR_ADC": "DIFFUSION"}  # fmt: skip
# Value 4 of ImageType and FrameType (PS3.3 C.8.13.3.1.1).
_DERIVED_CONTRAST = {"MR_T1_DIXON_IP": "IN_PHASE", "MR_T1_DIXON_OP": "OUT_PHASE",
                     "MR_T1_FAT": "FAT", "MR_T1_WATER": "WATER", "MR_ADC": "ADC",
                     "MR_SUB": "SUBTRACTION", "MR_MPR": "RESAMPLED"}  # fmt: skip


def enhanced_dataset(template: SeriesTemplate, seed: int) -> Dataset:
    """Return all images of a series as one multi-frame data set, without file meta."""
    context = template.context
    scanner, plan = context.scanner, context.plan
    frames = frames_of(plan)
    data = copy_of(template.header, scanner.charset, implicit_vr=scanner.implicit_vr)
    for keyword in _MOVED:
        if keyword in data:
            delattr(data, keyword)
    data.SOPClassUID = EnhancedMRImageStorage
    data.SOPInstanceUID = sop_uid(context, frames[0])
    data.InstanceNumber, data.NumberOfFrames = 1, len(frames)
    _add_image(data, context, frames)
    data.SharedFunctionalGroupsSequence = SqItems([_shared(context)])
    data.PerFrameFunctionalGroupsSequence = SqItems([_per_frame(context, f) for f in frames])
    add_pixels(data, [frame_pixels(template, f, seed) for f in frames], scanner.packing)
    return data


def enhanced_bytes(template: SeriesTemplate, seed: int) -> bytes:
    """Return all images of a series as one DICOM file."""
    return file_bytes(template, enhanced_dataset(template, seed))


def _frame_type(plan: SeriesPlan, vendor: Vendor) -> list[str]:
    first = image_type(vendor, plan)[0]
    contrast = _CONTRAST.get(plan.name_key, "T1")
    return [first, "PRIMARY", contrast, _DERIVED_CONTRAST.get(plan.name_key, "NONE")]


def _add_image(data: Dataset, context: SeriesContext, frames: list[Frame]) -> None:
    plan = context.plan
    data.ImageType = _frame_type(plan, context.scanner.vendor)
    moment = clock(frame_seconds(context, frames[0]))
    data.AcquisitionDateTime = f"{context.exam.date:%Y%m%d}{moment}"
    data.ContentTime = clock(frame_seconds(context, frames[-1]) + 41.5)
    data.AcquisitionNumber = 1
    data.AcquisitionDuration = 17.0
    data.ContentQualification = "PRODUCT"
    data.ResonantNucleus = "1H"
    data.KSpaceFiltering = "NONE"
    data.ApplicableSafetyStandardAgency = "IEC"
    if data.ImageType[0] == "ORIGINAL":
        add_pulse_sequence(data, plan)
    data.BurnedInAnnotation, data.LossyImageCompression = "NO", "00"
    data.PresentationLUTShape = "IDENTITY"
    _add_image_contents(data, plan)
    data.AcquisitionContextSequence = SqItems([])
    organization = f"{context.series_uid}.0"
    data.DimensionOrganizationSequence = item_of(DimensionOrganizationUID=organization)
    data.DimensionIndexSequence = SqItems(
        [
            _index(organization, 0x00209056, 0x00209111),
            _index(organization, 0x00209057, 0x00209111),
            _index(organization, 0x00209128, 0x00209111),
        ]
    )


def _add_image_contents(data: Dataset, plan: SeriesPlan) -> None:
    data.PixelPresentation = "MONOCHROME"
    data.VolumetricProperties = "VOLUME"
    data.VolumeBasedCalculationTechnique = "NONE"
    data.ComplexImageComponent = "MAGNITUDE"
    data.AcquisitionContrast = _CONTRAST.get(plan.name_key, "T1")


def _index(organization: str, pointer: int, group: int) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization
    item.DimensionIndexPointer = pointer
    item.FunctionalGroupPointer = group
    return item


def _shared(context: SeriesContext) -> Dataset:
    plan, physics = context.plan, context.plan.physics
    shared = Dataset()
    shared.PixelMeasuresSequence = item_of(
        PixelSpacing=[f"{plan.pixel_mm:.10g}"] * 2,
        SliceThickness=f"{plan.thickness_mm:.10g}",
        SpacingBetweenSlices=f"{plan.spacing_mm:.10g}",
    )
    shared.MRTimingAndRelatedParametersSequence = item_of(
        RepetitionTime=f"{physics.repetition_time_ms:.10g}",
        FlipAngle=f"{physics.flip_angle_deg:.10g}",
        EchoTrainLength=physics.echo_train_length,
        RFEchoTrainLength=physics.echo_train_length,
        GradientEchoTrainLength=1,
        SpecificAbsorptionRateSequence=item_of(
            SpecificAbsorptionRateDefinition="IEC_WHOLE_BODY", SpecificAbsorptionRateValue=0.8
        ),
        GradientOutputType="DB_DT",
        GradientOutput=20.0,
        OperatingModeSequence=item_of(OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL"),
    )
    shared.MRImageFrameTypeSequence = _frame_type_item(context)
    shared.FrameAnatomySequence = item_of(
        FrameLaterality="U",
        AnatomicRegionSequence=item_of(
            CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver"
        ),
    )
    shared.FrameVOILUTSequence = item_of(WindowCenter="600", WindowWidth="1200")
    slope = f"{PHILIPS_RESCALE_SLOPE:g}" if context.scanner.vendor is Vendor.PHILIPS else "1"
    shared.PixelValueTransformationSequence = item_of(
        RescaleIntercept="0", RescaleSlope=slope, RescaleType="US"
    )
    shared.MRAveragesSequence = item_of(NumberOfAverages=1.0)
    add_hardware(shared, context)
    return shared


def _frame_type_item(context: SeriesContext) -> SqItems:
    items = item_of(FrameType=_frame_type(context.plan, context.scanner.vendor))
    _add_image_contents(items[0], context.plan)
    return items


def _per_frame(context: SeriesContext, frame: Frame) -> Dataset:
    plan, item = context.plan, Dataset()
    moment = f"{context.exam.date:%Y%m%d}{clock(frame_seconds(context, frame))}"
    volume = _volume_index(plan, frame)
    item.FrameContentSequence = item_of(
        FrameAcquisitionNumber=volume,
        FrameReferenceDateTime=moment,
        FrameAcquisitionDateTime=moment,
        FrameAcquisitionDuration=17.0,
        StackID="1",
        InStackPositionNumber=frame.slice_index + 1,
        TemporalPositionIndex=volume,
        DimensionIndexValues=[1, frame.slice_index + 1, volume],
    )
    plane = plane_of(plan, frame.slice_index)
    item.PlanePositionSequence = item_of(
        ImagePositionPatient=[f"{value:.10g}" for value in plane.position]
    )
    item.PlaneOrientationSequence = item_of(
        ImageOrientationPatient=[f"{value:.10g}" for value in plane.orientation]
    )
    item.MREchoSequence = item_of(EffectiveEchoTime=plan.physics.echo_times_ms[frame.echo_index])
    if frame.b_value is not None:
        directional = context.scanner.vendor is Vendor.PHILIPS
        item.MRDiffusionSequence = _diffusion(frame.b_value, directional=directional)
    _PRIVATE.get(context.scanner.vendor, _no_private)(item, frame)
    return item


def _volume_index(plan: SeriesPlan, frame: Frame) -> int:
    b_index = plan.b_values.index(frame.b_value) if frame.b_value is not None else 0
    passes = max(1, len(plan.b_values))
    echoes = len(plan.physics.echo_times_ms)
    return (frame.phase_index * echoes + frame.echo_index) * passes + b_index + 1


def _diffusion(b_value: float, *, directional: bool) -> SqItems:
    if not b_value:
        return item_of(DiffusionBValue=b_value, DiffusionDirectionality="NONE")
    if directional:
        # dcm2niix doubles the b-value of an isotropic frame of this vendor.
        along_z = item_of(DiffusionGradientOrientation=[0.0, 0.0, 1.0])
        return item_of(
            DiffusionBValue=b_value,
            DiffusionDirectionality="DIRECTIONAL",
            DiffusionGradientDirectionSequence=along_z,
        )
    return item_of(
        DiffusionBValue=b_value,
        DiffusionDirectionality="ISOTROPIC",
        DiffusionAnisotropyType="FRACTIONAL",
    )


def _philips_private(item: Dataset, frame: Frame) -> None:
    inner = Dataset()
    block = inner.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0D, "FL", 0.0)
    block.add_new(0x0E, "FL", PHILIPS_SCALE_SLOPE)
    inner.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(
        0x0A, "IS", frame.slice_index + 1
    )
    outer = item.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    outer.add_new(0x0F, "SQ", SqItems([inner]))


def _siemens_private(item: Dataset, frame: Frame) -> None:
    inner = Dataset()
    block = inner.private_block(0x0021, "SIEMENS MR SDI 02", create=True)
    block.add_new(0x1C, "IS", 1)
    block.add_new(0x75, "CS", ["ORIGINAL", "PRIMARY", "M"])
    if frame.b_value is not None:
        block.add_new(0x7A, "IS", int(frame.b_value))
    outer = item.private_block(0x0021, "SIEMENS MR SDI 02", create=True)
    outer.add_new(0xFE, "SQ", SqItems([inner]))


def _no_private(_item_of_frame: Dataset, _frame: Frame) -> None:
    """Write nothing private."""


_PRIVATE: dict[Vendor, Callable[[Dataset, Frame], None]] = {
    Vendor.PHILIPS: _philips_private,
    Vendor.SIEMENS: _siemens_private,
}
