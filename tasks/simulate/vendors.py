"""What each vendor writes beyond the common header: physics, b-values, private blocks.

Where the b-value stands: Siemens (0019,xx0C), GE first of four in (0043,xx39) with 1e9
added, Philips (2001,xx03), UIH (0065,xx09). Every vendor's block also carries junk with
identifiers, as private blocks in the wild do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from tasks.simulate.answer_key import Kind, Ledger
from tasks.simulate.hospitals import Scanner, Vendor
from tasks.simulate.people import Person
from tasks.simulate.protocols import SeriesPlan

MANUFACTURERS = {
    Vendor.SIEMENS: "SIEMENS",
    Vendor.GE: "GE MEDICAL SYSTEMS",
    Vendor.PHILIPS: "Philips Medical Systems",
    Vendor.UIH: "UIH",
}
SOFTWARE = {
    Vendor.SIEMENS: "syngo MR E11",
    Vendor.GE: "27\\LX\\MR Software release:DV26.0_R03",
    Vendor.PHILIPS: "5.6.1\\5.6.1.0",
    Vendor.UIH: "uMR V10",
}
_PHILIPS_SCALE_SLOPE = 0.0125
PHILIPS_RESCALE_SLOPE = 1.25


@dataclass(frozen=True)
class Frame:
    """One image of a series: which slice, which pass, which echo, which b-value."""

    instance_number: int
    slice_index: int
    phase_index: int
    echo_index: int
    b_value: float | None


def frames_of(plan: SeriesPlan) -> list[Frame]:
    """Return the frames by InstanceNumber: passes, then echoes or b-values, then slices."""
    frames: list[Frame] = []
    for phase in range(len(plan.phases)):
        for echo in range(len(plan.physics.echo_times_ms)):
            for b_value in plan.b_values or (None,):
                before = len(frames)
                frames.extend(
                    Frame(before + index + 1, index, phase, echo, b_value)
                    for index in range(plan.n_slices)
                )
    return frames


def image_type(vendor: Vendor, plan: SeriesPlan) -> list[str]:
    """Return ImageType as the vendor writes it."""
    if plan.modality == "CT":
        return ["ORIGINAL", "PRIMARY", "AXIAL"]
    if vendor is Vendor.SIEMENS:
        if plan.b_values:
            return ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND", "DIS2D"]
        return ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]
    if vendor is Vendor.PHILIPS:
        component = {"MR_T1_IP": "IP", "MR_T1_OP": "OP"}.get(plan.name_key, "M")
        return ["ORIGINAL", "PRIMARY", f"{component}_FFE" if component == "M" else component]
    return ["ORIGINAL", "PRIMARY", "OTHER"] if vendor is Vendor.GE else ["ORIGINAL", "PRIMARY"]


def add_series_block(
    data: Dataset, scanner: Scanner, plan: SeriesPlan, person: Person, ledger: Ledger
) -> None:
    """Add the vendor's private elements that are the same all through a series."""
    if plan.modality == "CT":
        _add_pacs_junk(data, person, ledger)
        return
    _SERIES_BLOCKS[scanner.vendor](data, plan, person, ledger)


def add_frame_block(data: Dataset, scanner: Scanner, plan: SeriesPlan, frame: Frame) -> None:
    """Add the vendor's private elements that differ from image to image."""
    if plan.modality == "MR":
        _FRAME_BLOCKS[scanner.vendor](data, frame)


def _add_pacs_junk(data: Dataset, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0039, "FICTITIOUS PACS 1.0", create=True)
    han = ledger.plant(person.name_han, Kind.NAME_HAN, "private (0039,xx01)")
    phone = ledger.plant(person.mobile, Kind.MOBILE, "private (0039,xx01)")
    block.add_new(0x01, "LO", f"{han} {phone}")
    blob = ledger.plant(person.resident_id, Kind.RESIDENT_ID, "private (0039,xx02) OB")
    block.add_new(0x02, "OB", b"\x01\x00CARD" + blob.encode() + b"\x00" * 8)


