"""What a stage leaves is what the next one takes: the same record, whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import pyarrow as pa
import pytest

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.errors import LivercohortError
from schemas.handover import records as handover
from schemas.handover.records import (
    CheckedBatch,
    ConvertedVolumes,
    LabelledExams,
    LinkedSubjects,
    PublishableRows,
    ReceivedExport,
    SettledImages,
)
from schemas.handover.workbench import Workbench
from schemas.identifiers import BatchId, RawPatientId, Sha256, SiteCode, SopUid, SubjectId
from schemas.identifiers import SubjectNo as No
from schemas.records import (
    CohortLabels,
    DeliveredFile,
    Delivery,
    FileKind,
    FileOutcome,
    SubjectAssignment,
    VolumeRecord,
)
from schemas.run.zones import Zones
from schemas.states import FileState, ReasonCode
from tests.builders import make_series

SITE, DIGEST = SiteCode("S91"), Sha256("ab" * 32)
#: A name that a hospital's Windows wrote in GB18030: it is no UTF-8 and must survive as it is.
FOREIGN = os.fsdecode("dicom/肝.dcm".encode("gb18030"))


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(Zones(tmp_path / "home"), SITE, BatchId("00112233445566aa"))
    bench.open()
    return bench


def outcome(number: int, features: InstanceFeatures | None) -> FileOutcome:
    state = FileState.QUARANTINED if features is None else FileState.ACCEPTED
    reason = ReasonCode.NOT_DICOM if features is None else None
    uid = None if features is None else SopUid(str(features.sop_uid))
    return FileOutcome(number, state, DIGEST, 9, reason, sop_uid=uid, features=features)


def real_features() -> list[InstanceFeatures]:
    return [read_features(data) for data in make_series(n_slices=3, EchoTime=2)]


def records() -> list[object]:
    first, second, third = real_features()
    file = DeliveredFile(1, FOREIGN, Path("/in") / FOREIGN, 9, DIGEST, FileKind.IMAGE)
    person = SubjectAssignment(SITE, SubjectId("S91-A"), No("0007"), (RawPatientId("P 1"),), -31)
    # In no order that a key would give, and with files between that have no header.
    outcomes = (outcome(3, third), outcome(9, None), outcome(1, first), outcome(2, second))
    volume = VolumeRecord(
        subject_id="S91-A",
        study_uid=None,
        series_uid="1.2",
        sub_stack_digest="d",
        verdict="OK",
        codes=("B", "A"),
        instances_at_fault=(),
        split_by=(),
        n_instances=2,
        affine_ras=(0.1, -0.0, 1e-300, 5e300),
    )
    dictionary = pa.array(["A", None]).dictionary_encode()
    return [
        ReceivedExport(Delivery(SITE, BatchId("b"), DIGEST, DIGEST, (file,), (FOREIGN,))),
        LinkedSubjects({RawPatientId("P 1"): person}, {No("0007"): frozenset({"11"})}),
        SettledImages(outcomes, {"1.9": ReasonCode.UID_REUSED}),
        SettledImages((), {}),
        ConvertedVolumes((volume,)),
        LabelledExams((second, first), CohortLabels(series=(), studies=())),
        PublishableRows({"b": pa.table({"x": dictionary}), "a": pa.table({"y": [1.5]})}),
        CheckedBatch((), {"f": "wont_fix"}, {"success": None, "n": [1, 2.0]}, ("R2", "R1")),
    ]


@pytest.mark.parametrize("record", records(), ids=lambda record: type(record).__name__)
def test_what_is_taken_is_what_was_left(bench: Workbench, record: SettledImages) -> None:
    bench.leave(record)
    taken = bench.take(type(record))
    assert taken == record
    assert repr(taken) == repr(record)  # also the kind of each number, which == does not tell


def test_what_is_taken_again_is_what_stands_in_the_file_now(bench: Workbench) -> None:
    first = SettledImages((), {"1.2.3": ReasonCode.UID_REUSED})
    bench.leave(first)
    taken = bench.take(SettledImages)
    assert isinstance(taken.held, dict)
    taken.held.clear()  # what one stage does to its copy is no other's matter
    assert bench.take(SettledImages) == first
    second = SettledImages((), {"1.2.4": ReasonCode.UID_REUSED})
    bench.leave(second)
    assert bench.take(SettledImages) == second
    bench.close()
    with pytest.raises(LivercohortError):
        bench.take(SettledImages)


def test_the_order_of_tables_is_kept(bench: Workbench) -> None:
    bench.leave(PublishableRows({"b": pa.table({}), "a": pa.table({})}))
    assert list(bench.take(PublishableRows).tables) == ["b", "a"]


def test_what_has_columns_travels_as_arrow_and_nothing_of_it_as_a_pickle(bench: Workbench) -> None:
    bench.leave(ConvertedVolumes(()))
    bench.leave(SettledImages((outcome(1, real_features()[0]),), {}))
    names = {path.stem: ZipFile(path).namelist() for path in bench.folder.glob("handover/*.zip")}
    assert names["converted_volumes"] == ["volumes.arrow"]
    assert names["settled_images"] == [
        "outcomes.arrow",
        "outcomes.features.arrow",
        "outcomes.facts.arrow",
        "rest.pickle",
    ]


def test_a_stage_that_has_not_run_is_told_with_what_to_do(bench: Workbench) -> None:
    with pytest.raises(LivercohortError, match="no converted volumes were handed over") as caught:
        bench.take(ConvertedVolumes)
    assert "livercohort ingest S91" in str(caught.value.hint)


def test_a_kill_while_a_stage_leaves_its_result_leaves_the_one_before_or_none(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    bench.leave(SettledImages((), {"1.9": ReasonCode.UID_REUSED}))
    monkeypatch.setattr(os, "fsync", killed)
    for record in (SettledImages((), {}), ConvertedVolumes(())):
        with pytest.raises(KeyboardInterrupt):
            bench.leave(record)
    assert bench.take(SettledImages).held == {"1.9": ReasonCode.UID_REUSED}
    with pytest.raises(LivercohortError):
        bench.take(ConvertedVolumes)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_torn_file_is_never_taken_for_a_whole_one(bench: Workbench, kept: float) -> None:
    bench.leave(SettledImages(tuple(outcome(n, f) for n, f in enumerate(real_features())), {}))
    (path,) = bench.folder.glob("handover/*.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(BadZipFile):
        bench.take(SettledImages)


def test_what_is_handed_over_is_for_its_owner_alone(bench: Workbench) -> None:
    bench.leave(ConvertedVolumes(()))
    (path,) = bench.folder.glob("handover/*")
    assert path.stat().st_mode & 0o077 == 0


def test_every_record_is_frozen_and_says_who_leaves_and_who_takes_it() -> None:
    found = [
        c for c in vars(handover).values() if getattr(c, "__module__", "") == handover.__name__
    ]
    assert len(found) > 15
    for record in found:
        assert is_dataclass(record)
        assert vars(record)["__dataclass_params__"].frozen
        assert " → " in str(record.__doc__).partition(":")[0].partition(";")[0]
        assert fields(record)


def test_a_record_of_another_shape_keeps_values_without_columns(bench: Workbench) -> None:
    bench.leave(Odd((Path("a"),), ((1, "x"),)))
    assert bench.take(Odd) == Odd((Path("a"),), ((1, "x"),))


@dataclass(frozen=True)
class Odd:
    paths: tuple[Path, ...]
    pairs: tuple[tuple[int, str], ...]
