"""The states a delivered file can end in, and the reasons for setting one aside.

A file is in exactly one state. The sum over states equals the files delivered; that sum is
checked before a batch may be committed.
"""

from __future__ import annotations

from enum import StrEnum


class FileState(StrEnum):
    """Where a delivered file ended."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    CLINICAL = "clinical"
    CONTROL = "control"


class ReasonCode(StrEnum):
    """Why a file was set aside. `REASONS` says each in words."""

    EMPTY_FILE = "EMPTY_FILE"
    UNREADABLE = "UNREADABLE"
    FOLDER_UNREADABLE = "FOLDER_UNREADABLE"
    NOT_DICOM = "NOT_DICOM"
    UNPARSABLE = "UNPARSABLE"
    TRUNCATED = "TRUNCATED"
    UNSAFE_PATH = "UNSAFE_PATH"
    ARCHIVE_UNREADABLE = "ARCHIVE_UNREADABLE"
    ARCHIVE_TOO_LARGE = "ARCHIVE_TOO_LARGE"
    SYSTEM_FILE = "SYSTEM_FILE"
    MANIFEST_MISMATCH = "MANIFEST_MISMATCH"
    SOP_CLASS_NOT_ADMITTED = "SOP_CLASS_NOT_ADMITTED"
    BURNED_IN_ANNOTATION = "BURNED_IN_ANNOTATION"
    SECONDARY_OR_DERIVED = "SECONDARY_OR_DERIVED"
    EIGHT_BIT_PIXELS = "EIGHT_BIT_PIXELS"
    NO_PIXEL_DATA = "NO_PIXEL_DATA"
    NO_LINKAGE = "NO_LINKAGE"
    MISSING_UID = "MISSING_UID"
    UID_REUSED = "UID_REUSED"
    IDENTIFIER_FOUND = "IDENTIFIER_FOUND"
    INTERVAL_MISMATCH = "INTERVAL_MISMATCH"
    DECIDING_ATTRIBUTE_LOST = "DECIDING_ATTRIBUTE_LOST"
    CONTRADICTORY_HEADER = "CONTRADICTORY_HEADER"
    PIXEL_BYTES_BESIDE_IMAGE = "PIXEL_BYTES_BESIDE_IMAGE"
    STUDY_OF_TWO_SUBJECTS = "STUDY_OF_TWO_SUBJECTS"
    SERIES_OF_TWO_SUBJECTS = "SERIES_OF_TWO_SUBJECTS"
    SERIES_OF_TWO_STUDIES = "SERIES_OF_TWO_STUDIES"
    TEXT_IN_PIXELS = "TEXT_IN_PIXELS"
    FACE_IN_VIEW = "FACE_IN_VIEW"
    PIXELS_NOT_INSPECTED = "PIXELS_NOT_INSPECTED"
    SAME_PIXELS_AS_OTHER_SUBJECT = "SAME_PIXELS_AS_OTHER_SUBJECT"
    STAGE_FAILED = "STAGE_FAILED"
    UNKNOWN_FORM = "UNKNOWN_FORM"
    UNREADABLE_FORM = "UNREADABLE_FORM"
    DIRECT_IDENTIFIER_COLUMN = "DIRECT_IDENTIFIER_COLUMN"
    NO_EXPORT_DATE = "NO_EXPORT_DATE"
    BAD_LINKAGE = "BAD_LINKAGE"


REASONS: dict[ReasonCode, str] = {
    ReasonCode.EMPTY_FILE: "the file has no bytes",
    ReasonCode.UNREADABLE: "the file cannot be opened or read",
    ReasonCode.FOLDER_UNREADABLE: "the folder cannot be listed: what lies in it is not known",
    ReasonCode.NOT_DICOM: "the file is neither DICOM nor a form or control file of the delivery",
    ReasonCode.UNPARSABLE: "the DICOM header cannot be read to its end",
    ReasonCode.TRUNCATED: "the file ends before its pixel data does",
    ReasonCode.UNSAFE_PATH: "a link, a device, or a path that leads out of the delivery",
    ReasonCode.ARCHIVE_UNREADABLE: "the archive (only zip is read) or a member cannot be unpacked",
    ReasonCode.ARCHIVE_TOO_LARGE: "the archive exceeds the limits on size, count or nesting",
    ReasonCode.SYSTEM_FILE: "made by the sender's computer, not by the sender (Finder, Windows)",
    ReasonCode.MANIFEST_MISMATCH: "the bytes differ from what manifest.csv states",
    ReasonCode.SOP_CLASS_NOT_ADMITTED: "only CT and MR image objects are admitted",
    ReasonCode.BURNED_IN_ANNOTATION: "the object does not rule out text burned into its pixels",
    ReasonCode.SECONDARY_OR_DERIVED: "a secondary capture or derived object, held for review",
    ReasonCode.EIGHT_BIT_PIXELS: "8-bit or colour pixels, held until inspected for text",
    ReasonCode.NO_PIXEL_DATA: "the object has no pixel data",
    ReasonCode.NO_LINKAGE: "linkage.csv has no row for this object's PatientID",
    ReasonCode.MISSING_UID: "a study, series or instance UID is missing or not a UID",
    ReasonCode.UID_REUSED: "one SOPInstanceUID was delivered with different pixels",
    ReasonCode.IDENTIFIER_FOUND: "the scan of what was written found an identifier of the person",
    ReasonCode.INTERVAL_MISMATCH: "an interval between dates changed during de-identification",
    ReasonCode.DECIDING_ATTRIBUTE_LOST: "an attribute that decides values, geometry or volume"
    " was delivered in a form that cannot be kept",
    ReasonCode.CONTRADICTORY_HEADER: "an element stands twice in the header with two values",
    ReasonCode.PIXEL_BYTES_BESIDE_IMAGE: "the pixel data carries bytes that are not of the image",
    ReasonCode.STUDY_OF_TWO_SUBJECTS: "one study holds objects of two subjects",
    ReasonCode.SERIES_OF_TWO_SUBJECTS: "one SeriesInstanceUID holds objects of two subjects",
    ReasonCode.SERIES_OF_TWO_STUDIES: "one SeriesInstanceUID holds objects of several studies",
    ReasonCode.TEXT_IN_PIXELS: "text was read in the pixels of the series; a person decides",
    ReasonCode.FACE_IN_VIEW: "the field of view covers a face; a person decides",
    ReasonCode.PIXELS_NOT_INSPECTED: "the pixels could not be searched for text; nobody knows"
    " what stands in them",
    ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT: "another subject has images of the same pixels",
    ReasonCode.STAGE_FAILED: "a stage failed on this file; nothing of it was released",
    ReasonCode.UNKNOWN_FORM: "no form of the site delivery contract has this name",
    ReasonCode.UNREADABLE_FORM: "the form cannot be read in an accepted encoding and layout",
    ReasonCode.DIRECT_IDENTIFIER_COLUMN: "the form carries direct identifiers",
    ReasonCode.NO_EXPORT_DATE: "the form does not state when it was exported",
    ReasonCode.BAD_LINKAGE: "linkage.csv cannot be read or contradicts itself",
}


class Severity(StrEnum):
    """How much a finding matters; a blocker stops the batch or the release."""

    BLOCKER = "blocker"
    MAJOR = "major"
    MINOR = "minor"
    INFO = "info"


class Verdict(StrEnum):
    """Whether a criterion is fulfilled. What nobody decided is undetermined."""

    MET = "met"
    NOT_MET = "not_met"
    UNDETERMINED = "undetermined"


class Effect(StrEnum):
    """What a criterion does to eligibility (for exclusions pass = not excluded)."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNDETERMINED = "undetermined"
