"""A batch counts when its batch.json is in place, and only then."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.handover.records import (
    CheckedBatch,
    CheckedConformity,
    ControlFiles,
    ConvertedVolumes,
    FormsTakenIn,
    MeasuredExams,
    ReceivedExport,
    SettledImages,
)
from schemas.handover.workbench import Workbench
from schemas.identifiers import BatchId, Sha256, SiteCode, SopUid
from schemas.inspection import InspectedPixels, PixelRow
from schemas.records import DeliveredFile, Delivery, FileKind, FileOutcome
from schemas.run.zones import Zones
from schemas.states import FileState, ReasonCode
from schemas.vault.keys import KeyRing
from tasks.inspect.store import known_pixels
from tasks.receive import store_commit
from tasks.receive.accounting import KnownInstance
from tasks.receive.ledger import status_of
from tasks.receive.store import is_committed, known_batch

SITE, BATCH = SiteCode("S91"), BatchId("00112233445566aa")
ANCHORED: list[bytes] = []
RING = KeyRing(bytes(range(32)))


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    zones = Zones(tmp_path / "home")
    zones.create()
    bench = Workbench(zones, SITE, BATCH)
    bench.open()
    source = zones.inbox / "secret name.dcm"
    source.write_bytes(b"not dicom")
    file = DeliveredFile(
        1, "dicom/secret name.dcm", str(source), 9, Sha256("ab" * 32), FileKind.IMAGE
    )
    delivery = Delivery(SITE, BATCH, Sha256("c" * 64), Sha256("d" * 64), (file,))
    bench.leave(ReceivedExport(delivery))
    outcome = FileOutcome(1, FileState.QUARANTINED, Sha256("ab" * 32), 9, ReasonCode.NOT_DICOM)
    bench.leave(SettledImages((outcome,), {}))
    bench.leave(ControlFiles(()))
    bench.leave(FormsTakenIn((), (), None))
    bench.leave(InspectedPixels((), (), ()))
    bench.leave(CheckedConformity(()))
    bench.leave(ConvertedVolumes(()))
    bench.leave(MeasuredExams((), ()))
    bench.leave(CheckedBatch((), {}, {}, ()))
    return bench


def commit(bench: Workbench, *, held: bool = False) -> dict[str, object]:
    store_commit.write_batch_tables(bench, RING.keyed_digest)
    return store_commit.commit(
        bench,
        bench.take(ReceivedExport).delivery,
        store_commit.all_outcomes(bench),
        held=held,
        validation={"success": True},
        edc_export_as_of=None,
        key_id="0" * 8,
        software_version="0.1.0",
        audit_head="0:",
        anchor=ANCHORED.append,
    )


def test_a_committed_batch_has_its_tables_and_their_hashes(bench: Workbench) -> None:
    record = commit(bench)
    folder = bench.zones.batch(SITE, BATCH)
    assert json.loads((folder / "batch.json").read_text()) == record
    assert ANCHORED[-1] == (folder / "batch.json").read_bytes()
    tables = record["tables"]
    assert isinstance(tables, dict)
    assert set(tables) == {p.stem for p in folder.glob("*.parquet")}
    (row,) = pq.read_table(folder / "file.parquet").to_pylist()
    assert row["reason"] == "NOT_DICOM"
    assert row["source_sha256"] == RING.keyed_digest("ab" * 32) != "ab" * 32


def test_quarantined_bytes_stay_with_their_delivered_name_in_the_closed_zone(
    bench: Workbench,
) -> None:
    commit(bench)
    folder = bench.zones.quarantine(SITE, BATCH)
    assert (folder / ("ab" * 32)).read_bytes() == b"not dicom"
    assert "secret name" in (folder / "reasons.csv").read_text()
    outside = [p for p in bench.zones.warehouse.rglob("*") if p.is_file()]
    assert not [p for p in outside if b"secret name" in p.read_bytes()]


def test_a_kill_before_the_rename_leaves_no_batch(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_commit, "canonical_json", killed)
    with pytest.raises(KeyboardInterrupt):
        commit(bench)
    assert not is_committed(bench.zones, SITE, BATCH)
    assert store_commit.read_batches(bench.zones) == []


def test_an_untouched_export_is_known_after_the_commit(bench: Workbench) -> None:
    assert known_batch(bench.zones, SITE, Sha256("c" * 64)) is None
    commit(bench)
    assert known_batch(bench.zones, SITE, Sha256("c" * 64)) == BATCH


def test_a_batch_with_a_blocker_is_held_and_still_accounted_for(bench: Workbench) -> None:
    commit(bench, held=True)
    status = status_of(store_commit.read_batches(bench.zones))
    assert status["adds_up"] is True
    assert status["sites"][0]["batches"][0]["state"] == "held"


def test_the_scratch_is_gone_after_the_commit(bench: Workbench) -> None:
    commit(bench)
    assert list(bench.zones.work.iterdir()) == []


def test_known_instances_are_those_of_committed_batches_and_of_the_studies_asked_for(
    bench: Workbench,
) -> None:
    def accepted(number: int, study: str) -> FileOutcome:
        sop_uid = SopUid(f"2.25.{number}")
        features = InstanceFeatures(
            subject_id="S91-A",
            study_uid=study,
            series_uid=f"{study}.1",
            sop_uid=sop_uid,
            sop_class_uid=None,
        )
        sha256 = Sha256("ab" * 32)
        return FileOutcome(1, FileState.ACCEPTED, sha256, 9, sop_uid=sop_uid, features=features)

    bench.leave(SettledImages((accepted(1, "1.1"),), {}))
    commit(bench)
    other = Workbench(bench.zones, SITE, BatchId("ff112233445566aa"))
    shutil.copytree(bench.zones.batch(SITE, BATCH), bench.zones.batch(SITE, other.batch))
    record = bench.zones.batch(SITE, other.batch) / "batch.json"
    text = record.read_text().replace(BATCH, other.batch)
    record.write_text(text.replace('"committed"', '"held"'))
    found = store_commit.read_known_instances(
        bench.zones, SITE, studies={"1.1", "1.9"}, series=set()
    )
    assert found == [KnownInstance("2.25.1", "1.1", "1.1.1", "S91-A")]
    none = store_commit.read_known_instances(bench.zones, SITE, studies={"1.9"}, series={"1.9.1"})
    assert none == []


def test_instances_held_in_the_warehouse_are_written_with_their_reason(bench: Workbench) -> None:
    settled = bench.take(SettledImages)
    held = {"2.25.7": ReasonCode.STUDY_OF_TWO_SUBJECTS}
    bench.leave(replace(settled, held=held))
    commit(bench)
    table = pq.read_table(bench.zones.batch(SITE, BATCH) / "hold.parquet").to_pylist()
    assert table == [{"sop_uid": "2.25.7", "reason": "STUDY_OF_TWO_SUBJECTS"}]


def test_later_batches_are_not_compared_with_pixels_of_what_was_taken_back(
    bench: Workbench,
) -> None:
    """The search for identifiers comes after the inspection and may take a person back."""
    digest = Sha256("e" * 64)
    taken_back = PixelRow(sop_uid="9.1", series_uid="8.1", subject_id="S91-AAAA2222", digest=digest)
    kept = replace(taken_back, sop_uid="9.2", subject_id="S91-BBBB2222")
    features = InstanceFeatures(
        subject_id="S91-BBBB2222",
        study_uid="7.1",
        series_uid="8.1",
        sop_uid="9.2",
        sop_class_uid=None,
    )
    (strange,) = bench.take(SettledImages).outcomes
    accepted = replace(
        strange, state=FileState.ACCEPTED, reason=None, sop_uid=SopUid("9.2"), features=features
    )
    bench.leave(SettledImages((accepted,), {}))
    bench.leave(InspectedPixels((), (), (taken_back, kept)))
    commit(bench)
    assert known_pixels(bench.zones, {digest}) == [kept]


def test_what_the_inspection_held_is_listed_beside_its_files_and_erased_with_them(
    bench: Workbench,
) -> None:
    from schemas.held_series import LISTING_NAME, HeldSeries, read_listing, without_files

    kept = HeldSeries(hold_id="1", reason=ReasonCode.TEXT_IN_PIXELS, files=("ab" * 32,))
    other = HeldSeries(hold_id="2", reason=ReasonCode.FACE_IN_VIEW, files=("cd" * 32,))
    bench.leave(InspectedPixels((), (kept, other), ()))
    commit(bench)
    listing = bench.zones.quarantine(SITE, BATCH) / LISTING_NAME
    assert listing.stat().st_mode & 0o077 == 0
    assert read_listing(listing.read_bytes()) == (kept, other)
    left = without_files(listing.read_bytes(), {"cd" * 32})
    assert read_listing(left) == (kept,)
