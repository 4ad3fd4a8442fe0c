"""Values of header attributes from their bytes, where they are plain.

Loading pydicom costs more than reading the headers of a whole series, and nearly every value
asked for is text in one character set or one binary number. A header with anything else (an
escape to another character set, several values where one is usual, a value that is not well
formed) is read by pydicom.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import Any

#: Tag and VR by keyword (PS3.6 chapter 6), so that no dictionary need be loaded. Which
#: attributes are read, `features` alone says; a header that is asked for one that is missing
#: here is read by pydicom.
ATTRIBUTES: dict[str, tuple[int, str]] = {
    "ImageType": (0x00080008, "CS"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "SeriesDate": (0x00080021, "DA"),
    "AcquisitionDate": (0x00080022, "DA"),
    "AcquisitionDateTime": (0x0008002A, "DT"),
    "AcquisitionTime": (0x00080032, "TM"),
    "ContentTime": (0x00080033, "TM"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "ManufacturerModelName": (0x00081090, "LO"),
    "PatientSex": (0x00100040, "CS"),
    "ContrastBolusAgent": (0x00180010, "LO"),
    "ContrastBolusAgentSequence": (0x00180012, "SQ"),
    "BodyPartExamined": (0x00180015, "CS"),
    "ScanningSequence": (0x00180020, "CS"),
    "SequenceVariant": (0x00180021, "CS"),
    "ScanOptions": (0x00180022, "CS"),
    "MRAcquisitionType": (0x00180023, "CS"),
    "SequenceName": (0x00180024, "SH"),
    "SliceThickness": (0x00180050, "DS"),
    "KVP": (0x00180060, "DS"),
    "RepetitionTime": (0x00180080, "DS"),
    "EchoTime": (0x00180081, "DS"),
    "InversionTime": (0x00180082, "DS"),
    "MagneticFieldStrength": (0x00180087, "DS"),
    "SpacingBetweenSlices": (0x00180088, "DS"),
    "EchoTrainLength": (0x00180091, "IS"),
    "DeviceSerialNumber": (0x00181000, "LO"),
    "ProtocolName": (0x00181030, "LO"),
    "ContrastBolusStartTime": (0x00181042, "TM"),
    "TriggerTime": (0x00181060, "DS"),
    "GantryDetectorTilt": (0x00181120, "DS"),
    "ConvolutionKernel": (0x00181210, "SH"),
    "ReceiveCoilName": (0x00181250, "SH"),
    "FlipAngle": (0x00181314, "DS"),
    "PatientPosition": (0x00185100, "CS"),
    "DiffusionBValue": (0x00189087, "FD"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "SeriesNumber": (0x00200011, "IS"),
    "AcquisitionNumber": (0x00200012, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "ImagePositionPatient": (0x00200032, "DS"),
    "ImageOrientationPatient": (0x00200037, "DS"),
    "FrameOfReferenceUID": (0x00200052, "UI"),
    "TemporalPositionIdentifier": (0x00200100, "IS"),
    "ImagesInAcquisition": (0x00201002, "IS"),
    "NumberOfSeriesRelatedInstances": (0x00201209, "IS"),
    "SamplesPerPixel": (0x00280002, "US"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "PixelSpacing": (0x00280030, "DS"),
    "BitsAllocated": (0x00280100, "US"),
    "PerFrameFunctionalGroupsSequence": (0x52009230, "SQ"),
    "SharedFunctionalGroupsSequence": (0x52009229, "SQ"),
    "PixelData": (0x7FE00010, "OW"),
}
_ASCII = re.compile(rb"[ -\[\]-~]*")
_CODES = re.compile(rb"[ -~]*")
_UID = re.compile(rb"[0-9.]*")
_INTEGERS = re.compile(rb" *[+-]?\d+ *(?:\\ *[+-]?\d+ *)*")
_DECIMAL = rb" *[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? *"
_DECIMALS = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")*")
_FORM = {
    **dict.fromkeys(("AS", "DA", "DT", "TM", "LO"), _ASCII),
    # Several values: CS often, SH of a reconstruction kernel (Br40f and its strength).
    **dict.fromkeys(("CS", "SH"), _CODES),
    "UI": _UID,
    "IS": _INTEGERS,
    "DS": _DECIMALS,
}
#: Of these the character set says how bytes beyond ASCII read (PS3.5 6.1.2.3).
_IN_CHARSET = ("LO", "SH")
_CODECS = {
    b"": "latin-1",
    b"ISO_IR 6": "latin-1",
    b"ISO_IR 100": "latin-1",
    b"ISO_IR 192": "utf-8",
    b"GB18030": "gb18030",
}
#: Of several values, where Chinese is written after an escape (PS3.3 C.12.1.1.2, Table C.12-4).
_WITH_GB2312 = (rb"\ISO 2022 IR 58", rb"ISO 2022 IR 6\ISO 2022 IR 58")
_TO_GB2312 = b"\x1b$)A"
_CONTROL = re.compile("[\0-\x1f\\\\]")
#: The VR of values that their writer knew nothing of (PS3.5 6.2.2).
UNKNOWN = "UN"
_BINARY = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "FL": "<f", "FD": "<d"}
_MEMORY = 1 << 14


class NotPlainError(Exception):
    """A value that the full parser must read."""


@lru_cache(maxsize=_MEMORY)
def plain_value(vr: str, value: bytes, charset: bytes = b"") -> Any:
    """Return a well-formed value: text, a list of texts, or a number of a binary VR.

    pydicom gives numbers for the text VRs IS and DS; here they stay text.

    Parameters
    ----------
    vr : str
    value : bytes
    charset : bytes
        SpecificCharacterSet (0008,0005) as it stands in the file.

    Raises
    ------
    NotPlainError
        If it is anything else.
    """
    if not value.rstrip(b" \0") and (vr in _FORM or not value):
        return ""
    code = _BINARY.get(vr)
    if code is not None:
        if len(value) != struct.calcsize(code):
            raise NotPlainError
        return struct.unpack(code, value)[0]
    form, kept = _FORM.get(vr), value.rstrip(b" \0")
    if form is None:
        raise NotPlainError
    if not form.fullmatch(kept):
        return _decoded(vr, kept, charset)
    parts = kept.decode("ascii").split("\\")
    return parts[0] if len(parts) == 1 else parts


def _decoded(vr: str, value: bytes, charset: bytes) -> str:
    if vr not in _IN_CHARSET:
        raise NotPlainError
    # Padding is behind: of a label after a space, pydicom makes another character set.
    charset = charset.rstrip(b" \0")
    if charset not in _WITH_GB2312:
        return _strictly(value, _CODECS.get(charset))
    # Each piece for itself, or half a character before an escape takes its other half from behind
    # it. As in pydicom the escapes stay: words are parted where one stands.
    first, *chinese = value.split(_TO_GB2312)
    texts = [_strictly(first, "ascii"), *(_strictly(piece, "gb2312") for piece in chinese)]
    return _TO_GB2312.decode("ascii").join(texts)


def _strictly(value: bytes, codec: str | None) -> str:
    if codec is None:
        raise NotPlainError
    try:
        text = value.decode(codec)
    except UnicodeDecodeError as error:
        raise NotPlainError from error
    # Several values, or an escape to another character set.
    if _CONTROL.search(text):
        raise NotPlainError
    return text
