"""The header that all images of a series share, with identifiers where the wild has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from tasks.simulate.answer_key import Kind, Ledger
from tasks.simulate.images.burned_text import text_mask
from tasks.simulate.images.private_blocks import add_series_block
from tasks.simulate.images.vendors import (
    MANUFACTURERS,
    PHILIPS_RESCALE_SLOPE,
    SOFTWARE,
)
from tasks.simulate.people.hospitals import PathHabit, Scanner, Vendor
from tasks.simulate.people.naming import protocol_name, series_description, study_description
from tasks.simulate.people.protocols import CT_INJECTION_S, INJECTION_S, SeriesPlan
from tasks.simulate.people.subjects import Exam, Subject, clock

_WARD = "肝胆外科三病区"
_SINGLE_SHOT_ECHOES = 60


@dataclass(frozen=True)
class SeriesContext:
    """Everything a header needs to know."""

    subject: Subject
    exam: Exam
    plan: SeriesPlan
    ledger: Ledger

    @property
    def scanner(self) -> Scanner:
        """The machine of this exam."""
        return self.exam.plan.scanner

    @property
    def enhanced(self) -> bool:
        """Whether the series is one multi-frame object."""
        return self.scanner.enhanced and self.plan.modality == "MR"

    @property
    def sop_class(self) -> str:
        """SOP class of the objects of the series."""
        if self.plan.name_key == "DOSE_REPORT":
            return str(SecondaryCaptureImageStorage)
        if self.enhanced:
            return str(EnhancedMRImageStorage)
        return str(CTImageStorage if self.plan.modality == "CT" else MRImageStorage)

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID as the vendor made it, with the day inside."""
        return f"{self.exam.study_uid}.{self.plan.number}"

    @property
    def description(self) -> str:
        """SeriesDescription; at some sites technologists add the person's name."""
        text = series_description(
            self.scanner, self.plan.modality, self.plan.name_key, self.plan.name_variant
        )
        if self.subject.hospital.name_in_series_description and self.plan.modality == "CT":
            return f"{self.subject.person.name_han} {text}"
        if self.subject.hospital.name_in_series_description and self.plan.b_values:
            return f"{self.subject.person.name_glued}_{text}"
        return text

    @property
    def injection_s(self) -> float:
        """Start of injection, seconds after the start of the exam."""
        return CT_INJECTION_S if self.plan.modality == "CT" else INJECTION_S

    def acquisition_s(self, phase_index: int) -> float:
        """Acquisition time of one pass, seconds since midnight."""
        offset = self.plan.phases[phase_index].after_injection_s
        return self.exam.start_s + self.injection_s + offset


def series_header(context: SeriesContext) -> Dataset:
    """Return everything that is the same in all images of the series."""
    data = Dataset()
    _add_patient(data, context)
    _add_study(data, context)
    _add_people_and_place(data, context)
    _add_series(data, context)
    _add_physics(data, context)
    _add_sequences(data, context)
    if context.plan.name_key == "CT_DEL":
        _add_overlay(data, context)
    add_series_block(data, context.scanner, context.plan, context.subject.person, context.ledger)
    return data


def preamble(context: SeriesContext) -> bytes:
    """Return 128 bytes in which an exporting workstation left its notes."""
    text = f"EXPORT {context.exam.patient_id} {context.subject.person.name_caret}"
    context.ledger.plant(context.exam.patient_id, Kind.PATIENT_ID, "preamble")
    context.ledger.plant(context.subject.person.name_caret, Kind.NAME_PINYIN, "preamble")
    return text.encode("ascii")[:128].ljust(128, b"\x00")


def ae_title(context: SeriesContext) -> str:
    """Return the AE title of the sending station, named after its user."""
    name = context.exam.physician_pinyin.replace("^", "")[:13]
    return context.ledger.plant(f"WS_{name}", Kind.STATION, "(0002,0016)")


