"""Which objects are let in; everything else is set aside with a reason, never guessed at."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)

from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import Header, walk
from schemas.states import ReasonCode
from tasks.deidentify.plan.pixel_bytes import (
    StatedPixels,
    check_native_pixels,
    check_pixel_bytes,
    frames_of,
)
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.rules.profile import tag_of
from tasks.deidentify.rules.values import UID_FORM, texts_of

MULTI_FRAME_CLASSES = frozenset(
    str(uid)
    for uid in (
        EnhancedCTImageStorage,
        EnhancedMRImageStorage,
        LegacyConvertedEnhancedCTImageStorage,
        LegacyConvertedEnhancedMRImageStorage,
    )
)
ADMITTED_CLASSES = MULTI_FRAME_CLASSES | {str(CTImageStorage), str(MRImageStorage)}
_SHARED, _PER_FRAME, _FRAME_TYPE = 0x52009229, 0x52009230, 0x00089007
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: Detail of an object that is a capture by its class, whatever it shows.
SECONDARY_CAPTURE = "secondary capture by its class"

#: Words of ImageType (PS3.3 C.7.6.1.1.2) that mark screens and papers, not scanner images.
_HELD_WORDS = ("SCREEN", "PASTED", "DOSE", "REPORT", "CAPTURE", "GRAPH", "SUMMARY", "SAVE")
#: Reconstructions that scanners label DERIVED\SECONDARY although they are image data.
_DERIVED_MAPS = {"ADC", "EADC", "DIFFUSION", "TRACEW", "FA", "TENSOR", "MEAN", "SUB", "SUBTRACTION"}
_REFORMATS = {"MPR", "MIP", "MINIP", "MNIP", "AVERAGE", "REFORMATTED", "RESAMPLED", "PROJECTION"}
_DIXON_PARTS = {"WATER", "FAT", "IN_PHASE", "OUT_PHASE", "OPP_PHASE", "IP", "OP", "W", "F", "FF"}
_RECONSTRUCTION_WORDS = (
    _DERIVED_MAPS
    | _REFORMATS
    | _DIXON_PARTS
    | {"CSA", "MULTIPLANAR", "COMBINED", "VOLUME", "DIXON"}
)
_OVERLAY_FIRST, _OVERLAY_LAST, _OVERLAY_BIT_POSITION = 0x6000, 0x60FF, 0x0102
#: What the checks of class, burned-in text, origin and frames read; overlays count by being
#: there. Where all this is alike, these checks say the same of every instance of a series.
READ_BY_SERIES_CHECKS = frozenset(
    tag_of(keyword)
    for keyword in ("SOPClassUID", "BurnedInAnnotation", "ImageType", "ConversionType")
) | {
    *(_SHARED, _PER_FRAME, tag_of("NumberOfFrames")),
    *(g << 16 | _OVERLAY_BIT_POSITION for g in range(_OVERLAY_FIRST, _OVERLAY_LAST, 2)),
}


def check_admission(header: Header, *, looked_at: bool = False) -> Refusal | None:
    """Return why an object is set aside, or None when it is admitted.

    The checks run from identity to pixels; the first that says no gives the reason. Where a
    person has looked at the picture, its header need not rule text and screens out; all else
    is asked all the same.
    """
    pictures = () if looked_at else (_burned_in_reason, _origin_reason)
    return _first_reason(
        header,
        _class_reason,
        _uid_reason,
        *pictures,
        _frames_reason,
        check_pixel_bytes,
    )


def is_admitted_instance(sop_uid: bytes, stated: StatedPixels, pixels: bytes | memoryview) -> bool:
    """Check what differs between the instances of a series; see `READ_BY_SERIES_CHECKS`.

    UIDs of study and series apart: who asks knows that they are those of an admitted instance.
    """
    return (
        bool(pixels) and _is_uid(decode_text(sop_uid)) and not check_native_pixels(stated, pixels)
    )


def _first_reason(header: Header, *checks: Callable[[Header], Refusal | None]) -> Refusal | None:
    return next((reason for check in checks if (reason := check(header)) is not None), None)


def _texts(header: Header, keyword: str) -> tuple[str, ...]:
    return texts_of(header.get(tag_of(keyword)))


def _text(header: Header, keyword: str) -> str:
    return decode_text(header.get(tag_of(keyword)))


def _class_reason(header: Header) -> Refusal | None:
    sop_class = _text(header, "SOPClassUID")
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(_SECONDARY_CAPTURE + "."):
        return Refusal(ReasonCode.SECONDARY_OR_DERIVED, SECONDARY_CAPTURE)
    admitted = sop_class in ADMITTED_CLASSES
    return None if admitted else Refusal(ReasonCode.SOP_CLASS_NOT_ADMITTED)


def _uid_reason(header: Header) -> Refusal | None:
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if not _is_uid(_text(header, keyword)):
            return Refusal(ReasonCode.MISSING_UID)
    return None


def _is_uid(text: str) -> bool:
    return UID_FORM.fullmatch(text) is not None and len(text) <= 64


def _burned_in_reason(header: Header) -> Refusal | None:
    stated = _text(header, "BurnedInAnnotation")
    if stated not in ("", "NO"):
        return Refusal(ReasonCode.BURNED_IN_ANNOTATION, "BurnedInAnnotation")
    # An overlay group without data of its own, or at a bit above the first, lies in unused
    # bits of the pixels (PS3.3 C.9.2): it would travel inside bytes that we carry over.
    groups = {e.group for e in header.elements.values()}
    overlays = {g for g in groups if _OVERLAY_FIRST <= g <= _OVERLAY_LAST and g % 2 == 0}
    if any(
        (g << 16 | 0x3000) not in header.elements
        or header.get(g << 16 | _OVERLAY_BIT_POSITION).strip(b"\0 ") not in (b"", b"0")
        for g in overlays
    ):
        return Refusal(ReasonCode.BURNED_IN_ANNOTATION, "an overlay in the pixels")
    return None


def _origin_reason(header: Header) -> Refusal | None:
    image_type = [t.upper() for t in _texts(header, "ImageType")]
    if len(image_type) < 2 or _text(header, "ConversionType"):
        return Refusal(ReasonCode.SECONDARY_OR_DERIVED)
    every = [*image_type, *_frame_types(header)]
    if any(word in value for value in every for word in _HELD_WORDS):
        return Refusal(ReasonCode.SECONDARY_OR_DERIVED)
    if image_type[1] == "PRIMARY" and image_type[0] in ("ORIGINAL", "DERIVED", "MIXED"):
        return None
    words = {w for value in image_type[2:] for w in value.replace("/", " ").split()}
    reconstructed = image_type[:2] == ["DERIVED", "SECONDARY"] and words & _RECONSTRUCTION_WORDS
    return None if reconstructed else Refusal(ReasonCode.SECONDARY_OR_DERIVED)


def _frame_types(header: Header) -> set[str]:
    groups = (header.elements[t] for t in (_SHARED, _PER_FRAME) if t in header.elements)
    below = (e for group in groups for item in group.items or () for e in walk(item))
    types = {e.value for e in below if e.tag == _FRAME_TYPE}
    return {text.upper() for value in types for text in texts_of(value)}


def _frames_reason(header: Header) -> Refusal | None:
    """Say whether a multi-frame object has one item of functional groups for each frame."""
    if _text(header, "SOPClassUID") not in MULTI_FRAME_CLASSES:
        return None
    shared, per_frame = (header.elements.get(tag) for tag in (_SHARED, _PER_FRAME))
    if shared is None or per_frame is None:
        return Refusal(ReasonCode.UNPARSABLE)
    if len(shared.items or ()) != 1 or len(per_frame.items or ()) != frames_of(header):
        return Refusal(ReasonCode.UNPARSABLE)
    return None
