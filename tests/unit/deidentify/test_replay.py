"""Replayed files are what the plain path makes of them; what does not follow goes there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from schemas.dicom import header_view
from schemas.dicom.elements import PIXEL_DATA, Header, RawElement, Scanner, scan_file
from schemas.dicom.header_values import NotPlainError
from schemas.identifiers import RawPatientId
from schemas.records import SubjectAssignment
from tasks.deidentify.deidentified import DeidentifiedObject, NotAsPlannedError
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan import admission
from tasks.deidentify.plan.admission import READ_BY_SERIES_CHECKS, check_admission
from tasks.deidentify.plan.pixel_bytes import STATED_OF_PIXELS, stated_pixels
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory, replay
from tasks.deidentify.rules.profile import load_profile, tag_of
from tasks.deidentify.search.layouts import Layouts
from tests.builders import make_series, to_bytes
from tests.unit.deidentify.helpers import RING, anyone
from tests.unit.deidentify.test_memory import as_big_endian, as_implicit, corpus

Mutation = Callable[[Dataset], object]


class Watched(dict[int, RawElement]):
    """Elements that take note of which are read."""

    def __init__(self, elements: dict[int, RawElement], read: set[int]) -> None:
        super().__init__(elements)
        self._read = read

    def get(self, key: int, default: object = None) -> RawElement | None:  # type: ignore[override]  # only what is read counts
        self._read.add(key)
        return super().get(key)

    def __getitem__(self, key: int) -> RawElement:
        self._read.add(key)
        return super().__getitem__(key)


def plain(raw: bytes) -> DeidentifiedObject | Refusal:
    return deidentify_object(raw, load_profile(), anyone, RING.uid)


def replayed(raw: bytes, memory: Memory) -> DeidentifiedObject | None:
    return replay(raw, memory, load_profile(), anyone, RING.uid)


def learned(*raws: bytes) -> Memory:
    memory = Memory()
    for raw in raws:
        deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
    return memory


def series(n_slices: int = 6, mutate: Mutation = lambda data: None) -> list[bytes]:
    slices = make_series(n_slices=n_slices)
    for data in slices:
        mutate(data)
    return [to_bytes(data) for data in slices]


def require_same(done: DeidentifiedObject | None, raw: bytes) -> None:
    expected = plain(raw)
    assert isinstance(expected, DeidentifiedObject)
    assert done == expected
    assert done.output == expected.output


def test_a_file_of_a_learned_series_is_replayed_to_the_bytes_of_the_plain_path() -> None:
    first, second, *others = series()
    memory = learned(first, second)
    for raw in others:
        require_same(replayed(raw, memory), raw)


def test_implicit_and_big_endian_files_are_replayed_as_well() -> None:
    for make in (as_implicit, as_big_endian):
        memory = learned(make())
        require_same(replayed(make(), memory), make())


def test_what_was_learned_of_one_series_holds_for_no_other_person() -> None:
    first, second, third, *_ = series()
    memory = learned(first, second)

    def other(patient_id: RawPatientId) -> SubjectAssignment | None:
        return anyone(RawPatientId("OTHER"))

    assert replay(third, memory, load_profile(), other, RING.uid) is None
    assert replay(third, memory, load_profile(), lambda _: None, RING.uid) is None
    assert replay(third, memory, load_profile(), anyone, lambda uid: uid) is None


def _patient(data: Dataset) -> None:
    data.PatientID = data.PatientID[:-1] + "X"


def _birth(data: Dataset) -> None:
    data.PatientBirthDate = "19570101"


def _study_date(data: Dataset) -> None:
    data.StudyDate = "20240102"


def _charset(data: Dataset) -> None:
    data.SpecificCharacterSet = "GB18030"


def _private(data: Dataset) -> None:
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "800")


def _nested(data: Dataset) -> None:
    item = Dataset()
    item.PatientName = "Zhang^Weiming"
    data.OriginalAttributesSequence = [item]


def _burned(data: Dataset) -> None:
    data.BurnedInAnnotation = "YES"


def _screen(data: Dataset) -> None:
    data.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]


def _overlay(data: Dataset) -> None:
    data.add_new(0x60000100, "US", 1)


def _no_uid(data: Dataset) -> None:
    data.SOPInstanceUID = ""


def _short(data: Dataset) -> None:
    data.PixelData = data.PixelData[:-2]


def _longer(data: Dataset) -> None:
    data.PixelData += b"Zhang Weiming "


def _implicit(data: Dataset) -> None:
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


@pytest.mark.parametrize(
    "mutate",
    [
        _patient,
        _birth,
        _study_date,
        _charset,
        _private,
        _nested,
        _burned,
        _screen,
        _overlay,
        _no_uid,
        _short,
        _longer,
        _implicit,
    ],
    ids=lambda m: m.__name__,
)
def test_a_file_that_differs_in_more_than_a_slice_goes_the_plain_path(mutate: Mutation) -> None:
    slices = make_series(n_slices=3)
    memory = learned(*(to_bytes(data) for data in slices[:2]))
    changed = dcmread(BytesIO(to_bytes(slices[2])))
    mutate(changed)
    raw = to_bytes(changed)
    assert replayed(raw, memory) is None
    assert deidentify_object(raw, load_profile(), anyone, RING.uid, memory) == plain(raw)


def test_pixels_of_another_length_are_written_with_their_own() -> None:
    # Zeros behind the last pixel are padding, and go out as they came.
    slices = make_series(n_slices=4)
    slices[2].PixelData += bytes(2)
    first, second, longer, last = (to_bytes(data) for data in slices)
    memory = learned(first, second)
    for raw in (longer, last, longer):
        done = deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
        assert isinstance(done, DeidentifiedObject)
        require_same(done, raw)


@pytest.mark.parametrize(
    "stated",
    [
        {"BitsStored": 11, "HighBit": 10},
        {"PixelPaddingValue": 1},
        {"PhotometricInterpretation": "RGB"},
    ],
    ids=lambda stated: next(iter(stated)),
)
def test_a_file_that_states_its_pixels_otherwise_is_checked_by_what_it_states(
    stated: dict[str, object],
) -> None:
    slices = make_series(n_slices=3, PixelPaddingValue=63000)
    for data in slices:
        data.PixelData = struct.pack("<H", 63000) + data.PixelData[2:]
    for keyword, value in stated.items():
        setattr(slices[2], keyword, value)
    first, second, third = (to_bytes(data) for data in slices)
    memory = learned(first, second)
    assert isinstance(plain(third), Refusal)
    assert deidentify_object(third, load_profile(), anyone, RING.uid, memory) == plain(third)


@pytest.mark.parametrize("known", [b"IS\2\0ab", b"IS\0\0"], ids=["no number", "empty"])
def test_a_number_where_the_file_before_had_none_is_decided_anew(known: bytes) -> None:
    head = b"\x20\x00\x13\x00"
    usual = [to_bytes(data) for data in make_series(n_slices=3)]
    number = head + b"IS\2\0001 "
    assert usual[0].count(number) == 1
    memory = learned(usual[0].replace(number, head + known))
    for raw in (*usual[1:], usual[0]):
        done = deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
        assert done == plain(raw)


def test_values_that_only_the_full_parser_reads_go_the_plain_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object) -> None:
        raise NotPlainError

    first, second, third, *_ = series()
    memory = learned(first, second)
    assert replayed(third, memory) is not None
    monkeypatch.setattr(header_view, "plain_value", refuse)
    assert replayed(third, memory) is None


def test_what_the_plan_reads_of_pixels_is_all_that_may_not_be_taken_over() -> None:
    for raw in corpus():
        known = scan_file(raw)
        read: set[int] = set()
        elements = Watched(known.elements, read)
        stated_pixels(Header(known.transfer_syntax, known.encoding, elements, known.meta))
        assert read <= STATED_OF_PIXELS


def test_a_text_that_differs_within_a_series_is_decided_anew() -> None:
    def describe(data: Dataset, number: list[int] = [0]) -> None:  # noqa: B006  counts the slices
        number[0] += 1
        data.SeriesDescription = f"t1 vibe {number[0]}"
        data.PatientComments = f"Zhang Weiming {number[0]}"

    first, second, third, *_ = series(mutate=describe)
    memory = learned(first, second)
    done = replayed(third, memory)
    require_same(done, third)
    assert done is not None
    assert b"Zhang" not in done.output


@pytest.mark.parametrize("length", [0, 131, 133, 400, -700, -1])
def test_a_file_cut_short_is_never_replayed(length: int) -> None:
    first, second, third, *_ = series()
    assert replayed(third[:length], learned(first, second)) is None


def test_the_checks_of_a_series_read_nothing_that_may_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: set[int] = set()
    monkeypatch.setattr(admission, "_uid_reason", lambda header: None)
    monkeypatch.setattr(admission, "check_pixel_bytes", lambda header: None)
    for raw in corpus():
        known = scan_file(raw)
        elements = Watched(known.elements, read)
        check_admission(Header(known.transfer_syntax, known.encoding, elements, known.meta))
    assert read <= READ_BY_SERIES_CHECKS


def test_a_replayed_file_whose_bytes_read_otherwise_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third, *_ = series()
    memory = learned(first, second)
    scanned = Scanner.elements
    monkeypatch.setattr(Scanner, "elements", lambda *args: scanned(*args)[:-1])
    with pytest.raises(NotAsPlannedError, match="other elements"):
        replayed(third, memory)


def test_a_layout_gives_the_place_that_a_scan_gives() -> None:
    layouts = Layouts()
    for raw in [*series(), *corpus(), *series()]:
        place, header = layouts.find(raw, len(raw)), scan_file(raw)
        layouts.learn(raw, header)
        if place is not None:
            begin, end = place.pixels_begin, place.pixels_end
            assert raw[begin:end] == header.get(PIXEL_DATA)
            assert place.patient_id == header.get(tag_of("PatientID"))
            # What stands before the pixels is enough; one byte less is not.
            assert layouts.find(raw[:begin], len(raw)) == place
            assert layouts.find(raw[: begin - 1], len(raw)) is None
            assert layouts.find(raw[:begin], end - 1) is None
    one = series()[0]
    assert layouts.find(one, len(one)) is not None


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["ge_ct_chest_abdomen_pelvis", "ge_mr/05_3D_Ax_T1_MP_RAGE_R22"])
def test_real_series_are_replayed_to_the_same_bytes(real_dicom: Path, folder: str) -> None:
    memory, n_replayed = Memory(), 0
    for path in sorted(p for p in (real_dicom / folder).iterdir() if p.is_file())[:40]:
        raw = path.read_bytes()
        done = replayed(raw, memory)
        if done is None:
            deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
        else:
            n_replayed += 1
            require_same(done, raw)
    assert n_replayed > 30
