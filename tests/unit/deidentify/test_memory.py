"""What is remembered of series changes no byte: plain de-identification is the reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from schemas.identifiers import RawPatientId
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory
from tasks.deidentify.rules.profile import load_profile
from tests.builders import make_instance, make_series, to_bytes
from tests.unit.deidentify.helpers import RING, anyone, assignment
from tests.unit.deidentify.multi_frame import make_enhanced
from tests.unit.deidentify.planted import SITUATIONS, plant


def corpus() -> list[bytes]:
    """One series, then the same header changed in every way that a decision may depend on."""
    other = make_instance(PatientID="OTHER", SeriesDescription="t2 tse fs")
    private = make_instance(modality="MR")
    block = private.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "800")
    stranger = make_instance(modality="MR")
    block = stranger.private_block(0x0019, "Zhang^Weiming", create=True)
    block.add_new(0x0C, "IS", "800")
    nested = make_instance()
    reference = Dataset()
    reference.ReferencedSOPInstanceUID = "1.2.3.4"
    nested.ReferencedImageSequence = [reference]
    implicit = make_instance()
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    raws = [to_bytes(d) for d in make_series(n_slices=4)]
    raws += [to_bytes(d) for d in (other, private, stranger, nested, make_enhanced())]
    raws += [as_implicit(), as_big_endian()]
    raws += [plant(situation)[0] for situation in SITUATIONS.values()]
    return raws + raws[:3]


def as_implicit() -> bytes:
    return _as(ImplicitVRLittleEndian)


def as_big_endian() -> bytes:
    return _as(ExplicitVRBigEndian)


def _as(syntax: str) -> bytes:
    from io import BytesIO

    data = make_instance(instance=5)
    del data.PixelData
    data.add_new(0x7FE00010, "OW", bytes(640))
    data.file_meta.TransferSyntaxUID = UID(syntax)
    stream = BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    little = syntax != ExplicitVRBigEndian
    data.save_as(stream, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return stream.getvalue()


def run(raw: bytes, memory: Memory | None) -> DeidentifiedObject | Refusal:
    return deidentify_object(raw, load_profile(), anyone, RING.uid, memory)


def test_with_and_without_memory_all_is_the_same() -> None:
    memory, raws = Memory(), corpus()
    for raw in raws:
        assert run(raw, memory) == run(raw, None)


def test_it_does_not_matter_what_came_before() -> None:
    forward, backward, raws = Memory(), Memory(), corpus()
    one = [run(raw, forward) for raw in raws]
    two = [run(raw, backward) for raw in reversed(raws)]
    assert one == two[::-1]


def test_the_same_header_of_another_shift_gives_other_dates() -> None:
    memory, raw = Memory(), to_bytes(make_instance())
    shifts = (400, 500)
    outputs = []
    for days in shifts:

        def assign(patient_id: RawPatientId, days: int = days) -> object:
            return assignment(patient_id, patient_id, shift_days=days)

        done = deidentify_object(raw, load_profile(), assign, RING.uid, memory)  # type: ignore[arg-type]  # a narrower return
        assert isinstance(done, DeidentifiedObject)
        outputs.append(done.features.value("study_date"))
    assert len(set(outputs)) == 2


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["ge_mr/02_Ax_DWI_TENSOR_R3", "siemens_ge_mr_epi/In/20180918Si"])
def test_real_series_are_the_same_with_memory(real_dicom: Path, folder: str) -> None:
    memory = Memory()
    for path in sorted(p for p in (real_dicom / folder).rglob("*") if p.is_file()):
        raw = path.read_bytes()
        assert run(raw, memory) == run(raw, None)
