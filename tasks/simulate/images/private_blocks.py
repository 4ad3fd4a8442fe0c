"""Private elements of each vendor: b-values, scaling, counts, and junk that identifies people.

Where the b-value stands: Siemens (0019,xx0C) and the CSA header, GE first of four in
(0043,xx39) with 1e9 added, Philips (2001,xx03), UIH (0065,xx09). Canon and Neusoft write the
public (0018,9087).
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems

from tasks.simulate.answer_key import Kind, Ledger
from tasks.simulate.images.csa import CsaTag, csa_bytes
from tasks.simulate.images.geometry import plane_of
from tasks.simulate.images.vendors import PHILIPS_SCALE_SLOPE, Frame, frames_of
from tasks.simulate.people.hospitals import Scanner, Vendor
from tasks.simulate.people.people import Person
from tasks.simulate.people.protocols import SeriesPlan

_SLICE_MS = 300.0  # between the slices of an echo-planar volume
# What a CT console of each vendor keeps for itself: group, creator, element.
_CT_BLOCKS: dict[Vendor, tuple[int, str, int]] = {
    Vendor.SIEMENS: (0x0021, "SIEMENS MED", 0x10),
    Vendor.GE: (0x0009, "GEMS_IDEN_01", 0x31),
    Vendor.PHILIPS: (0x00E1, "ELSCINT1", 0x40),
    Vendor.UIH: (0x0065, "Image Private Header", 0x0B),
    Vendor.CANON: (0x7005, "TOSHIBA_MEC_CT3", 0x0F),
    Vendor.NEUSOFT: (0x0009, "NEUSOFT CT 01", 0x20),
}


def add_series_block(
    data: Dataset, scanner: Scanner, plan: SeriesPlan, person: Person, ledger: Ledger
) -> None:
    """Add the vendor's private elements that are the same all through a series."""
    _add_pacs_junk(data, person, ledger)
    if plan.modality == "CT":
        group, creator, element = _CT_BLOCKS[scanner.vendor]
        block = data.private_block(group, creator, create=True)
        place = f"private ({group:04X},xx{element:02X}) {creator}"
        block.add_new(element, "LO", ledger.plant(person.name_caret, Kind.NAME_PINYIN, place))
        return
    _SERIES_BLOCKS[scanner.vendor](data, plan, person, ledger)


def add_frame_block(data: Dataset, scanner: Scanner, plan: SeriesPlan, frame: Frame) -> None:
    """Add the vendor's private elements that differ from image to image."""
    if plan.modality == "MR":
        _FRAME_BLOCKS[scanner.vendor](data, plan, frame)


def _add_pacs_junk(data: Dataset, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0039, "FICTITIOUS PACS 1.0", create=True)
    han = ledger.plant(person.name_han, Kind.NAME_HAN, "private (0039,xx01)")
    phone = ledger.plant(person.mobile, Kind.MOBILE, "private (0039,xx01)")
    block.add_new(0x01, "LO", f"{han} {phone}")
    blob = ledger.plant(person.resident_id, Kind.RESIDENT_ID, "private (0039,xx02) OB")
    block.add_new(0x02, "OB", b"\x01\x00CARD" + blob.encode() + b"\x00" * 8)


