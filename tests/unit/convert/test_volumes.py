"""What a published volume holds: voxels, geometry, scaling, b-values, sidecar, provenance."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from schemas.dicom.sub_stacks import sub_stack_digest
from schemas.records import VolumeRecord
from tests.builders import COLUMNS, ROWS, make_instance, make_series, write_files
from tests.unit.convert.conftest import Convert


def only(records: list[VolumeRecord]) -> VolumeRecord:
    assert len(records) == 1
    return records[0]


def load(tmp_path: Path, record: VolumeRecord) -> Any:
    return nibabel.load(tmp_path / "nifti" / str(record.file_name))


def make_diffusion(b_values: tuple[float, ...], n_slices: int = 4) -> list[Dataset]:
    """Return an EPI series, volume after volume, with the public b-value attribute."""
    slices = []
    for volume, b_value in enumerate(b_values):
        for n in range(1, n_slices + 1):
            number = volume * n_slices + n
            data = make_instance(instance=number, modality="MR", DiffusionBValue=b_value)
            data.ImagePositionPatient = [-25.0, -20.0, 2.5 * n]
            data.ScanningSequence = "EP"
            data.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
            data.AcquisitionNumber = volume + 1
            slices.append(data)
    return slices


def test_voxels_lie_where_the_source_says(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=5)
    record = only(convert(slices))
    image = load(tmp_path, record)
    world = np.linalg.inv(image.affine)
    for data in slices:
        x, y, z = (float(value) for value in data.ImagePositionPatient)
        i, j, k = np.rint(world @ (-x, -y, z, 1.0))[:3].astype(int)
        stored = int(np.frombuffer(data.PixelData, dtype="<u2")[0])
        assert np.asanyarray(image.dataobj)[i, j, k] == stored - 1024


def test_the_record_describes_the_file(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=5)
    record = only(convert(slices))
    image = load(tmp_path, record)
    path = tmp_path / "nifti" / str(record.file_name)
    raw = gzip.decompress(path.read_bytes())
    assert record.sub_stack_digest == sub_stack_digest(str(s.SOPInstanceUID) for s in slices)
    assert (record.dim_x, record.dim_y, record.dim_z) == (COLUMNS, ROWS, 5)
    assert np.allclose(np.reshape(record.affine_ras, (4, 4)), image.affine)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.pixel_sha256 == hashlib.sha256(raw[352:]).hexdigest()
    assert (record.converter_version, len(record.converter_sha256)) != ("", 0)


def test_no_free_text_stays_in_the_header(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=5, ImageComments="Zhang San", PatientComments="Zhang San")
    header = load(tmp_path, only(convert(slices))).header
    assert not bytes(header["descrip"]).strip(b"\0")
    assert not bytes(header["aux_file"]).strip(b"\0")
    for path in (tmp_path / "nifti").iterdir():
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        assert b"Zhang" not in raw
        assert b"PID000001" not in raw


def test_the_compressed_bytes_are_the_same_every_time(convert: Convert, tmp_path: Path) -> None:
    first = only(convert(make_series(n_slices=5)))
    for path in (tmp_path / "nifti").iterdir():
        path.unlink()
    assert only(convert(make_series(n_slices=5))).sha256 == first.sha256


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless], ids=lambda s: str(s.name)
)
def test_a_decodable_transfer_syntax_is_proven(
    convert: Convert, tmp_path: Path, syntax: Any
) -> None:
    reference = np.asanyarray(load(tmp_path, only(convert(make_series(n_slices=4)))).dataobj)
    for path in (tmp_path / "nifti").iterdir():
        path.unlink()
    slices = make_series(n_slices=4)
    for data in slices:
        if syntax == RLELossless:
            data.compress(RLELossless, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<u2").byteswap().tobytes()
        data.file_meta.TransferSyntaxUID = syntax
    record = only(convert(slices))
    assert (record.verdict, record.codes) == ("OK", ())
    assert np.array_equal(np.asanyarray(load(tmp_path, record).dataobj), reference)


def test_signed_pixels_of_twelve_bits_keep_their_sign(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=4, PixelRepresentation=1)
    for data in slices:
        values = np.frombuffer(data.PixelData, "<u2").astype("<i2") - 2000
        data.PixelData = values.tobytes()
    image = load(tmp_path, only(convert(slices)))
    assert np.asanyarray(image.dataobj).min() < -2500


VENDORS = ("Philips Medical Systems", "SIEMENS", "GE MEDICAL SYSTEMS", "UIH", None)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("manufacturer", VENDORS)
def test_a_slope_of_each_slice_gives_real_values_within_one_in_a_hundred_thousand(
    convert: Convert, tmp_path: Path, manufacturer: str | None, modality: str
) -> None:
    slices = make_series(n_slices=4, modality=modality, Manufacturer=manufacturer)
    for data in slices:
        data.RescaleSlope = 1.0 + 0.37 * data.InstanceNumber
        data.RescaleIntercept = -3.0 * data.InstanceNumber
    record = only(convert(slices))
    assert (record.verdict, record.codes, record.dtype) == ("OK", (), "float32")
    image = load(tmp_path, record)
    to_voxel = np.linalg.inv(image.affine)
    for data in slices:
        stored = np.frombuffer(data.PixelData, "<u2").reshape(data.Rows, data.Columns)
        real = stored * float(data.RescaleSlope) + float(data.RescaleIntercept)
        x, y, z = (float(value) for value in data.ImagePositionPatient)
        i, j, k = np.rint(to_voxel @ (-x, -y, z, 1.0))[:3].astype(int)
        assert np.asanyarray(image.dataobj)[i, j, k] == pytest.approx(real[0, 0], rel=1e-5)


def test_the_vendors_scale_slope_is_kept_with_the_volume(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=4, modality="MR", Manufacturer="Philips Medical Systems")
    for data in slices:
        data.RescaleSlope, data.RescaleIntercept = 1.5, 0.0
        block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", 0.0125)
    record = only(convert(slices))
    path = tmp_path / "nifti" / f"{record.sub_stack_digest}.provenance.json"
    assert json.loads(path.read_bytes())["scaling"] == {
        "mode": "philips_display",
        "philips_scale_slopes": [pytest.approx(0.0125)],
        "rescale": [[1.5, 0.0]],
    }


def test_diffusion_is_one_volume_with_the_vendors_b_values(
    convert: Convert, tmp_path: Path
) -> None:
    record = only(convert(make_diffusion((0.0, 50.0, 800.0))))
    assert (record.verdict, record.n_volumes) == ("OK", 3)
    assert record.b_values == (0.0, 50.0, 800.0)
    written = (tmp_path / "nifti" / f"{record.sub_stack_digest}.bval").read_text()
    assert written == "0 50 800\n"


def test_a_diffusion_volume_short_of_a_slice_is_named(convert: Convert) -> None:
    record = only(convert(make_diffusion((0.0, 800.0))[:-1]))
    assert record.codes == ("UNEQUAL_PHASES",)


def test_the_sidecar_has_listed_keys_only(convert: Convert, tmp_path: Path) -> None:
    record = only(convert(make_series(n_slices=4, InstitutionName="Hospital A")))
    sidecar = json.loads((tmp_path / "nifti" / f"{record.sub_stack_digest}.json").read_bytes())
    assert (sidecar["Modality"], sidecar["SliceThickness"]) == ("CT", 2.5)
    assert not {"InstitutionName", "SeriesDescription", "AcquisitionTime"} & set(sidecar)


def test_a_kernel_that_breaks_the_sidecar_costs_nothing(convert: Convert, tmp_path: Path) -> None:
    record = only(convert(make_series(n_slices=4, ConvolutionKernel="Br38f\\3")))
    sidecar = json.loads((tmp_path / "nifti" / f"{record.sub_stack_digest}.json").read_bytes())
    assert (record.verdict, sidecar["Modality"]) == ("OK", "CT")


def test_provenance_names_the_instance_of_each_plane(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=4)
    record = only(convert(slices))
    path = tmp_path / "nifti" / f"{record.sub_stack_digest}.provenance.json"
    planes = json.loads(path.read_bytes())["planes"]
    assert planes == [[str(s.SOPInstanceUID) for s in slices]]


def test_an_unchanged_rerun_writes_nothing(convert: Convert, tmp_path: Path) -> None:
    first = convert(make_series(n_slices=4))
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "nifti").iterdir()}
    assert convert(make_series(n_slices=4)) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "nifti").iterdir()} == before


def test_changed_pixels_under_the_same_uids_are_converted_anew(
    convert: Convert, tmp_path: Path
) -> None:
    first = only(convert(make_series(n_slices=4)))
    changed = make_series(n_slices=4)
    changed[1].PixelData = bytes(len(changed[1].PixelData))
    second = only(convert(changed))
    assert second.sub_stack_digest == first.sub_stack_digest
    assert second.pixel_sha256 != first.pixel_sha256


def test_a_damaged_output_is_written_again(convert: Convert, tmp_path: Path) -> None:
    first = only(convert(make_series(n_slices=4)))
    path = tmp_path / "nifti" / str(first.file_name)
    path.write_bytes(b"damaged")
    assert only(convert(make_series(n_slices=4))) == first
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first.sha256


def test_scratch_is_left_as_found(convert: Convert, tmp_path: Path) -> None:
    convert(make_series(n_slices=4))
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_source_is_left_as_found(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=4)
    convert(slices)
    kept = [path.read_bytes() for path in sorted((tmp_path / "dicom").iterdir())]
    again = write_files(tmp_path / "again", slices)
    assert kept == [path.read_bytes() for path in again]