def _siemens_series(data: Dataset, _plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0029, "SIEMENS MEDCOM HEADER2", create=True)
    pinyin = ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (0029,xx60)")
    block.add_new(0x60, "LO", f"com {pinyin}")
    block = data.private_block(0x0051, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0E, "LO", "Tra")
    _add_pacs_junk(data, person, ledger)


def _ge_series(data: Dataset, plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0009, "GEMS_IDEN_01", create=True)
    block.add_new(0x02, "SH", "MR01")
    block.add_new(0x31, "LO", ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (0009)"))
    block = data.private_block(0x0021, "GEMS_RELA_01", create=True)
    block.add_new(0x4F, "SS", plan.n_slices)
    block = data.private_block(0x0025, "GEMS_SERS_01", create=True)
    block.add_new(0x07, "SL", len(frames_of(plan)))
    _add_pacs_junk(data, person, ledger)


def _philips_series(data: Dataset, plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x18, "SL", plan.n_slices)
    block.add_new(0x81, "IS", len(plan.phases))
    block.add_new(0xC8, "LO", ledger.plant(person.name_caret, Kind.NAME_PINYIN, "private (2001)"))
    block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0D, "FL", 0.0)
    block.add_new(0x0E, "FL", _PHILIPS_SCALE_SLOPE)
    _add_pacs_junk(data, person, ledger)


def _uih_series(data: Dataset, _plan: SeriesPlan, person: Person, ledger: Ledger) -> None:
    block = data.private_block(0x0065, "Image Private Header", create=True)
    han = ledger.plant(person.name_han, Kind.NAME_HAN, "private (0065,xx07) OB")
    block.add_new(0x07, "OB", b"uProtocol:" + han.encode("utf-8") + b"\x00")
    _add_pacs_junk(data, person, ledger)


def _siemens_frame(data: Dataset, frame: Frame) -> None:
    block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x18, "IS", [0, 0, -20])
    if frame.b_value is not None:
        block.add_new(0x0C, "IS", int(frame.b_value))
        block.add_new(0x0D, "CS", "ISOTROPIC" if frame.b_value else "NONE")


def _ge_frame(data: Dataset, frame: Frame) -> None:
    block = data.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x2F, "SS", 0)
    if frame.b_value is not None:
        offset = 1_000_000_000 if frame.b_value else 0
        block.add_new(0x30, "SS", 14 if frame.b_value else 2)
        block.add_new(0x39, "IS", [int(frame.b_value) + offset, 8, 0, 0])
        directions = data.private_block(0x0019, "GEMS_ACQU_01", create=True)
        for element in (0xBB, 0xBC, 0xBD):
            directions.add_new(element, "DS", "0")


def _philips_frame(data: Dataset, frame: Frame) -> None:
    block = data.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x08, "IS", 1)
    block.add_new(0x0A, "IS", frame.slice_index + 1)
    block.add_new(0x0B, "CS", "TRANSVERSAL")
    if frame.b_value is not None:
        block.add_new(0x03, "FL", frame.b_value)
        block.add_new(0x04, "CS", "I" if frame.b_value else "N")
        scale = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        for element in (0xB0, 0xB1, 0xB2):
            scale.add_new(element, "FL", 0.0)


def _uih_frame(data: Dataset, frame: Frame) -> None:
    if frame.b_value is not None:
        block = data.private_block(0x0065, "Image Private Header", create=True)
        block.add_new(0x09, "FD", frame.b_value)
        block.add_new(0x37, "FD", [0.0, 0.0, 0.0])


_SeriesBlock = Callable[[Dataset, SeriesPlan, Person, Ledger], None]
_FrameBlock = Callable[[Dataset, Frame], None]
_SERIES_BLOCKS: dict[Vendor, _SeriesBlock] = {
    Vendor.SIEMENS: _siemens_series,
    Vendor.GE: _ge_series,
    Vendor.PHILIPS: _philips_series,
    Vendor.UIH: _uih_series,
}
_FRAME_BLOCKS: dict[Vendor, _FrameBlock] = {
    Vendor.SIEMENS: _siemens_frame,
    Vendor.GE: _ge_frame,
    Vendor.PHILIPS: _philips_frame,
    Vendor.UIH: _uih_frame,
}
