"""Full exams: every series converts as its vendor's do, with the geometry of the answer key."""

from __future__ import annotations

import warnings
import zlib
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from nibabel.arrayproxy import ArrayProxy
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tasks.simulate.exports import ExportFile
from tasks.simulate.faults.fault_tools import frame_of, template_of
from tasks.simulate.images.pixels import frame_pixels
from tasks.simulate.people.hospitals import HOSPITALS, Packing, Tiles, Vendor
from tasks.simulate.people.series_names import OTHER_NAMES
from tests.unit.simulate.conftest import SEED
from tests.unit.simulate.exams import (
    Converted,
    by_series,
    convert,
    full_export,
    plan_full,
    voxel_of,
)

PLACES = range(len(HOSPITALS))
CT_KEYS = {
    "CT_SCOUT", "CT_NC", "CT_NC_THIN", "CT_ART", "CT_ART_THIN", "CT_PVP", "CT_PVP_THIN",
    "CT_DEL", "CT_DEL_THIN", "CT_MPR", "DOSE_REPORT",
}  # fmt: skip
MR_KEYS = {
    "LOCALIZER", "MR_T2", "MR_T2_FS", "MR_MRCP", "MR_DWI", "MR_ADC", "MR_BOLUS", "MR_T1_PRE",
    "MR_T1_DIXON_IP", "MR_T1_DIXON_OP", "MR_T1_FAT", "MR_T1_WATER", "MR_T1_PVP", "MR_SUB", "MR_MPR",
}  # fmt: skip


def converts(file: ExportFile) -> bool:
    """Whether bare dcm2niix reads such a series at all; see the two tests of what it refuses."""
    context = template_of(file).context
    turned = context.enhanced and context.plan.name_key in ("LOCALIZER", "MR_MRCP")
    paper = context.plan.name_key == "DOSE_REPORT"
    thin = context.plan.name_key.endswith("_THIN") and context.plan.name_key != "CT_PVP_THIN"
    return not (turned or paper or thin or context.scanner.packing is Packing.DEFLATED)


def lies_at(image: nib.Nifti1Image, row: dict[str, Any]) -> bool:
    """Whether first and last pixel of a stack are corners of the volume, slices apart as stated."""
    first, last = (voxel_of(image, row[f"{end}_position_lps"]) for end in ("first", "last"))
    corners = np.stack([first, last])
    whole = bool(np.all(np.abs(corners - np.rint(corners)) < 0.02))
    inside = bool(np.all((np.rint(corners) >= 0) & (np.rint(corners) < image.shape[:3])))
    apart = round(float(np.abs(last - first).max())) == row["n_slices"] - 1
    zooms = np.round(image.header["pixdim"][1:4], 4)
    return whole and inside and apart and (row["n_slices"] == 1 or row["slice_gap_mm"] in zooms)


def require_geometry(found: Converted, rows: list[dict[str, Any]]) -> None:
    """Require that first and last pixel of each stack lie where the answer key has them."""
    for row in rows:
        assert any(lies_at(image, row) for image in found.volumes.values()), row["label"]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_bare_dcm2niix_finds_slices_spacing_orientation_and_b_values_of_every_clean_series(
    place: int, tmp_path: Path
) -> None:
    export = full_export(place)
    truth: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in export.labels:
        truth[str(row["series_uid"])].append(row)
    for number, (series_uid, files) in enumerate(by_series(export).items()):
        if not converts(files[0]):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        found = convert((file.content() for file in files), folder)
        rows = truth[series_uid]
        assert found.code == 0, rows[0]["label"]
        assert found.warnings_of_geometry == [], rows[0]["label"]
        planes = sum(row["n_slices"] for row in rows) * max(1, len(rows[0]["b_values"]))
        assert found.n_voxels == planes * rows[0]["rows"] * rows[0]["columns"], rows[0]["label"]
        require_geometry(found, rows)
        if rows[0]["b_values"]:
            assert found.b_values == rows[0]["b_values"]


