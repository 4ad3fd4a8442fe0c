"""Build the new object from its plan: new file meta, zero preamble, marks of what was done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from schemas.dicom.device_identity import METHOD
from schemas.dicom.encode import OutElement, encode_file
from tasks.deidentify.plan.actions import ElementAction, options_run
from tasks.deidentify.rules.profile import Option, tag_of

#: Names this software in file meta (PS3.10 7.1); made once, tells nothing of a site.
IMPLEMENTATION_CLASS_UID = "2.25.163049207245614830521107529803326417052"
IMPLEMENTATION_VERSION = "LIVERCOHORT"

#: Code value and meaning in PS3.16 CID 7050.
METHOD_CODES: dict[Option, tuple[str, str]] = {
    Option.BASIC: ("113100", "Basic Application Confidentiality Profile"),
    Option.PIXELS: ("113101", "Clean Pixel Data Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.PATIENT: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.PRIVATE: ("113111", "Retain Safe Private Option"),
}

_REQUIRED_KEYWORDS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "PatientID",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PixelData",
)
_REQUIRED = tuple(tag_of(keyword) for keyword in _REQUIRED_KEYWORDS)
_METHOD = tag_of("DeidentificationMethod")


class RebuildError(Exception):
    """The plan lacks an attribute without which the object would not be an image."""


def rebuild(actions: Sequence[ElementAction], transfer_syntax: str) -> bytes:
    """Return the new DICOM file; see `out_elements` and `file_meta`."""
    elements = out_elements(actions)
    return encode_file(file_meta(elements, transfer_syntax), elements.values(), transfer_syntax)


def out_elements(actions: Sequence[ElementAction]) -> dict[int, OutElement]:
    """Return the elements of the new data set, the marks of what was done among them.

    Parameters
    ----------
    actions : sequence of ElementAction
        The plan of `plan_actions`.

    Raises
    ------
    RebuildError
        If an attribute that an image needs did not fulfil its contract.

    Notes
    -----
    DICOM PS3.15 E.1.1 (marks of de-identification).
    """
    planned = {a.tag: a.out for a in actions if a.out is not None}
    missing = [tag for tag in _REQUIRED if tag not in planned]
    if missing:
        raise RebuildError(f"{len(missing)} required attributes did not fulfil their contract")
    before = planned.get(_METHOD)
    marks = _marks(options_run(actions), before.value if before else METHOD.encode("ascii"))
    return {**planned, **{m.tag: m for m in marks}}


def file_meta(elements: Mapping[int, OutElement], transfer_syntax: str) -> list[OutElement]:
    """Return the new file meta (PS3.10 7.1); the transfer syntax is that of the source."""
    sop_class, sop_uid = (elements[tag_of(k)].value for k in ("SOPClassUID", "SOPInstanceUID"))
    return [
        OutElement(0x00020001, "OB", b"\0\1"),
        OutElement(0x00020002, "UI", sop_class),
        OutElement(0x00020003, "UI", sop_uid),
        OutElement(0x00020010, "UI", transfer_syntax.encode("ascii")),
        OutElement(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        OutElement(0x00020013, "SH", IMPLEMENTATION_VERSION.encode("ascii")),
    ]


def _marks(options: Collection[Option], methods: bytes) -> list[OutElement]:
    codes = sorted(METHOD_CODES[option] for option in options)
    marks = [
        OutElement(tag_of("SpecificCharacterSet"), "CS", b"ISO_IR 192"),
        OutElement(tag_of("PatientIdentityRemoved"), "CS", b"YES"),
        OutElement(_METHOD, "LO", methods),
        OutElement(
            tag_of("DeidentificationMethodCodeSequence"),
            "SQ",
            items=tuple(_code_item(value, meaning) for value, meaning in codes),
        ),
    ]
    if Option.DATES in options:
        tag = tag_of("LongitudinalTemporalInformationModified")
        marks.append(OutElement(tag, "CS", b"MODIFIED"))
    if Option.PIXELS in options:
        marks.append(OutElement(tag_of("BurnedInAnnotation"), "CS", b"NO"))
    return marks


def _code_item(value: str, meaning: str) -> tuple[OutElement, ...]:
    return (
        OutElement(tag_of("CodeValue"), "SH", value.encode("ascii")),
        OutElement(tag_of("CodingSchemeDesignator"), "SH", b"DCM"),
        OutElement(tag_of("CodeMeaning"), "LO", meaning.encode("ascii")),
    )
