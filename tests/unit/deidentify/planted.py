"""One CT with identifiers planted wherever headers hold text, in six character-set situations.

Text goes in as an ASCII placeholder of the right length and is swapped for its bytes in the
finished file: so wrong labels and missing escapes come out exactly as hospitals write them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.builders import make_instance, to_bytes

HAN_NAME, LATIN_NAME, PHYSICIAN = "张伟明", "Zhang^Weiming", "李建国"
MRN, RESIDENT_ID, MOBILE = "88123456", "11010519491231002X", "13912345678"
HOSPITAL, ADDRESS = "幸福路中心医院", "幸福路十二号"
ACCESSION, BIRTH_DATE, REAL_DATE = "ACC20250306001", "19491231", "20250306"
VALUES = (HAN_NAME, PHYSICIAN, MRN, RESIDENT_ID, MOBILE, HOSPITAL, ADDRESS, ACCESSION)
FORMS = (*VALUES, BIRTH_DATE, REAL_DATE, "Zhang^Weiming", "ZhangWeiming", "zhangweiming", "ZWM")


@dataclass(frozen=True)
class Situation:
    label: str | None
    codec: str
    escape: bytes = b""

    def encode(self, text: str) -> bytes:
        return text.encode() if text.isascii() else self.escape + text.encode(self.codec)


SITUATIONS = {
    "gb18030": Situation("GB18030", "gb18030"),
    "gbk": Situation("GBK", "gbk"),
    "utf-8": Situation("ISO_IR 192", "utf-8"),
    "iso-2022-ir-58": Situation("\\ISO 2022 IR 58", "gb2312", b"\x1b$)A"),
    "gbk labelled latin-1": Situation("ISO_IR 100", "gbk"),
    "gbk unlabelled": Situation(None, "gbk"),
}

#: Text elements of the data set: tag, VR, planted value.
_NAMES = {
    0x00100010: HAN_NAME,
    0x00101001: LATIN_NAME,
    0x00101005: HAN_NAME,
    0x00101060: LATIN_NAME,
    0x00102297: HAN_NAME,
    0x00080090: PHYSICIAN,
    0x0008009C: PHYSICIAN,
    0x00081048: PHYSICIAN,
    0x00081050: PHYSICIAN,
    0x00081060: PHYSICIAN,
    0x00081070: PHYSICIAN,
    0x00321032: PHYSICIAN,
    0x0040A123: HAN_NAME,
}
_TEXTS = {
    (0x00100020, "LO"): MRN,
    (0x00101000, "LO"): RESIDENT_ID,
    (0x00100021, "LO"): HOSPITAL,
    (0x00101040, "LO"): ADDRESS,
    (0x00102154, "SH"): MOBILE,
    (0x001021B0, "LT"): HAN_NAME,
    (0x00104000, "LT"): RESIDENT_ID,
    (0x00080050, "SH"): ACCESSION,
    (0x00200010, "SH"): MRN,
    (0x00380010, "LO"): MRN,
    (0x00401001, "SH"): ACCESSION,
    (0x00400253, "SH"): MRN,
    (0x00080080, "LO"): HOSPITAL,
    (0x00080081, "ST"): ADDRESS,
    (0x00081040, "LO"): HOSPITAL,
    (0x00081010, "SH"): MRN,
    (0x00081030, "LO"): HAN_NAME,
    (0x0008103E, "LO"): "t1 vibe " + HAN_NAME,
    (0x00181030, "LO"): "tra " + MRN,
    (0x00180010, "LO"): HAN_NAME,
    (0x00180024, "SH"): MRN,
    (0x00080070, "LO"): "SIEMENS " + LATIN_NAME,
    (0x00081090, "LO"): "Somatom " + LATIN_NAME,
    (0x00181020, "LO"): "syngo " + MRN,
    (0x00180015, "CS"): MRN,
    (0x00181160, "SH"): MRN,
    (0x00181210, "SH"): MRN,
    (0x00180022, "CS"): MRN,
    (0x00181250, "SH"): LATIN_NAME,
    (0x00181000, "LO"): MRN,
    (0x00182111, "ST"): HAN_NAME,
    (0x00204000, "LT"): HAN_NAME,
    (0x00201040, "LO"): LATIN_NAME,
    (0x00209056, "SH"): MRN,
    (0x00281055, "LO"): HAN_NAME,
    (0x00082111, "ST"): HAN_NAME,
    (0x00321060, "LO"): HAN_NAME,
    (0x00324000, "LT"): HAN_NAME,
    (0x00400254, "LO"): HAN_NAME,
    (0x00400280, "ST"): MOBILE,
    (0x00120063, "LO"): LATIN_NAME,
    (0x00120010, "LO"): HOSPITAL,
    (0x00200011, "IS"): MRN,
    (0x00080032, "TM"): MRN,
    (0x00104000 + 0x10, "UT"): RESIDENT_ID,
    (0x60000022, "LO"): HAN_NAME,
    (0x60001500, "LO"): LATIN_NAME,
    (0x50002500, "LO"): HAN_NAME,
    (0x50000022, "LO"): MRN,
    (0x00090010, "LO"): LATIN_NAME,
    (0x00091001, "LO"): HAN_NAME,
    (0x00190010, "LO"): "SIEMENS MR HEADER",
    (0x0019100D, "CS"): MRN,
    (0x00191008, "LO"): HAN_NAME,
    (0x00510010, "LO"): "SIEMENS MR HEADER",
    (0x0051100F, "LO"): MRN,
}


class _Planter:
    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self.swaps: dict[bytes, bytes] = {}
        self.places = 0

    def element(self, tag: int, vr: str, text: str) -> DataElement:
        self.places += 1
        wanted = self._situation.encode(text)
        number = len(self.swaps)
        # Letters and digits only, unique, as long as the bytes they stand for.
        holder = f"Q{number:03d}".encode().ljust(len(wanted), b"Q")[: len(wanted)]
        self.swaps[holder] = wanted
        # pydicom checks the value when it is set, and not again when the VR changes.
        element = DataElement(tag, "PN" if vr == "PN" else "LO", holder.decode())
        element.VR = vr
        return element


def _item(*elements: DataElement) -> Dataset:
    item = Dataset()
    for element in elements:
        item.add(element)
    return item


def _nested(planter: _Planter) -> list[DataElement]:
    deep = _item(planter.element(0x00100010, "PN", HAN_NAME))
    for tag in (0x00400275, 0x00081115, 0x00081110):
        deep = _item(DataElement(tag, "SQ", Sequence([deep])))
    code = _item(planter.element(0x00080104, "LO", HAN_NAME))
    lut = _item(planter.element(0x00283003, "LO", HAN_NAME))
    original = _item(planter.element(0x00100020, "LO", MRN))
    reference = _item(
        DataElement(0x00081155, "UI", "1.2.3.4"), planter.element(0x0040A123, "PN", HAN_NAME)
    )
    return [
        DataElement(0x00081110, "SQ", deep[0x00081110].value),
        DataElement(0x00081032, "SQ", Sequence([code])),
        DataElement(0x00283000, "SQ", Sequence([lut])),
        DataElement(0x04000561, "SQ", Sequence([original])),
        DataElement(0x00081140, "SQ", Sequence([reference])),
    ]


def plant(situation: Situation) -> tuple[bytes, int]:
    """Return the file and how many identifiers were planted in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom rightly warns of text where numbers belong
        return _plant(situation)


