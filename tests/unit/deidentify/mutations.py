"""Ways in which exporters write the attributes that decide, and what became of each.

Elements are written as raw bytes under any VR, so a mutation is what a file would hold, not
what a library lets one write.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from schemas.dicom.deciding_attributes import DecidingAttribute, load_deciding_attributes
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan.rebuild import RebuildError
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.rules.profile import load_profile
from tests.builders import COLUMNS, ROWS, make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, anyone
from tests.unit.deidentify.multi_frame import make_enhanced

Numbers = tuple[float, ...]
SAME, HELD, FINDING, SILENT = "same", "held", "finding", "SILENT"
#: A value that each attribute may have; of the others two.
_VALUES: dict[str, Numbers] = {
    "SamplesPerPixel": (1,),
    "Rows": (ROWS,),
    "Columns": (COLUMNS,),
    "BitsAllocated": (16,),
    "BitsStored": (12,),
    "HighBit": (11,),
    "PixelRepresentation": (0,),
    "NumberOfFrames": (1,),
    "RescaleIntercept": (-1024.5,),
    "ImagePositionPatient": (-20.25, 12.125, 30.0),
    "ImageOrientationPatient": (1.0, 0.0, 0.0, 0.0, 0.6, 0.8),
    "PixelSpacing": (0.75, 0.8125),
    "PixelAspectRatio": (1, 2),
    "DiffusionBValue": (800.0,),
    "DiffusionGradientOrientation": (0.6, 0.0, 0.8),
    "SiemensBValue": (800,),
    "SiemensGradientDirection": (0.6, 0.0, 0.8),
    "SiemensBMatrix": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    "SiemensSlicePosition": (1.5, 2.5, 3.5),
    "GeBValue": (1000000800, 8, 0, 0),
    "UihGradientDirection": (0.6, 0.0, 0.8),
    "DimensionIndexValues": (1, 2),
}
_IN_UNIT = {"GeDiffusionDirectionFrequency", "GeDiffusionDirectionPhase"} | {
    *("GeDiffusionDirectionSlice", "PhilipsDiffusionDirectionRL"),
    *("PhilipsDiffusionDirectionAP", "PhilipsDiffusionDirectionFH"),
}
_OF_ANY_NUMBER = ("EchoNumbers", "DimensionIndexValues")
_NUMBER_VRS = ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD")
_PACKED = {"FD": "d", "FL": "f", "UL": "L", "US": "H", "SS": "h"}
_FRAME_MACROS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "InStackPositionNumber": "FrameContentSequence",
    "FrameAcquisitionNumber": "FrameContentSequence",
}


@dataclass(frozen=True)
class Mutation:
    """An attribute, a place and a way to write it; `numbers` is what it means, None unreadable."""

    row: DecidingAttribute
    place: str
    form: str
    vr: str
    value: bytes | None
    numbers: Numbers | None

    def __str__(self) -> str:
        return f"{self.row.keyword}-{self.place}-{self.form}"


def numeric_rows() -> list[DecidingAttribute]:
    """The attributes whose value is numbers, public and private."""
    rows = load_deciding_attributes()
    return [r for r in rows if r.vr.split("|")[0] in _NUMBER_VRS and "none" not in r.forms]


def mutations() -> Iterator[Mutation]:
    """Every attribute in every form at every place it has."""
    for row in numeric_rows():
        for place in _places(row):
            for form, (vr, value, numbers) in _forms(row).items():
                yield Mutation(row, place, form, vr, value, numbers)


def _places(row: DecidingAttribute) -> list[str]:
    if row.is_private:
        return ["private", "no creator"]
    in_root = row.tag in load_profile().rules[""]
    in_frames = row.keyword in _FRAME_MACROS
    return [*(["root"] if in_root else []), *(["shared", "per frame"] if in_frames else [])]


def _value_of(row: DecidingAttribute) -> Numbers:
    if row.keyword in _IN_UNIT:
        return (0.6,)
    return _VALUES.get(row.keyword, (2.0,))


def _forms(row: DecidingAttribute) -> dict[str, tuple[str, bytes | None, Numbers | None]]:
    numbers, vr = _value_of(row), row.vr.split("|")[0]
    whole = all(n == int(n) for n in numbers)
    text_vr = vr if vr in ("DS", "IS") else "DS"

    def texts(write: Callable[[float], str]) -> bytes:
        value = "\\".join(map(write, numbers)).encode()
        return value + b" " * (len(value) % 2)

    def plain(n: float) -> str:
        return str(int(n)) if n == int(n) else repr(n)

    found: dict[str, tuple[str, bytes | None, Numbers | None]] = {
        "plain": (text_vr, texts(plain), numbers),
        "long text": (text_vr, texts(lambda n: f"{n:.18f}"), numbers),
        "exponent": (text_vr, texts(lambda n: f"{n:.8e}"), numbers),
        "plus sign": (text_vr, texts(lambda n: f"{n:+.4f}"), numbers),
        "decimal comma": (text_vr, texts(lambda n: f"{n:.4f}".replace(".", ",")), numbers),
        "padding": (text_vr, texts(lambda n: f"  {plain(n)} ") + b"\0\0", numbers),
        "as LO": ("LO", texts(plain), numbers),
        "a comma that may part thousands": (text_vr, texts(lambda n: "1,024"), None),
        "words": (text_vr, texts(lambda n: "Zhang"), None),
        "one value too many": (
            text_vr,
            texts(plain).rstrip() + b"\\7\\8\\9\\7\\8",
            (*numbers, 7, 8, 9, 7, 8) if row.keyword in _OF_ANY_NUMBER else None,
        ),
        "not a number": (text_vr, texts(lambda n: "nan"), None),
        "empty": (text_vr, b"", ()),
        "absent": (text_vr, None, ()),
    }
    for binary, code in _PACKED.items():
        if binary in ("FD", "FL") or (whole and all(0 <= n < 32768 for n in numbers)):
            packed = struct.pack(
                f"<{len(numbers)}{code}",
                *numbers if binary in ("FD", "FL") else (int(n) for n in numbers),
            )
            found[f"as {binary}"] = (binary, packed, numbers)
    return found


def build(mutation: Mutation) -> bytes:
    """The file with the mutated attribute."""
    if mutation.place in ("shared", "per frame"):
        return to_bytes(_in_frames(mutation))
    vendors = {"GE": "GE MEDICAL SYSTEMS", "Philips": "Philips Medical Systems"}
    data = make_instance(modality="MR")
    # All bits are stored, so that another number of stored bits is no other image.
    data.Manufacturer = vendors.get(mutation.row.vendor or "", mutation.row.vendor or "SIEMENS")
    tag = mutation.row.tag
    if mutation.row.is_private:
        tag |= 0x1000
        if mutation.place == "private":
            data.add_new(tag & 0xFFFF0000 | 0x10, "LO", mutation.row.creator)
    if mutation.row.keyword == "BitsAllocated":
        return _spliced(to_bytes(data), mutation)
    put(data, tag, mutation)
    return to_bytes(data)


def _spliced(plain: bytes, mutation: Mutation) -> bytes:
    """Exchange BitsAllocated in the written bytes: pydicom needs it to write the pixels."""
    head = struct.pack("<HH", mutation.row.tag >> 16, mutation.row.tag & 0xFFFF)
    before, found, behind = plain.partition(head + b"US\2\0\x10\0")
    assert found
    value = mutation.value
    if value is None:
        return before + behind
    return before + head + mutation.vr.encode() + struct.pack("<H", len(value)) + value + behind


def _in_frames(mutation: Mutation) -> Dataset:
    data = make_enhanced()
    group = data.SharedFunctionalGroupsSequence[0]
    if mutation.place == "per frame":
        group = data.PerFrameFunctionalGroupsSequence[0]
    macro = _FRAME_MACROS[mutation.row.keyword]
    if macro not in group:
        setattr(group, macro, [Dataset()])
    put(group[macro].value[0], mutation.row.tag, mutation)
    return data


def put(data: Dataset, tag: int, mutation: Mutation) -> None:
    """Put the mutated attribute into a data set as the bytes it has."""
    if tag in data:
        del data[tag]
    if mutation.value is not None:
        value = mutation.value
        raw = RawDataElement(BaseTag(tag), mutation.vr, len(value), value, 0, False, True, True)
        data[tag] = raw


def outcome_of(mutation: Mutation) -> str:
    """What de-identification made of the file; `SILENT` is what must never be."""
    try:
        done = deidentify_object(build(mutation), load_profile(), anyone, RING.uid)
    except RebuildError:
        return HELD if mutation.numbers == () else SILENT  # no image without it
    keyword = mutation.row.keyword
    if isinstance(done, Refusal):
        # What cannot be an image any more is held for that.
        named = keyword in done.detail.split(", ") or mutation.row.tag >> 16 == 0x0028
        return HELD if named else SILENT
    if keyword in done.dropped:
        return FINDING
    return SAME if _kept(mutation, done) else SILENT


def _kept(mutation: Mutation, done: DeidentifiedObject) -> bool:
    written: Dataset = dcmread(BytesIO(done.output))
    tag = mutation.row.tag | (0x1000 if mutation.row.is_private else 0)
    inside = _FRAME_MACROS.get(mutation.row.keyword, "")
    if mutation.place == "shared":
        written = written.SharedFunctionalGroupsSequence[0]
    elif mutation.place == "per frame":
        written = written.PerFrameFunctionalGroupsSequence[0]
    if mutation.place in ("shared", "per frame"):
        written = next(iter(written.get(inside) or ()), Dataset())
    after = _numbers(written, tag)
    meant = mutation.numbers
    return (
        meant is not None
        and len(after) == len(meant)
        and all(abs(a - b) <= 1e-6 * max(1.0, abs(b)) for a, b in zip(after, meant, strict=True))
    )


def _numbers(data: Dataset, tag: int) -> Numbers:
    if tag not in data or data[tag].is_empty:
        return ()
    value = data[tag].value
    several = value if data[tag].VM > 1 else [value]
    return tuple(float(v) for v in several)
