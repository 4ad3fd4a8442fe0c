"""What a night hands to conversion: new instances, what earlier nights brought, what was stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.handover.records import ReceivedExport
from schemas.handover.workbench import Workbench
from schemas.identifiers import BatchId, SeriesUid, Sha256, SiteCode, SopUid
from schemas.records import DeliveredFile, Delivery, FileKind, FileOutcome
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.zones import Zones
from schemas.states import FileState
from schemas.tables.record_tables import table_from_records
from tasks.convert.counts import StatedCounts
from tasks.convert.store import convert_many
from tasks.convert.store_series import SeriesJob
from tasks.convert.store_warehouse import series_jobs
from tests.builders import make_series, to_bytes

SITE = SiteCode("S91")


def night(home: Path, slices: Sequence[Dataset], absent: tuple[str, ...] = ()) -> list[SeriesJob]:
    """Return the jobs of a night that brings these slices, staged as de-identified."""
    bench = Workbench(Zones(home=home), SITE, BatchId("b2"))
    bench.open()
    files, outcomes = [], []
    for number, data in enumerate(slices, start=1):
        digest = Sha256(f"{number:064d}")
        files.append(
            DeliveredFile(number, f"dicom/x/{number}", str(home), 1, digest, FileKind.IMAGE)
        )
        outcomes.append(
            FileOutcome(
                file_no=number,
                state=FileState.ACCEPTED,
                source_sha256=digest,
                size_bytes=1,
                output_sha256=sha256_of_bytes(to_bytes(data)),
                sop_uid=SopUid(str(data.SOPInstanceUID)),
                features=read_features(data),
            )
        )
        write(bench.dicom / str(data.SeriesInstanceUID), data)
    digest = Sha256("0" * 64)
    delivery = Delivery(SITE, bench.batch, digest, digest, tuple(files), absent)
    bench.leave(ReceivedExport(delivery))
    return series_jobs(bench, outcomes, ())


def commit_earlier(home: Path, slices: Sequence[Dataset]) -> None:
    """Put slices where a committed night leaves them."""
    zones = Zones(home=home)
    for data in slices:
        write(zones.dicom_series(SITE, SeriesUid(str(data.SeriesInstanceUID))), data)
    folder = zones.warehouse / "batches" / SITE / "b1"
    folder.mkdir(parents=True)
    rows = [read_features(data) for data in slices]
    table = table_from_records(rows, InstanceFeatures, key=["sop_uid"])
    pq.write_table(table, folder / "instance.parquet")


def write(folder: Path, data: Dataset) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{data.SOPInstanceUID}.dcm").write_bytes(to_bytes(data))


def test_a_night_hands_the_absent_files_of_its_manifest_to_conversion(tmp_path: Path) -> None:
    (job,) = night(tmp_path, make_series(n_slices=4), ("dicom/x/5", "dicom/y/1"))
    assert job.stated == StatedCounts(n_absent=1)


@pytest.mark.parametrize("uid_per_slice", [False, True])
def test_a_series_torn_across_two_nights_is_converted_whole(
    tmp_path: Path, uid_per_slice: bool
) -> None:
    slices = make_series(n_slices=12, SeriesNumber=4)
    if uid_per_slice:
        for number, data in enumerate(slices):
            data.SeriesInstanceUID += f".{number}"
    commit_earlier(tmp_path, slices[:6])
    (job,) = night(tmp_path, slices[6:])
    (records,) = convert_many([job], tmp_path / "scratch")
    (record,) = records
    assert (record.n_instances, record.dim_z, record.round_trip_ok) == (12, 12, True)
    assert record.codes == (("UID_PER_SLICE",) if uid_per_slice else ())


def test_a_slice_that_no_night_brought_is_missed(tmp_path: Path) -> None:
    slices = make_series(n_slices=12)
    commit_earlier(tmp_path, slices[:6])
    (job,) = night(tmp_path, slices[7:])
    ((record,),) = convert_many([job], tmp_path / "scratch")
    assert (record.codes, record.file_name) == (("MISSING_SLICE",), None)


def test_a_series_of_an_earlier_night_alone_is_not_converted_again(tmp_path: Path) -> None:
    commit_earlier(tmp_path, make_series(n_slices=6))
    later = make_series(n_slices=6)
    for data in later:
        data.SeriesInstanceUID += ".9"
        data.SOPInstanceUID += ".9"
    (job,) = night(tmp_path, later)
    assert {str(m.series_uid) for m in job.features} == {str(later[0].SeriesInstanceUID)}


def test_what_deidentification_hashed_is_hashed_no_more_and_gives_the_same_volume(
    tmp_path: Path,
) -> None:
    slices = make_series(n_slices=6)
    commit_earlier(tmp_path, slices[:2])
    (job,) = night(tmp_path, slices[2:])
    # Of an earlier night's files nobody told it: they are read.
    assert set(job.known) == {str(data.SOPInstanceUID) for data in slices[2:]}
    unknown = replace(job, known={}, out_dir=tmp_path / "unknown")
    convert_many([job, unknown], tmp_path / "scratch")
    names = sorted(path.name for path in job.out_dir.iterdir())
    assert len(names) == 3
    for name in names:
        assert (job.out_dir / name).read_bytes() == (unknown.out_dir / name).read_bytes()