def _plant(situation: Situation) -> tuple[bytes, int]:
    # An object of its own for each situation: of one object, only the first is written.
    number = 1 + list(SITUATIONS.values()).index(situation)
    data = make_instance(instance=number, PatientBirthDate=BIRTH_DATE, PatientAge=None)
    planter = _Planter(situation)
    for tag, value in _NAMES.items():
        data.add(planter.element(tag, "PN", value))
    for (tag, vr), value in _TEXTS.items():
        data.add(planter.element(tag, vr, value))
    for element in _nested(planter):
        data.add(element)
    data.add(DataElement(0x60003000, "OW", bytes(40)))
    if situation.label is None:
        del data.SpecificCharacterSet
    else:
        data.SpecificCharacterSet = "ISO_IR 6"
    data.file_meta.add(planter.element(0x00020016, "AE", LATIN_NAME))
    data.preamble = (LATIN_NAME + " " + MRN).encode().ljust(128, b"\0")
    raw = to_bytes(data)
    for holder, wanted in planter.swaps.items():
        assert raw.count(holder) == 1, holder
        raw = raw.replace(holder, wanted)
    if situation.label is not None:
        raw = _relabel(raw, situation.label)
    return raw, planter.places + 2 + 2  # preamble holds two, the dates of birth and study


def _relabel(raw: bytes, label: str) -> bytes:
    old = b"\x08\x00\x05\x00CS\x08\x00ISO_IR 6"
    value = label.encode() + b" " * (len(label) % 2)
    assert raw.count(old) == 1
    return raw.replace(old, b"\x08\x00\x05\x00CS" + len(value).to_bytes(2, "little") + value)
