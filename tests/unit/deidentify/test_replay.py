"""Replayed files are what the plain path makes of them; what does not follow goes there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from schemas.dicom.elements import PIXEL_DATA, Header, RawElement, scan_file
from schemas.identifiers import RawPatientId
from schemas.records import SubjectAssignment
from schemas.states import ReasonCode
from tasks.deidentify import replay as replay_module
from tasks.deidentify import template
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.job_records import Job, JobResult
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan import admission, plan
from tasks.deidentify.plan.admission import READ_BY_SERIES_CHECKS, check_admission
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory, replay
from tasks.deidentify.rules.profile import Action, load_profile, tag_of
from tasks.deidentify.search.layouts import Layouts
from tasks.deidentify.store_worker import Subjects, run_job, start_worker
from tests.builders import make_series, to_bytes
from tests.unit.deidentify.helpers import RING, SITE, anyone
from tests.unit.deidentify.test_memory import as_big_endian, as_implicit, corpus

Mutation = Callable[[Dataset], object]


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

    class Watched(dict[int, RawElement]):
        def get(self, key: int, default: object = None) -> RawElement | None:  # type: ignore[override]  # only what is read counts
            read.add(key)
            return super().get(key)

        def __getitem__(self, key: int) -> RawElement:
            read.add(key)
            return super().__getitem__(key)

    monkeypatch.setattr(admission, "_uid_reason", lambda header: None)
    monkeypatch.setattr(admission, "check_pixel_bytes", lambda header: None)
    for raw in corpus():
        known = scan_file(raw)
        check_admission(
            Header(known.transfer_syntax, known.encoding, Watched(known.elements), known.meta)
        )
    assert read <= READ_BY_SERIES_CHECKS


def test_a_replayed_file_whose_bytes_pydicom_reads_otherwise_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third, *_ = series()
    memory = learned(first, second)
    monkeypatch.setattr(template, "read_dataset", lambda *args: Dataset())
    with pytest.raises(Exception, match="other elements"):
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


class PlantedError(Exception):
    """What no code expects."""


def _fail(*args: object, **kwargs: object) -> None:
    raise PlantedError("Zhang^Weiming 88123456")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[], JobResult]]:
    """Two files of a series have been learned; returns what becomes of the third."""
    paths = [tmp_path / f"{number}" for number in range(3)]
    for path, raw in zip(paths, series(3), strict=True):
        path.write_bytes(raw)
    staging = tmp_path / "staging"
    staging.mkdir()
    start_worker(Subjects(RING, site=SITE), staging, 60.0)
    jobs = [Job(number, path, path.stat().st_size) for number, path in enumerate(paths)]
    assert all(run_job(job).reason is None for job in jobs[:2])
    yield lambda: run_job(jobs[2])
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (replay_module, "check_instance"),
        (replay_module, "harvest_element"),
        (replay_module, "reread_features"),
        (template, "plan_element"),
        (template, "outcome_of"),
        (template, "element_parts"),
        (template, "encode_start"),
        (template, "file_meta"),
        (template, "read_dataset"),
        (plan, "texts_of"),
    ],
)
def test_a_fault_while_replaying_holds_the_object(
    module: ModuleType,
    name: str,
    worker: Callable[[], JobResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, _fail)
    result = worker()
    assert result.reason is ReasonCode.STAGE_FAILED
    assert result.error == "PlantedError"
    assert "Zhang" not in repr(result)


@pytest.mark.parametrize("action", [Action.KEEP, Action.UID, Action.PIXELS], ids=str)
def test_a_fault_in_a_rule_while_replaying_holds_the_object(
    action: Action, worker: Callable[[], JobResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plan._ACTORS, action, _fail)
    assert worker().reason is ReasonCode.STAGE_FAILED


def test_without_a_fault_the_third_file_is_replayed_and_written(
    worker: Callable[[], JobResult],
) -> None:
    result = worker()
    assert result.reason is None
    assert result.staged is not None
    assert hashlib.sha256(result.staged.read_bytes()).hexdigest() == result.output_sha256