def _add_patient(data: Dataset, context: SeriesContext) -> None:
    person, plant = context.subject.person, context.ledger.plant
    caret = plant(person.name_caret, Kind.NAME_PINYIN, "PatientName")
    data.PatientName = f"{caret}={plant(person.name_han, Kind.NAME_HAN, 'PatientName')}"
    data.PatientID = plant(context.exam.patient_id, Kind.PATIENT_ID, "PatientID")
    data.IssuerOfPatientID = plant(
        context.subject.hospital.alias, Kind.INSTITUTION, "IssuerOfPatientID"
    )
    data.PatientBirthDate = plant(
        f"{person.birth_date:%Y%m%d}", Kind.BIRTH_DATE, "PatientBirthDate"
    )
    data.PatientSex = person.sex
    days = (context.exam.date - person.birth_date).days
    data.PatientAge = f"{int(days / 365.2425):03d}Y"
    data.PatientWeight, data.PatientSize = "63.5", "1.68"
    data.OtherPatientIDs = plant(person.resident_id, Kind.RESIDENT_ID, "OtherPatientIDs")
    data.OtherPatientNames = plant(person.name_spaced, Kind.NAME_PINYIN, "OtherPatientNames")
    data.PatientAddress = plant(person.address, Kind.ADDRESS, "PatientAddress")
    data.PatientTelephoneNumbers = plant(person.mobile, Kind.MOBILE, "PatientTelephoneNumbers")
    contact = plant(person.contact, Kind.CONTACT, "PatientComments")
    plant(person.mobile, Kind.MOBILE, "PatientComments")
    data.PatientComments = f"联系人:{contact} 电话:{person.mobile}"