def test_exams_hold_every_series_a_scanner_makes() -> None:
    export = full_export(0)
    keys = defaultdict(set)
    for files in by_series(export).values():
        context = template_of(files[0]).context
        keys[context.exam.plan.role].add(context.plan.name_key)
    assert keys["baseline_ct"] == CT_KEYS
    assert keys["dce_mri"] >= MR_KEYS | {"MR_T1_ART", "MR_T1_DEL"}
    assert keys["eob_mri"] >= MR_KEYS | {"MR_T1_MULTI_ART", "MR_T1_TRANS", "MR_T1_HBP"}


def test_hospitals_between_them_have_all_vendors_packings_and_enhanced_objects() -> None:
    scanners = [s for h in HOSPITALS for s in (h.ct, h.dce, h.eob)]
    assert {s.vendor for s in scanners} == set(Vendor)
    assert {s.packing for s in scanners} == set(Packing)
    assert {s.vendor for s in scanners if s.enhanced} == {Vendor.SIEMENS, Vendor.PHILIPS}
    tiled = {(s.vendor, s.tiles) for s in scanners if s.tiles}
    assert tiled == {(Vendor.UIH, Tiles.GRID), (Vendor.SIEMENS, Tiles.MOSAIC)}
    assert {s.implicit_vr for s in scanners} == {True, False}


