"""Images are what their vendor writes: readable, convertible, with the times of their phase."""

from __future__ import annotations

import subprocess
import warnings
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
import pytest

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.dicom.sub_stacks import split_series
from tests.unit.simulate.conftest import Delivered

VENDORS = ("Siemens", "GE", "Philips", "UIH")


@pytest.fixture(scope="module")
def series(delivered: Delivered) -> dict[str, dict[str, bytes]]:
    """The files of each clean series, by SOPInstanceUID."""
    grouped: dict[str, dict[str, bytes]] = defaultdict(dict)
    for data in delivered.images().values():
        tags = ["SeriesInstanceUID", "SOPInstanceUID"]
        header = pydicom.dcmread(BytesIO(data), specific_tags=list(tags))
        grouped[str(header.SeriesInstanceUID)][str(header.SOPInstanceUID)] = data
    return grouped


def clean_rows(delivered: Delivered) -> list[dict[str, Any]]:
    hit = {row.get("series_uid") for row in delivered.key("faults")}
    return [row for row in delivered.key("labels") if row["series_uid"] not in hit]


def converted(files: dict[str, bytes], folder: Path) -> Path:
    source, out = folder / "in", folder / "out"
    source.mkdir()
    out.mkdir()
    for number, data in enumerate(files.values()):
        (source / f"{number}.dcm").write_bytes(data)
    flags = ("-g", "i", "-z", "n", "-i", "n", "-p", "n", "-x", "n", "-b", "y", "-f", "x")
    command = [dcm2niix.bin, *flags, "-o", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return out


def test_pydicom_reads_all_images_without_a_warning_except_the_broken_one(
    delivered: Delivered,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, data in enumerate(delivered.images().values()):
            image = pydicom.dcmread(BytesIO(data))
            assert image.pixel_array.shape == (image.Rows, image.Columns)
            if number % 10 == 0:
                str(image)  # decodes every element, which is slow


def test_file_meta_and_dataset_agree_on_class_and_instance(delivered: Delivered) -> None:
    for data in list(delivered.images().values())[::50]:
        image = pydicom.dcmread(BytesIO(data))
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert image.file_meta.MediaStorageSOPClassUID == image.SOPClassUID


@pytest.mark.parametrize("vendor", VENDORS)
def test_dcm2niix_finds_the_b_values_where_the_vendor_keeps_them(
    delivered: Delivered, series: dict[str, dict[str, bytes]], vendor: str, tmp_path: Path
) -> None:
    row = next(r for r in clean_rows(delivered) if r["vendor"] == vendor and r["label"] == "MR_DWI")
    out = converted(series[row["series_uid"]], tmp_path)
    b_values = [float(text) for text in (out / "x.bval").read_text().split()]
    assert b_values == row["b_values"]
    image = nib.Nifti1Image.from_filename(out / "x.nii")
    assert image.shape == (64, 64, row["n_slices"], len(row["b_values"]))


@pytest.mark.parametrize("vendor", VENDORS)
def test_dcm2niix_gives_one_volume_of_the_true_geometry_for_an_arterial_phase(
    delivered: Delivered, series: dict[str, dict[str, bytes]], vendor: str, tmp_path: Path
) -> None:
    row = next(
        r for r in clean_rows(delivered) if r["vendor"] == vendor and r["label"] == "MR_T1_ART"
    )
    out = converted(series[row["series_uid"]], tmp_path)
    assert [path.name for path in out.glob("*.nii")] == ["x.nii"]
    image = nib.Nifti1Image.from_filename(out / "x.nii")
    assert image.shape[2] == row["n_slices"]
    assert float(image.header["pixdim"][3]) == pytest.approx(row["slice_gap_mm"], abs=1e-4)


def features_of(files: dict[str, bytes]) -> list[InstanceFeatures]:
    return [
        read_features(pydicom.dcmread(BytesIO(data), stop_before_pixels=True))
        for data in files.values()
    ]


def test_the_answer_key_has_one_row_per_sub_stack_of_every_clean_series(
    delivered: Delivered, series: dict[str, dict[str, bytes]]
) -> None:
    stated: dict[str, set[str]] = defaultdict(set)
    for row in clean_rows(delivered):
        if row["label"] != "LOCALIZER":  # its three planes are three sub-stacks of one label
            stated[row["series_uid"]].add(row["sub_stack_digest"])
    for series_uid, digests in stated.items():
        stacks = split_series(features_of(series[series_uid]))
        assert {stack.digest for stack in stacks} == digests


def test_one_series_holds_several_phases(delivered: Delivered) -> None:
    phases = defaultdict(list)
    for row in delivered.key("labels"):
        if row["contrast_phase"]:
            phases[row["series_uid"]].append(row["contrast_phase"])
    assert ["pre", "art", "pvp", "del"] in phases.values()


def test_acquisition_times_after_injection_fall_into_the_window_of_their_phase(
    delivered: Delivered,
) -> None:
    windows = {
        "CT_ART": (10, 60),
        "CT_PVP": (60, 100),
        "CT_DEL": (100, 600),
        "MR_T1_ART": (15, 45),
        "MR_T1_PVP": (50, 100),
        "MR_T1_DEL": (120, 300),
        "MR_T1_TRANS": (120, 300),
        "MR_T1_HBP": (600, 1800),
    }
    by_instance = {
        (row["series_uid"], number): row
        for row in delivered.key("labels")
        for number in row["instance_numbers"]
    }
    seen = set()
    for data in delivered.images().values():
        image = read_features(pydicom.dcmread(BytesIO(data), stop_before_pixels=True))
        row = by_instance[image.series_uid, image.instance_number]
        if image.contrast_start_time_s is None or row["label"] not in windows:
            continue
        assert image.acquisition_time_s is not None
        low, high = windows[row["label"]]
        assert low <= image.acquisition_time_s - image.contrast_start_time_s <= high
        seen.add(row["label"])
    assert seen == set(windows)


def test_arterial_portal_and_hepatobiliary_liver_differ_as_they_should(
    delivered: Delivered, series: dict[str, dict[str, bytes]]
) -> None:
    rows = [
        r
        for r in clean_rows(delivered)
        if r["subject_no"] == "LC91-0001" and r["role"] == "eob_mri" and r["contrast_phase"]
    ]
    liver = {}
    for row in rows:
        slices = [pydicom.dcmread(BytesIO(d)) for d in series[row["series_uid"]].values()]
        middle = next(s for s in slices if s.InstanceNumber == row["instance_numbers"][4])
        image = middle.pixel_array
        height, width = image.shape
        # Right of the lesion and clear of the vessels, in every simulated liver.
        patch = image[int(0.58 * height) : int(0.64 * height), int(0.24 * width) : int(0.3 * width)]
        liver[row["label"]] = float(np.mean(patch))
    assert liver["MR_T1_PRE"] < liver["MR_T1_ART"] < liver["MR_T1_PVP"] < liver["MR_T1_HBP"]