def _add_study(data: Dataset, context: SeriesContext) -> None:
    exam, plant, hospital = context.exam, context.ledger.plant, context.subject.hospital
    data.StudyInstanceUID = plant(exam.study_uid, Kind.UID, "StudyInstanceUID")
    data.FrameOfReferenceUID = plant(f"{exam.study_uid}.0", Kind.UID, "FrameOfReferenceUID")
    data.PositionReferenceIndicator = None
    day = plant(f"{exam.date:%Y%m%d}", Kind.DATE, "StudyDate")
    data.StudyDate = day
    for keyword in ("SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(data, keyword, plant(day, Kind.DATE, keyword))
    data.StudyTime = clock(exam.start_s)
    data.AccessionNumber = plant(exam.accession, Kind.ACCESSION, "AccessionNumber")
    data.StudyID = str(exam.index)
    text = study_description(context.scanner, exam.plan.description_key)
    if hospital.name_in_study_description:
        name = plant(context.subject.person.name_spaced, Kind.NAME_PINYIN, "StudyDescription")
        text = f"{text} {name}"
    data.StudyDescription = text


def _add_people_and_place(data: Dataset, context: SeriesContext) -> None:
    exam, plant, hospital = context.exam, context.ledger.plant, context.subject.hospital
    data.InstitutionName = plant(_institution(context), Kind.INSTITUTION, "InstitutionName")
    data.InstitutionAddress = plant(
        f"{hospital.alias}院区8号楼", Kind.INSTITUTION, "InstitutionAddress"
    )
    data.InstitutionalDepartmentName = "放射科"
    data.ReferringPhysicianName = plant(
        exam.physician_han, Kind.PHYSICIAN, "ReferringPhysicianName"
    )
    data.PerformingPhysicianName = plant(
        exam.physician_pinyin, Kind.PHYSICIAN, "PerformingPhysicianName"
    )
    data.OperatorsName = plant(exam.operator, Kind.PHYSICIAN, "OperatorsName")
    data.RequestingPhysician = plant(exam.physician_han, Kind.PHYSICIAN, "RequestingPhysician")
    data.CurrentPatientLocation = plant(_WARD, Kind.WARD, "CurrentPatientLocation")
    data.StationName = plant(f"{hospital.code}{exam.plan.modality}WS7", Kind.STATION, "StationName")
    data.DeviceSerialNumber = plant(
        f"{hospital.number}4{context.scanner.vendor.value[:2].upper()}0917",
        Kind.DEVICE,
        "DeviceSerialNumber",
    )


def _institution(context: SeriesContext) -> str:
    hospital = context.subject.hospital
    return hospital.name_en if hospital.paths is PathHabit.NAMES else hospital.name_zh


def _add_series(data: Dataset, context: SeriesContext) -> None:
    plan, scanner, plant = context.plan, context.scanner, context.ledger.plant
    data.SOPClassUID = context.sop_class
    data.Modality = plan.modality
    data.SeriesInstanceUID = plant(context.series_uid, Kind.UID, "SeriesInstanceUID")
    data.SeriesNumber = plan.number
    data.SeriesTime = clock(context.acquisition_s(0) - 2.0)
    data.Manufacturer = MANUFACTURERS[scanner.vendor]
    data.ManufacturerModelName = scanner.model
    data.SoftwareVersions = SOFTWARE[scanner.vendor].split("\\")
    data.SeriesDescription = context.description
    _plant_names_of_description(context)
    base = series_description(scanner, plan.modality, plan.name_key, plan.name_variant)
    data.ProtocolName = protocol_name(scanner, base)
    data.BodyPartExamined = "LIVER" if plan.modality == "MR" else "ABDOMEN"
    data.PatientPosition = "HFS"
    data.ImageComments = plant(context.exam.patient_id, Kind.PATIENT_ID, "ImageComments")
    if plan.contrast:
        data.ContrastBolusAgent = context.exam.plan.agent
        data.ContrastBolusRoute = "IV"
        if scanner.vendor is not Vendor.UIH:
            start = clock(context.exam.start_s + context.injection_s)
            data.ContrastBolusStartTime = start
    data.SliceThickness = _decimal(plan.thickness_mm)
    if plan.modality == "MR":
        data.SpacingBetweenSlices = _decimal(plan.spacing_mm)


def _plant_names_of_description(context: SeriesContext) -> None:
    person = context.subject.person
    if person.name_han in context.description:
        context.ledger.plant(person.name_han, Kind.NAME_HAN, "SeriesDescription")
    if person.name_glued in context.description:
        context.ledger.plant(person.name_glued, Kind.NAME_PINYIN, "SeriesDescription")


def _add_physics(data: Dataset, context: SeriesContext) -> None:
    plan, scanner = context.plan, context.scanner
    if plan.modality == "CT":
        data.KVP = "120"
        data.XRayTubeCurrent, data.ExposureTime = 210, 500
        data.ConvolutionKernel = ["Br38f", "3"] if scanner.vendor is Vendor.SIEMENS else "STANDARD"
        data.GantryDetectorTilt = "0"
        data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "-1024", "1", "HU"
        data.WindowCenter, data.WindowWidth = "50", "350"
        return
    physics = plan.physics
    data.MagneticFieldStrength = _decimal(scanner.field_t or 3.0)
    data.ImagingFrequency = _decimal(42.577 * (scanner.field_t or 3.0))
    data.ScanningSequence = physics.scanning_sequence
    data.SequenceVariant = list(physics.sequence_variant)
    data.ScanOptions = physics.scan_options
    data.MRAcquisitionType = physics.acquisition_type
    data.RepetitionTime = _decimal(physics.repetition_time_ms)
    data.FlipAngle = _decimal(physics.flip_angle_deg)
    data.EchoTrainLength = physics.echo_train_length
    data.NumberOfAverages, data.PixelBandwidth = "1", "390"
    data.InPlanePhaseEncodingDirection = "COL"
    data.WindowCenter, data.WindowWidth = "600", "1200"
    if scanner.vendor is Vendor.PHILIPS:
        data.RescaleIntercept, data.RescaleSlope = "0", _decimal(PHILIPS_RESCALE_SLOPE)
    if scanner.vendor is Vendor.SIEMENS:
        data.SequenceName = _siemens_sequence_name(plan)


def _siemens_sequence_name(plan: SeriesPlan) -> str:
    physics = plan.physics
    if physics.scanning_sequence == "EP":
        return f"*ep_b{plan.b_values[0]:.0f}t" if plan.b_values else "*ep_b50_800"
    if physics.scanning_sequence == "SE":
        name = "h2d1" if physics.echo_train_length > _SINGLE_SHOT_ECHOES else "tse2d1"
        return f"*{name}_{physics.echo_train_length}"
    return f"*fl{physics.acquisition_type.lower()}{len(physics.echo_times_ms)}"


def _add_sequences(data: Dataset, context: SeriesContext) -> None:
    exam, person, plant = context.exam, context.subject.person, context.ledger.plant
    request = Dataset()
    request.RequestedProcedureID = plant(
        f"RP{exam.accession}", Kind.ACCESSION, "RequestAttributesSequence"
    )
    request.ScheduledProcedureStepDescription = "增强扫描 " + plant(
        person.name_han, Kind.NAME_HAN, "RequestAttributesSequence"
    )
    asked_by = plant(
        exam.physician_han,
        Kind.PHYSICIAN,
        "RequestAttributesSequence>ReasonForTheRequestedProcedure",
    )
    request.ReasonForTheRequestedProcedure = f"{asked_by}医生会诊"
    data.RequestAttributesSequence = SqItems([request])

    other = Dataset()
    other.PatientID = plant(
        person.resident_id, Kind.RESIDENT_ID, "OriginalAttributesSequence>...>PatientID"
    )
    other.TypeOfPatientID = "TEXT"
    issuer = Dataset()
    issuer.UniversalEntityID = plant(
        f"{context.subject.hospital.alias} {exam.patient_id}",
        Kind.PATIENT_ID,
        "OriginalAttributesSequence, four deep",
    )
    issuer.UniversalEntityIDType = "DNS"
    other.IssuerOfPatientIDQualifiersSequence = SqItems([issuer])
    before = Dataset()
    before.PatientName = plant(
        person.name_spaced, Kind.NAME_PINYIN, "OriginalAttributesSequence>PatientName"
    )
    before.AccessionNumber = plant(
        exam.accession, Kind.ACCESSION, "OriginalAttributesSequence>AccessionNumber"
    )
    before.OtherPatientIDsSequence = SqItems([other])
    data.ReferencedStudySequence = SqItems([_earlier_study(context)])
    original = Dataset()
    changed_on = plant(
        f"{exam.date:%Y%m%d}",
        Kind.DATE,
        "OriginalAttributesSequence>AttributeModificationDateTime",
    )
    original.AttributeModificationDateTime = f"{changed_on}{clock(exam.start_s)}"
    original.ModifyingSystem = "FICTITIOUS PACS"
    original.ReasonForTheAttributeModification = "CORRECT"
    original.SourceOfPreviousValues = plant(
        context.subject.hospital.alias,
        Kind.INSTITUTION,
        "OriginalAttributesSequence>SourceOfPreviousValues",
    )
    original.ModifiedAttributesSequence = SqItems([before])
    data.OriginalAttributesSequence = SqItems([original])


def _earlier_study(context: SeriesContext) -> Dataset:
    """Return a reference whose UID holds the hospital number and the day, as some PACS do."""
    exam, item = context.exam, Dataset()
    digits = "".join(c for c in exam.patient_id if c.isdigit())
    uid = f"1.2.156.999999.{context.subject.hospital.number}.7.{digits}.{exam.date:%Y%m%d}"
    item.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    item.ReferencedSOPInstanceUID = context.ledger.plant(
        uid, Kind.UID, "ReferencedStudySequence, hospital number and day in the UID"
    )
    return item


def _add_overlay(data: Dataset, context: SeriesContext) -> None:
    person, plant, plan = context.subject.person, context.ledger.plant, context.plan
    block = 0x6000
    data.add_new((block, 0x0010), "US", plan.rows)
    data.add_new((block, 0x0011), "US", plan.columns)
    han = plant(person.name_han, Kind.NAME_HAN, "OverlayDescription")
    data.add_new((block, 0x0022), "LO", f"{han} ROI")
    data.add_new((block, 0x0040), "CS", "G")
    data.add_new((block, 0x0050), "SS", [1, 1])
    data.add_new((block, 0x0100), "US", 1)
    data.add_new((block, 0x0102), "US", 0)
    label = plant(person.name_caret, Kind.NAME_PINYIN, "OverlayLabel")
    data.add_new((block, 0x1500), "LO", label)
    text = plant(person.name_glued, Kind.NAME_PINYIN, "pixels: overlay")
    drawn = text_mask(text, (plan.rows, plan.columns), row=4, column=4)
    bits = np.packbits(drawn.ravel(), bitorder="little")
    data.add_new((block, 0x3000), "OW", bits.tobytes() + b"\x00" * (bits.size % 2))


def _decimal(value: float) -> str:
    return f"{value:.10g}"