def _siemens_series(data: Dataset, _plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    place = "CSA text (0029,xx20)"
    pinyin = ledger.plant(person.name_caret, Kind.NAME_PINYIN, place)
    born = ledger.plant(f"{person.birth_date:%Y%m%d}", Kind.BIRTH_DATE, place)
    text = f'### ASCCONV BEGIN ###\ntPatientName = "{pinyin}"\ntPatientBirthDate = "{born}"\n'
    protocol = CsaTag("MrPhoenixProtocol", "UN", (f"{text}### ASCCONV END ###\n",))
    block.add_new(0x18, "CS", "MR")
    block.add_new(0x20, "OB", csa_bytes([protocol]))
    block = data.private_block(0x0029, "SIEMENS MEDCOM HEADER2", create=True)
    pinyin = ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (0029,xx60)")
    block.add_new(0x60, "LO", f"com {pinyin}")
    block = data.private_block(0x0051, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0E, "LO", "Tra")


def _ge_series(data: Dataset, plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0009, "GEMS_IDEN_01", create=True)
    block.add_new(0x02, "SH", "MR01")
    block.add_new(0x31, "LO", ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (0009)"))
    block = data.private_block(0x0021, "GEMS_RELA_01", create=True)
    block.add_new(0x4F, "SS", plan.n_slices)
    block = data.private_block(0x0025, "GEMS_SERS_01", create=True)
    block.add_new(0x07, "SL", len(frames_of(plan)))


def _philips_series(data: Dataset, plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x18, "SL", plan.n_slices)
    block.add_new(0x81, "IS", len(plan.phases))
    block.add_new(0xC8, "LO", ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (2001)"))
    block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0D, "FL", 0.0)
    block.add_new(0x0E, "FL", PHILIPS_SCALE_SLOPE)


def _uih_series(data: Dataset, plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0065, "Image Private Header", create=True)
    han = ledger.plant(person.name_han, Kind.NAME_HAN, "private (0065,xx07) OB")
    block.add_new(0x07, "OB", b"uProtocol:" + han.encode("utf-8") + b"\x00")
    if plan.tiles:
        block.add_new(0x50, "DS", str(plan.n_slices))
        block.add_new(0x51, "SQ", SqItems(_grid_items(plan)))


def _grid_items(plan: SeriesPlan) -> list[Dataset]:
    items = []
    for index in range(plan.n_slices):
        item, plane = Dataset(), plane_of(plan, index)
        item.ImagePositionPatient = [f"{value:.10g}" for value in plane.position]
        item.ImageOrientationPatient = [f"{value:.10g}" for value in plane.orientation]
        items.append(item)
    return items


def _canon_series(data: Dataset, _plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x700D, "TOSHIBA_MEC_MR3", create=True)
    block.add_new(0x04, "LO", ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (700D)"))


def _neusoft_series(data: Dataset, _plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0009, "NEUSOFT MR 01", create=True)
    block.add_new(0x20, "LO", ledger.plant(person.name_han, Kind.NAME_HAN, "private (0009,xx20)"))


def _siemens_frame(data: Dataset, plan: SeriesPlan, frame: Frame) -> None:
    block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x18, "IS", [0, 0, -20])
    normal = tuple(f"{value:.8f}" for value in plane_of(plan, frame.slice_index).normal)
    tags = [
        CsaTag("PhaseEncodingDirectionPositive", "IS", ("1",)),
        CsaTag("SliceNormalVector", "FD", normal),
    ]
    if plan.tiles:
        moments = [_SLICE_MS * index for index in range(plan.n_slices)]
        block.add_new(0x0A, "US", plan.n_slices)
        block.add_new(0x29, "FD", moments)
        tags += [
            CsaTag("NumberOfImagesInMosaic", "US", (str(plan.n_slices),)),
            CsaTag("MosaicRefAcqTimes", "FD", tuple(f"{moment:.8f}" for moment in moments)),
        ]
    if frame.b_value is not None:
        direction = "ISOTROPIC" if frame.b_value else "NONE"
        block.add_new(0x0C, "IS", int(frame.b_value))
        block.add_new(0x0D, "CS", direction)
        tags += [
            CsaTag("B_value", "IS", (f"{frame.b_value:.0f}",)),
            CsaTag("DiffusionDirectionality", "CS", (direction,)),
        ]
    csa = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    csa.add_new(0x08, "CS", "IMAGE NUM 4")
    csa.add_new(0x10, "OB", csa_bytes(tags))


def _ge_frame(data: Dataset, _plan: SeriesPlan, frame: Frame) -> None:
    block = data.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x2F, "SS", 0)
    if frame.b_value is not None:
        offset = 1_000_000_000 if frame.b_value else 0
        block.add_new(0x30, "SS", 14 if frame.b_value else 2)
        block.add_new(0x39, "IS", [int(frame.b_value) + offset, 8, 0, 0])
        directions = data.private_block(0x0019, "GEMS_ACQU_01", create=True)
        for element in (0xBB, 0xBC, 0xBD):
            directions.add_new(element, "DS", "0")


def _philips_frame(data: Dataset, _plan: SeriesPlan, frame: Frame) -> None:
    block = data.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x08, "IS", frame.phase_index + 1)
    block.add_new(0x0A, "IS", frame.slice_index + 1)
    block.add_new(0x0B, "CS", "TRANSVERSAL")
    if frame.b_value is not None:
        block.add_new(0x03, "FL", frame.b_value)
        block.add_new(0x04, "CS", "I" if frame.b_value else "N")
        scale = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        for element in (0xB0, 0xB1, 0xB2):
            scale.add_new(element, "FL", 0.0)


def _uih_frame(data: Dataset, _plan: SeriesPlan, frame: Frame) -> None:
    if frame.b_value is not None:
        block = data.private_block(0x0065, "Image Private Header", create=True)
        block.add_new(0x09, "FD", frame.b_value)
        block.add_new(0x37, "FD", [0.0, 0.0, 0.0])


def _public_b_value(data: Dataset, _plan: SeriesPlan, frame: Frame) -> None:
    if frame.b_value is not None:
        data.DiffusionBValue = frame.b_value


_SeriesBlock = Callable[[Dataset, SeriesPlan, Person, Ledger], None]
_FrameBlock = Callable[[Dataset, SeriesPlan, Frame], None]
_SERIES_BLOCKS: dict[Vendor, _SeriesBlock] = {
    Vendor.SIEMENS: _siemens_series,
    Vendor.GE: _ge_series,
    Vendor.PHILIPS: _philips_series,
    Vendor.UIH: _uih_series,
    Vendor.CANON: _canon_series,
    Vendor.NEUSOFT: _neusoft_series,
}
_FRAME_BLOCKS: dict[Vendor, _FrameBlock] = {
    Vendor.SIEMENS: _siemens_frame,
    Vendor.GE: _ge_frame,
    Vendor.PHILIPS: _philips_frame,
    Vendor.UIH: _uih_frame,
    Vendor.CANON: _public_b_value,
    Vendor.NEUSOFT: _public_b_value,
}
