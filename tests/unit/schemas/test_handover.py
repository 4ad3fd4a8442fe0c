"""What a stage leaves is what the next one takes: the same record, of this batch and no other."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from pickle import UnpicklingError

import pytest

from schemas.errors import LivercohortError
from schemas.handover import records as handover
from schemas.handover import workbench
from schemas.handover.records import ConvertedVolumes, ReceivedExport, SettledImages
from schemas.handover.workbench import Workbench
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.records import DeliveredFile, Delivery, FileKind
from schemas.run.zones import Zones
from schemas.states import ReasonCode

SITE, DIGEST = SiteCode("S91"), Sha256("ab" * 32)
#: A name that a hospital's Windows wrote in GB18030: it is no UTF-8 and must survive as it is.
FOREIGN = os.fsdecode("dicom/肝.dcm".encode("gb18030"))


def bench_of(home: Path, batch: str = "00112233445566aa") -> Workbench:
    return Workbench(Zones(home), SITE, BatchId(batch))


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = bench_of(tmp_path)
    bench.open()
    return bench


def received() -> ReceivedExport:
    file = DeliveredFile(1, FOREIGN, f"/in/{FOREIGN}", 9, DIGEST, FileKind.IMAGE)
    return ReceivedExport(Delivery(SITE, BatchId("b"), DIGEST, DIGEST, (file,), (FOREIGN,)))


def as_another_process_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench, "_left", {})


def test_what_is_taken_is_what_was_left(bench: Workbench, tmp_path: Path) -> None:
    left = SettledImages((), {"1.2.3": ReasonCode.UID_REUSED})
    bench.leave(left)
    # Each stage makes a bench of its own from the two codes that it is given.
    assert bench_of(tmp_path).take(SettledImages) is left


def test_what_is_left_again_takes_the_place_of_what_was_left_before(bench: Workbench) -> None:
    bench.leave(SettledImages((), {"1.2.3": ReasonCode.UID_REUSED}))
    second = SettledImages((), {})
    bench.leave(second)
    assert bench.take(SettledImages) is second


def test_the_exports_of_a_night_are_received_before_one_is_worked_on(tmp_path: Path) -> None:
    first, second = bench_of(tmp_path, "a" * 16), bench_of(tmp_path, "b" * 16)
    for bench in (first, second):
        bench.open()
        bench.leave(received())
    for bench in (first, second):
        taken = bench.take(ReceivedExport)
        assert taken == received()
        bench.leave(SettledImages((), {}))
        assert bench.take(ReceivedExport) is taken


def test_what_one_batch_left_is_no_other_s_and_goes_when_the_next_is_worked_on(
    tmp_path: Path,
) -> None:
    refused, following = bench_of(tmp_path, "a" * 16), bench_of(tmp_path, "b" * 16)
    for bench in (refused, following):
        bench.open()
    refused.leave(SettledImages((), {}))
    with pytest.raises(LivercohortError):
        following.take(SettledImages)
    following.leave(ConvertedVolumes(()))
    with pytest.raises(LivercohortError):
        refused.take(SettledImages)


@pytest.mark.parametrize("end", ["open", "close"])
def test_a_batch_that_begins_anew_or_ends_has_nothing_left(bench: Workbench, end: str) -> None:
    bench.leave(received())
    bench.leave(SettledImages((), {}))
    getattr(bench, end)()
    for kind in (ReceivedExport, SettledImages):
        with pytest.raises(LivercohortError):
            bench.take(kind)


def test_a_stage_that_has_not_run_is_told_with_what_to_do(bench: Workbench) -> None:
    with pytest.raises(LivercohortError, match="no converted volumes were handed over") as caught:
        bench.take(ConvertedVolumes)
    assert "livercohort ingest S91" in str(caught.value.hint)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_torn_file_is_never_taken_for_a_whole_one(
    bench: Workbench, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.leave(received())
    (path,) = bench.folder.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    as_another_process_finds_it(monkeypatch)
    with pytest.raises((EOFError, UnpicklingError)):
        bench.take(ReceivedExport)


def test_what_is_written_is_for_its_owner_alone(bench: Workbench) -> None:
    bench.leave(received())
    (path,) = bench.folder.iterdir()
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
