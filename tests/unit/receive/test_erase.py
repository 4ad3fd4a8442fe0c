"""Erasure takes one subject's images, rows and quarantined files, and nothing of the others."""

from __future__ import annotations

import json
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.identifiers import SiteCode
from schemas.run.atomic_files import sha256_of_file, write_bytes
from schemas.run.zones import Zones
from schemas.tables.warehouse_index import update_index
from tasks.receive import store_erase
from tasks.receive.store_erase import count_in_inbox, erase_from_warehouse
from tests.builders import make_instance

SITE, GONE, STAYS = SiteCode("S91"), "S91-AAAA2222", "S91-CCCC4444"


def write_batch(zones: Zones) -> Path:
    folder = zones.warehouse / "batches" / SITE / "b1"
    folder.mkdir(parents=True)
    tables = {
        "instance": [
            {
                "subject_id": who,
                "study_uid": f"1.{n}",
                "series_uid": f"1.{n}.1",
                "sop_uid": f"1.{n}.1.1",
            }
            for n, who in enumerate((GONE, STAYS))
        ],
        "file": [{"file_no": n, "sop_uid": f"1.{n}.1.1"} for n in range(2)],
        "volume": [{"series_uid": f"1.{n}.1"} for n in range(2)],
        "finding": [{"object_id": f"1.{n}.1/abc"} for n in range(2)],
        "clinical_demographics": [{"subject_id": who} for who in (GONE, STAYS)],
    }
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    beside = {f"1.{n}.1/abc.json": "0" * 64 for n in range(2)}
    record = {"n_files": 2, "tables": {}, "sidecars": beside}
    (folder / "batch.json").write_text(json.dumps(record))
    for kind in ("dicom", "nifti"):
        for n in range(2):
            place = zones.warehouse / kind / SITE / f"1.{n}.1"
            place.mkdir(parents=True)
            (place / "x").write_bytes(b"x")
    return folder


def write_quarantine(zones: Zones) -> Path:
    folder = zones.restricted / "quarantine" / SITE / "b1"
    folder.mkdir(parents=True)
    names = []
    for patient in ("P-1", "P-2"):
        path = folder / "new.dcm"
        make_instance(PatientID=patient).save_as(path, enforce_file_format=True)
        names.append(sha256_of_file(path))
        path.rename(folder / names[-1])
    lines = [f"{n},dicom/{n}.dcm,{name},NO_LINKAGE,x\n" for n, name in enumerate(names)]
    (folder / "reasons.csv").write_text(
        "file_no,relative_path,sha256,reason,meaning\n" + "".join(lines)
    )
    return folder


def test_only_what_is_the_subjects_goes(tmp_path: Path) -> None:
    zones = Zones(home=tmp_path)
    batch, quarantine = write_batch(zones), write_quarantine(zones)
    update_index(zones, SITE)
    done = erase_from_warehouse(zones, SITE, GONE, ["P-1"])
    assert not list((zones.restricted / "index").iterdir()), "it holds hashes of their UIDs"
    assert (done.series, done.rows, done.quarantined) == (1, 5, 1)
    for path in batch.glob("*.parquet"):
        cells = str(pq.read_table(path).to_pylist())
        assert GONE not in cells
        assert "1.0.1" not in cells
        assert pq.read_metadata(path).num_rows == 1
        note = json.loads((batch / "batch.json").read_text())["tables"][path.stem]
        assert note == {"rows": 1, "sha256": sha256_of_file(path)}
    assert "1.0.1" not in (batch / "batch.json").read_text()
    for kind in ("dicom", "nifti"):
        assert [p.name for p in (zones.warehouse / kind / SITE).iterdir()] == ["1.1.1"]
    assert len(list(quarantine.iterdir())) == 2
    assert len((quarantine / "reasons.csv").read_text().splitlines()) == 2
    again = erase_from_warehouse(zones, SITE, GONE, ["P-1"])
    assert (again.series, again.rows, again.quarantined) == (0, 0, 0)


@pytest.mark.parametrize("n_written", range(8))
def test_an_erasure_that_was_killed_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_written: int
) -> None:
    zones, whole = Zones(home=tmp_path / "killed"), Zones(home=tmp_path / "whole")
    batch, expected = write_batch(zones), write_batch(whole)
    erase_from_warehouse(whole, SITE, GONE, [])
    left = iter(range(n_written))

    def killed(path: Path, data: bytes) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write_bytes(path, data)

    monkeypatch.setattr(store_erase, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt) if n_written < 7 else nullcontext():
        erase_from_warehouse(zones, SITE, GONE, [])
    monkeypatch.undo()
    erase_from_warehouse(zones, SITE, GONE, [])
    assert contents(batch) == contents(expected)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_in_the_inbox_are_counted_and_left(tmp_path: Path) -> None:
    zones = Zones(home=tmp_path)
    export = zones.inbox / SITE / "e"
    export.mkdir(parents=True)
    make_instance(PatientID="P-1").save_as(export / "a", enforce_file_format=True)
    make_instance(PatientID="P-2").save_as(export / "b", enforce_file_format=True)
    (export / "linkage.csv").write_text("study_subject_no,patient_id\n")
    assert count_in_inbox(zones, SITE, ["P-1"]) == 1
    assert len(list(export.iterdir())) == 3


def test_files_in_zips_and_rows_of_forms_in_the_inbox_are_counted_too(tmp_path: Path) -> None:
    zones = Zones(home=tmp_path)
    export = zones.inbox / SITE / "night"
    export.mkdir(parents=True)
    image = BytesIO()
    make_instance(PatientID="P-1").save_as(image, enforce_file_format=True)
    with ZipFile(export / "images.zip", "w", ZIP_DEFLATED) as archive:
        archive.writestr("DICOM/IM0001", image.getvalue())
        archive.writestr("linkage.csv", "study_subject_no,patient_id\nA01, P-1\n")
        archive.writestr("other.csv", "study_subject_no,patient_id\nA02,P-11\n")
    form = "研究编号,性别\nA01,女\n".encode("gb18030")
    (export / "demographics.csv").write_bytes(form)
    (export / "broken.zip").write_bytes((export / "images.zip").read_bytes()[40:])
    assert count_in_inbox(zones, SITE, ["P-1", "A01"]) == 4
    assert count_in_inbox(zones, SITE, ["P-9"]) == 1