@pytest.mark.parametrize("place", PLACES)
def test_pydicom_reads_one_image_of_every_series_without_a_warning_and_with_its_pixels(
    place: int,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for files in by_series(full_export(place)).values():
            template, frame = template_of(files[0]), frame_of(files[0])
            image = pydicom.dcmread(BytesIO(files[0].content()))
            str(image)  # decodes every element
            if template.context.plan.name_key == "DOSE_REPORT":
                assert image.pixel_array.shape == (96, 128, 3)
                continue
            pixels = image.pixel_array
            first = pixels[0] if template.context.enhanced else pixels
            assert np.array_equal(first, frame_pixels(template, frame, SEED))


def test_dcm2niix_cannot_inflate_a_deflated_object(tmp_path: Path) -> None:
    place = next(i for i in PLACES if HOSPITALS[i].ct.packing is Packing.DEFLATED)
    files = next(f for f in by_series(full_export(place)).values())
    contents = [file.content() for file in files]
    image = pydicom.dcmread(BytesIO(contents[0]))
    assert image.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    found = convert(contents, tmp_path)
    assert found.code != 0
    assert "Unsupported transfer syntax" in found.said


@pytest.mark.parametrize("name_key", ["LOCALIZER", "MR_MRCP"])
def test_dcm2niix_refuses_an_enhanced_object_of_several_orientations(
    name_key: str, tmp_path: Path
) -> None:
    place = next(i for i in PLACES if HOSPITALS[i].eob.enhanced)
    [files] = [
        files
        for files in by_series(full_export(place)).values()
        if template_of(files[0]).context.plan.name_key == name_key
        and template_of(files[0]).context.enhanced
    ]
    found = convert([file.content() for file in files], tmp_path)
    assert (found.code, found.volumes) == (2, {})


def test_philips_scaling_comes_out_as_the_scanner_states_it(tmp_path: Path) -> None:
    place = next(i for i in PLACES if HOSPITALS[i].dce.vendor is Vendor.PHILIPS)
    files = next(
        files
        for files in by_series(full_export(place)).values()
        if template_of(files[0]).context.plan.name_key == "MR_T1_PRE"
        and template_of(files[0]).context.exam.plan.role == "dce_mri"
    )
    found = convert([file.content() for file in files], tmp_path)
    [image] = found.volumes.values()
    assert isinstance(image.dataobj, ArrayProxy)
    assert image.dataobj.slope == pytest.approx(1.25)
    assert "RS:RI:SS = 1.25:0:0.0125" in found.said


@pytest.mark.parametrize("name_key", ["MR_DWI", "MR_ADC"])
def test_a_mosaic_is_taken_apart_into_the_slices_that_were_laid_side_by_side(
    name_key: str, tmp_path: Path
) -> None:
    place = next(i for i in PLACES if HOSPITALS[i].dce.tiles is Tiles.MOSAIC)
    export = full_export(place)
    files = next(
        files
        for files in by_series(export).values()
        if template_of(files[0]).context.plan.name_key == name_key
    )
    template, plan = template_of(files[0]), template_of(files[0]).context.plan
    assert len(files) == max(1, len(plan.b_values))
    found = convert([file.content() for file in files], tmp_path)
    [image] = found.volumes.values()
    voxels = np.asarray(image.dataobj).reshape((*image.shape[:3], -1))
    assert voxels.shape == (plan.columns, plan.rows, plan.n_slices, len(files))
    for number, file in enumerate(files):
        sheet = frame_pixels(template, frame_of(file), SEED)
        across = sheet.shape[1] // plan.columns
        for index in range(plan.n_slices):
            top, left = index // across * plan.rows, index % across * plan.columns
            tile = sheet[top : top + plan.rows, left : left + plan.columns]
            assert np.array_equal(voxels[:, ::-1, index, number].T, tile)
    [row] = [r for r in export.labels if r["series_uid"] == template.context.series_uid]
    assert lies_at(image, row)


def test_interpolated_and_overlapping_slices_are_thicker_than_they_are_apart() -> None:
    rows: list[dict[str, Any]] = [r for place in (1, 2) for r in full_export(place).labels]
    halved = [r for r in rows if r["label"] == "MR_T1_PVP" and r["vendor"] in ("GE", "Philips")]
    assert halved
    for row in halved:
        assert row["slice_gap_mm"] == row["slice_thickness_mm"] / 2


def test_one_phase_goes_by_ten_names() -> None:
    assert len(OTHER_NAMES["MR_T1_ART"]) == 10
    assert len(OTHER_NAMES["CT_ART"]) == 10


def test_a_full_export_is_the_same_bytes_twice() -> None:
    for file, again in zip(plan_full(3).files[::25], plan_full(3).files[::25], strict=True):
        assert (file.path, file.content()) == (again.path, again.content())


def test_a_dicomdir_lists_every_series_and_names_the_person() -> None:
    export = full_export(0)
    [file] = [f for f in export.files if f.path == "dicom/DICOMDIR"]
    directory = pydicom.dcmread(BytesIO(file.content()))
    kinds = [r.DirectoryRecordType for r in directory.DirectoryRecordSequence]
    assert kinds.count("SERIES") == len(by_series(export))
    person = export.subjects[0].person
    assert str(directory.DirectoryRecordSequence[0].PatientName).endswith(person.name_han)
    assert (file.state, file.reason) == ("quarantined", "SOP_CLASS_NOT_ADMITTED")


def test_identifiers_lie_up_to_four_sequences_deep_and_in_uids() -> None:
    [file, *_] = next(iter(by_series(full_export(0)).values()))
    image = pydicom.dcmread(BytesIO(file.content()))
    patient_id = str(image.PatientID)
    [original] = image.OriginalAttributesSequence
    [other] = original.ModifiedAttributesSequence[0].OtherPatientIDsSequence
    [issuer] = other.IssuerOfPatientIDQualifiersSequence
    assert patient_id in issuer.UniversalEntityID
    [study] = image.ReferencedStudySequence
    assert patient_id in study.ReferencedSOPInstanceUID
    assert str(image.StudyDate) in image.StudyInstanceUID


def test_native_images_shrink_to_about_a_half() -> None:
    contents = [file.content() for file in full_export(0).files[::20]]
    ratio = sum(len(zlib.compress(c, 6)) for c in contents) / sum(map(len, contents))
    assert 0.4 < ratio < 0.65
