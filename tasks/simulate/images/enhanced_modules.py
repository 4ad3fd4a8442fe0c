"""Modules and functional groups that an Enhanced MR object must have and nobody reads here."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems

from tasks.simulate.images.headers import SeriesContext
from tasks.simulate.people.protocols import SeriesPlan

_ECHO_SEQUENCES = {"SE": "SPIN", "GR": "GRADIENT", "EP": "SPIN"}


def item_of(**elements: object) -> SqItems:
    """Return a sequence of one item with these elements."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return SqItems([item])


def add_pulse_sequence(data: Dataset, plan: SeriesPlan) -> None:
    """Add the MR Pulse Sequence module (PS3.3 C.8.13.4), required of original images."""
    physics = plan.physics
    data.PulseSequenceName = physics.scanning_sequence
    data.MRAcquisitionType = physics.acquisition_type
    data.EchoPulseSequence = _ECHO_SEQUENCES[physics.scanning_sequence]
    if data.EchoPulseSequence == "SPIN":
        data.MultipleSpinEcho = "NO"
    data.MultiPlanarExcitation = "NO"
    data.PhaseContrast = "NO"
    data.TimeOfFlightContrast = "NO"
    data.SteadyStatePulseSequence = "NONE"
    data.EchoPlanarPulseSequence = "YES" if physics.scanning_sequence == "EP" else "NO"
    data.SaturationRecovery = "NO"
    data.SpectrallySelectedSuppression = "FAT" if "FS" in physics.scan_options else "NONE"
    data.OversamplingPhase = "NONE"
    data.GeometryOfKSpaceTraversal = "RECTILINEAR"
    data.RectilinearPhaseEncodeReordering = "LINEAR"
    data.SegmentedKSpaceTraversal = "SINGLE"
    if physics.acquisition_type == "3D":
        data.CoverageOfKSpace = "FULL"
    data.NumberOfKSpaceTrajectories = 1


def add_hardware(shared: Dataset, context: SeriesContext) -> None:
    """Add the functional groups about coils, field of view and what modifies the sequence."""
    plan, physics = context.plan, context.plan.physics
    field_t = context.scanner.field_t or 3.0
    shared.MRImagingModifierSequence = item_of(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=42.577 * field_t,
        PixelBandwidth="390",
    )
    shared.MRModifierSequence = item_of(
        InversionRecovery="NO",
        FlowCompensation="NONE",
        Spoiling="RF" if physics.scanning_sequence == "GR" else "NONE",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        SpectrallySelectedSuppression="FAT" if "FS" in physics.scan_options else "NONE",
        PartialFourier="NO",
        ParallelAcquisition="NO",
    )
    shared.MRReceiveCoilSequence = item_of(
        ReceiveCoilName="BODY", ReceiveCoilManufacturerName=None, ReceiveCoilType="MULTICOIL",
        QuadratureReceiveCoil="NO",
        MultiCoilDefinitionSequence=item_of(MultiCoilElementName="B1", MultiCoilElementUsed="YES"),
    )  # fmt: skip
    shared.MRTransmitCoilSequence = item_of(
        TransmitCoilName="BODY", TransmitCoilManufacturerName=None, TransmitCoilType="BODY"
    )
    shared.MRFOVGeometrySequence = item_of(
        InPlanePhaseEncodingDirection="COLUMN",
        MRAcquisitionFrequencyEncodingSteps=plan.columns,
        MRAcquisitionPhaseEncodingStepsInPlane=plan.rows,
        MRAcquisitionPhaseEncodingStepsOutOfPlane=1,
        PercentSampling="100",
        PercentPhaseFieldOfView="100",
    )
