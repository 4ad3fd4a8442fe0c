"""Records of the stages become rows that conform to their contracts; nothing is invented."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import split_series
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.records import CohortLabels, Finding, SeriesLabel, StudyRole, VolumeRecord
from schemas.run.sites import read_registered_sites, read_sites
from schemas.states import Severity, Verdict
from schemas.tables.contracts import conform, read_code_lists
from tasks.publish.batches import BatchTables, CommittedBatch, CommittedBatches, merge_batches
from tasks.publish.instances import instance_table
from tasks.publish.rows import (
    Row,
    code_list_rows,
    finding_rows,
    image_rows,
    ingest_batch_rows,
    labelled_stacks,
    site_rows,
)
from tests.unit.publish.cohort import CONTRACTS

SUBJECT = "S91-AAAA2222"


def instance(study: str, number: int) -> InstanceFeatures:
    return InstanceFeatures(
        subject_id=SUBJECT,
        study_uid=f"1.{study}",
        series_uid=f"1.{study}.1",
        sop_uid=f"1.{study}.1.{number}",
        sop_class_uid="1.2",
        rows=16,
        columns=20,
        position_lps=(0.0, 0.0, 2.5 * number),
        orientation_lps=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    )


def batch(name: str, as_of: dt.date | None, **counts: int) -> CommittedBatch:
    return CommittedBatch(
        batch_id=BatchId(name),
        site_code=SiteCode("S91"),
        n_files=sum(counts.values()),
        n_bytes=100,
        counts=counts,
        manifest_sha256=Sha256("a" * 64),
        edc_export_as_of=as_of,
    )


FIRST = batch("first", dt.date(2026, 11, 20), accepted=6, clinical=1)
SECOND = batch("second", dt.date(2026, 11, 21), accepted=3, quarantined=1)


def committed(*, volume_verdict: str = "OK") -> CommittedBatches:
    ct = tuple(instance("1", n) for n in range(3))
    mr = tuple(instance("2", n) for n in range(5))
    return merge_batches(
        [
            BatchTables(batch=FIRST, instances=(*ct, *mr[:3]), volumes=(volume(volume_verdict),)),
            BatchTables(batch=SECOND, instances=(mr[2], *mr[3:])),
        ]
    )


def digest(study: str, n: int) -> str:
    (stack,) = split_series([instance(study, number) for number in range(n)])
    return str(stack.digest)


def volume(verdict: str) -> VolumeRecord:
    return VolumeRecord(
        subject_id=SUBJECT,
        study_uid="1.1",
        series_uid="1.1.1",
        sub_stack_digest=digest("1", 3),
        verdict=verdict,
        codes=("B", "A"),
        instances_at_fault=(),
        split_by=(),
        n_instances=3,
        file_name="x.nii.gz" if verdict == "OK" else None,
        sha256="b" * 64,
        dim_x=20,
        dim_y=16,
        dim_z=3,
        n_volumes=1,
        voxel_x_mm=1.0,
        voxel_y_mm=1.0,
        voxel_z_mm=2.5,
        dtype="int16",
        orientation_code="LAS",
        round_trip_ok=verdict == "OK",
    )


def label(study: str, n: int, modality: str, name: str) -> SeriesLabel:
    return SeriesLabel(
        subject_id=SUBJECT,
        study_uid=f"1.{study}",
        series_uid=f"1.{study}.1",
        sub_stack_digest=digest(study, n),
        modality=modality,
        label=name,
        contrast_phase=None,
        label_tier="A",
        label_evidence=("b", "a"),
        mapping_version="1.0.0",
        weighting="CT" if modality == "CT" else "T1",
        agent_class="unknown",
        orientation="axial",
        n_slices=n,
        n_missing_slices=0,
        slice_thickness_mm=2.5,
        spacing_between_slices_mm=2.5,
        slice_gap_mm=0.0,
        thickness_limit_mm=5.0 if modality == "MR" else None,
        thickness_verdict=Verdict.MET if modality == "MR" else None,
        field_strength_t=None,
        required_for_protocol=True,
        acquisition_time_offset_s=None,
    )


def study(number: str, modality: str, role: str, date: str | None) -> StudyRole:
    return StudyRole(
        subject_id=SUBJECT,
        study_uid=f"1.{number}",
        modality=modality,
        role=role,
        role_evidence=("b", "a"),
        study_date=date,
        manufacturer="SIEMENS",
        model="Aera",
        field_strength_t=None,
        contrast_agent_class="unknown",
    )


LABELS = CohortLabels(
    series=(label("1", 3, "CT", "CT_NC"), label("2", 5, "MR", "MR_T1_ART")),
    studies=(study("1", "CT", "baseline_ct", "20240306"), study("2", "MR", "eob_mri", "20240301")),
)


def rows_by(rows: list[Row], column: str) -> dict[object, Row]:
    return {row[column]: row for row in rows}


def test_image_rows_conform_to_their_contracts() -> None:
    for name, rows in image_rows(LABELS, committed()).items():
        assert conform(CONTRACTS[name], rows).num_rows == len(rows) > 0


def test_days_are_counted_from_the_baseline_ct() -> None:
    studies = rows_by(image_rows(LABELS, committed())["imaging_study"], "study_uid")
    assert studies["1.1"]["days_from_baseline_ct"] == 0
    assert studies["1.2"]["days_from_baseline_ct"] == -5


def test_without_a_date_or_a_baseline_no_day_is_counted() -> None:
    labels = replace(
        LABELS,
        studies=(study("1", "CT", "other", "20240306"), study("2", "MR", "eob_mri", None)),
    )
    studies = rows_by(image_rows(labels, committed())["imaging_study"], "study_uid")
    assert {row["days_from_baseline_ct"] for row in studies.values()} == {None}


def test_a_series_belongs_to_the_batch_of_its_newest_image() -> None:
    series = rows_by(image_rows(LABELS, committed())["series"], "series_uid")
    assert series["1.1.1"]["batch_id"] == "first"
    assert series["1.2.1"]["batch_id"] == "second"
    assert series["1.2.1"]["n_instances"] == 5


def test_a_series_has_the_frame_and_the_device_that_all_its_images_state_and_else_none() -> None:
    batches = committed()
    changed = [
        replace(
            one,
            frame_of_reference_uid="2.25.7" if one.series_uid == "1.1.1" else None,
            device_id="BCDF" if one.sop_uid != "1.1.1.2" else "GHJK",
            coil_id="32Ch Head",
        )
        for one in batches.instances
    ]
    rows = image_rows(LABELS, replace(batches, instances=tuple(changed)))["series"]
    found = {
        row["series_uid"]: [
            row[name] for name in ("frame_of_reference_uid", "device_id", "coil_id")
        ]
        for row in rows
    }
    assert found == {"1.1.1": ["2.25.7", None, "32Ch Head"], "1.2.1": [None, "BCDF", "32Ch Head"]}


def test_the_frames_of_a_multi_frame_object_are_one_instance() -> None:
    enhanced = replace(
        instance("1", 0),
        number_of_frames=3,
        frame_positions_lps=tuple(v for n in range(3) for v in (0.0, 0.0, 2.5 * n)),
        frame_orientations_lps=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0) * 3,
    )
    (stack,) = split_series([enhanced])
    label = replace(LABELS.series[0], sub_stack_digest=str(stack.digest))
    labels = replace(LABELS, series=(label,), studies=LABELS.studies[:1])
    merged = merge_batches([BatchTables(batch=FIRST, instances=(enhanced,), volumes=())])
    found = image_rows(labels, merged)
    assert [row["n_instances"] for row in found["series"]] == [1]
    assert [row["n_instances"] for row in found["imaging_study"]] == [1]


def test_only_a_proven_volume_is_published_and_the_series_says_what_became_of_the_others() -> None:
    rows = image_rows(LABELS, committed())
    assert [row["series_uid"] for row in rows["nifti_volume"]] == ["1.1.1"]
    assert [row["conversion_verdict"] for row in rows["series"]] == ["OK", "not_converted"]
    assert rows["series"][0]["conversion_codes"] == ["A", "B"]
    held = image_rows(LABELS, committed(volume_verdict="QUARANTINE"))
    assert held["nifti_volume"] == []
    assert held["series"][0]["conversion_verdict"] == "QUARANTINE"


def test_images_are_listed_in_slice_order_and_lead_back_to_their_objects() -> None:
    stacks = labelled_stacks(LABELS, committed())
    table = instance_table(LABELS, stacks, committed().batch_of_instance, CONTRACTS["instance"])
    assert table.schema.equals(CONTRACTS["instance"].arrow_schema())
    assert conform(CONTRACTS["instance"], table.to_pylist()).equals(table)
    ct = [row for row in table.to_pylist() if row["series_uid"] == "1.1.1"]
    assert [row["sop_uid"] for row in ct] == ["1.1.1.0", "1.1.1.1", "1.1.1.2"]
    assert [row["slice_no"] for row in ct] == [1, 2, 3]
    assert [row["slice_position_mm"] for row in ct] == [0.0, 2.5, 5.0]
    assert {row["batch_id"] for row in table.to_pylist()} == {"first", "second"}


def test_all_registered_hospitals_are_listed_and_fictitious_ones_say_so() -> None:
    table = conform(CONTRACTS["site"], site_rows(read_registered_sites(), read_sites()))
    status = dict(
        zip(*(table[c].to_pylist() for c in ("site_code", "registration_status")), strict=True)
    )
    assert sum(value == "registered" for value in status.values()) == 28
    assert status["S91"] == "fictitious"


def test_a_batch_with_files_in_quarantine_is_published_in_part() -> None:
    table = conform(CONTRACTS["ingest_batch"], ingest_batch_rows([FIRST, SECOND]))
    assert table["status"].to_pylist() == ["published", "partial"]
    assert table["n_quarantined"].to_pylist() == [0, 1]


def test_every_code_has_a_row() -> None:
    lists = read_code_lists()
    table = conform(CONTRACTS["code_list"], code_list_rows(lists))
    assert table.num_rows == sum(map(len, lists.values()))


def test_one_finding_from_two_stages_is_one_row() -> None:
    finding = Finding(
        finding_id="f1",
        rule_id="SER-KEY",
        severity=Severity.MAJOR,
        site_code="",
        object_type="series",
        object_id="1.1.1",
        column_name="",
        observed="",
        expected="",
        message_en="m",
        message_zh="消息",
        fix_en="f",
        fix_zh="处理",
    )
    table = conform(CONTRACTS["finding"], finding_rows([finding, finding]))
    assert table.num_rows == 1
    assert table["site_code"].to_pylist() == [None]
