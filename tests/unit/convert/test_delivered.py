"""What conversion goes by is held against the delivered header, not the rewritten one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
from schemas.dicom.features import read_features
from schemas.errors import BadInputError
from schemas.records import VolumeRecord
from schemas.tables.record_tables import table_from_records
from tasks.convert.store_folder import convert_folder
from tasks.convert.store_series import convert_series
from tests.builders import make_series, write_files


def facts_of(data: Dataset, **others: Any) -> DeliveredFacts:
    """Return what a header says, as intake harvests it, with other values where asked."""
    number: dict[str, Any] = {
        name: None if data.get(keyword) in (None, "") else float(data[keyword].value)
        for name, keyword in {
            "rescale_slope": "RescaleSlope",
            "rescale_intercept": "RescaleIntercept",
            "echo_time_ms": "EchoTime",
            "slice_thickness_mm": "SliceThickness",
        }.items()
    }
    facts = DeliveredFacts(
        sop_uid=str(data.SOPInstanceUID),
        rows=int(data.Rows),
        columns=int(data.Columns),
        bits_stored=int(data.BitsStored),
        pixel_representation=int(data.PixelRepresentation),
        position_lps=tuple(float(v) for v in data.ImagePositionPatient),
        orientation_lps=tuple(float(v) for v in data.ImageOrientationPatient),
        pixel_spacing_mm=tuple(float(v) for v in data.PixelSpacing),
        **number,
    )
    return replace(facts, **others)


def run(tmp_path: Path, slices: list[Dataset], said: list[DeliveredFacts]) -> VolumeRecord:
    files = write_files(tmp_path / "dicom", slices)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    (record,) = convert_series(
        {str(d.SOPInstanceUID): p for d, p in zip(slices, files, strict=True)},
        [read_features(d) for d in slices],
        tmp_path / "nifti",
        tmp_path / "scratch",
        delivered={facts.sop_uid: facts for facts in said},
    )
    return record


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_header_that_says_what_was_delivered_is_published(tmp_path: Path, modality: str) -> None:
    slices = make_series(n_slices=6, modality=modality)
    record = run(tmp_path, slices, [facts_of(data) for data in slices])
    assert (record.verdict, record.codes) == ("OK", ())


@pytest.mark.parametrize(
    ("modality", "others"),
    [
        ("CT", {"rescale_intercept": 0.0}),
        ("CT", {"rescale_slope": 2.0}),
        ("CT", {"has_modality_lut": True}),
        ("CT", {"bits_stored": 16}),
        ("CT", {"pixel_representation": 1}),
        ("CT", {"pixel_spacing_mm": (2.0, 2.0)}),
        ("CT", {"orientation_lps": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)}),
        ("CT", {"slice_thickness_mm": 5.0}),
        ("MR", {"rescale_slope": 1.5}),
        ("MR", {"real_world": (5.988, 0.0)}),
        ("MR", {"echo_time_ms": 4.6}),
        ("MR", {"trigger_time_ms": 30.0}),
        ("MR", {"temporal_position": 2}),
        ("MR", {"b_value": 800.0}),
        ("MR", {"gradient": (1.0, 0.0, 0.0)}),
        ("MR", {"scale_slope": 0.0125}),
    ],
)
def test_another_deciding_value_is_held_with_the_instance(
    tmp_path: Path, modality: str, others: dict[str, Any]
) -> None:
    slices = make_series(n_slices=6, modality=modality)
    said = [facts_of(data) for data in slices]
    said[2] = replace(said[2], **others)
    record = run(tmp_path, slices, said)
    assert (record.verdict, record.codes) == ("QUARANTINE", ("DELIVERED_DIFFERS",))
    assert record.instances_at_fault == (said[2].sop_uid,)


def test_a_slice_that_was_moved_is_held(tmp_path: Path) -> None:
    slices = make_series(n_slices=6)
    said = [facts_of(data) for data in slices]
    for data in slices:
        data.ImagePositionPatient[2] = 2 * float(data.ImagePositionPatient[2])
    assert run(tmp_path, slices, said).codes == ("DELIVERED_DIFFERS",)


def test_a_volume_of_before_is_judged_anew_when_more_is_said(tmp_path: Path) -> None:
    slices = make_series(n_slices=6)
    assert run(tmp_path, slices, []).verdict == "OK"
    said = [facts_of(data, rescale_intercept=0.0) for data in slices]
    assert run(tmp_path, slices, said).verdict == "QUARANTINE"


def write_facts(folder: Path, said: list[DeliveredFacts]) -> None:
    table = table_from_records(said, DeliveredFacts, key=("sop_uid",))
    pq.write_table(table, folder / f"{DELIVERED_FACTS_TABLE}.parquet")


@pytest.mark.parametrize("below", ["", "series"])
def test_a_folder_finds_what_was_delivered_beside_it(tmp_path: Path, below: str) -> None:
    slices = make_series(n_slices=6)
    write_files(tmp_path / "deid" / below, slices)
    write_facts(tmp_path / "deid", [facts_of(d, rescale_intercept=0.0) for d in slices])
    (record,) = convert_folder(tmp_path / "deid" / below, tmp_path / "out").volumes
    assert record.codes == ("DELIVERED_DIFFERS",)


def test_a_spoilt_table_stops_the_command(tmp_path: Path) -> None:
    write_files(tmp_path / "deid", make_series(n_slices=6))
    (tmp_path / "deid" / f"{DELIVERED_FACTS_TABLE}.parquet").write_bytes(b"spoilt")
    with pytest.raises(BadInputError, match="delivered_facts"):
        convert_folder(tmp_path / "deid", tmp_path / "out")
