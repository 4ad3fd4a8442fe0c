"""Compressed pixels are decoded by a second decoder and compared, or kept back by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.uid import HTJ2KLossless, JPEGBaseline8Bit

from schemas.records import VolumeRecord
from tests.builders import make_series
from tests.unit.convert.conftest import Convert
from tests.unit.convert.encoding import LOSSY, SYNTAXES, compressed


def only(records: list[VolumeRecord]) -> VolumeRecord:
    assert len(records) == 1
    return records[0]


def voxels(tmp_path: Path, record: VolumeRecord) -> Any:
    image: Any = nibabel.load(tmp_path / "nifti" / str(record.file_name))
    return np.asanyarray(image.dataobj)


@pytest.mark.parametrize("signed", [0, 1], ids=["unsigned", "signed"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_lossless_syntax_gives_the_voxels_of_the_plain_series(
    convert: Convert, tmp_path: Path, syntax: str, signed: int
) -> None:
    slices = make_series(n_slices=4, PixelRepresentation=signed)
    if signed:
        for data in slices:
            values = np.frombuffer(data.PixelData, "<u2").astype("<i2") // 2 - 1000
            data.PixelData = values.tobytes()
    plain = only(convert(slices))
    expected = voxels(tmp_path, plain)
    for path in (tmp_path / "nifti").iterdir():
        path.unlink()
    record = only(convert(compressed(slices, SYNTAXES[syntax])))
    assert (record.verdict, record.codes, record.round_trip_ok) == ("OK", (), True)
    assert np.array_equal(voxels(tmp_path, record), expected)
    assert record.pixel_sha256 == plain.pixel_sha256


@pytest.mark.parametrize("syntax", LOSSY)
def test_a_lossy_syntax_with_one_right_answer_is_proven(convert: Convert, syntax: str) -> None:
    record = only(convert(compressed(make_series(n_slices=4), LOSSY[syntax])))
    assert (record.verdict, record.round_trip_ok) == ("OK", True)


@pytest.mark.parametrize("lost_bytes", [9, 40, 200, 400])
@pytest.mark.parametrize("syntax", [name for name in SYNTAXES if name != "deflated"])
def test_compressed_pixels_that_end_early_are_named(
    convert: Convert, tmp_path: Path, syntax: str, lost_bytes: int
) -> None:
    slices = compressed(make_series(n_slices=5), SYNTAXES[syntax])
    record = only(convert(slices, spoil={2: lambda raw: raw[:-lost_bytes]}))
    assert record.verdict == "QUARANTINE"
    assert {"TRUNCATED", "UNREADABLE"} & set(record.codes)
    assert record.instances_at_fault == (slices[2].SOPInstanceUID,)
    assert list(tmp_path.rglob("*.nii*")) == []


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_spoiled_codestreams_are_never_published_as_they_were(
    convert: Convert, tmp_path: Path, syntax: str
) -> None:
    slices = compressed(make_series(n_slices=5), SYNTAXES[syntax])
    spoilt = [raw_middle_zeroed]
    record = only(convert(slices, spoil={2: spoilt[0]}))
    if record.verdict != "QUARANTINE":
        # Bytes that two decoders read alike are that image's pixels, whatever they were.
        assert record.round_trip_ok
    else:
        assert record.codes
        assert list(tmp_path.rglob("*.nii*")) == []


def raw_middle_zeroed(raw: bytes) -> bytes:
    middle = len(raw) - 300
    return raw[:middle] + bytes(60) + raw[middle + 60 :]


@pytest.mark.parametrize("syntax", [HTJ2KLossless, JPEGBaseline8Bit], ids=lambda s: str(s.name))
def test_a_syntax_nothing_here_can_prove_is_kept_back(
    convert: Convert, tmp_path: Path, syntax: Any
) -> None:
    slices = compressed(make_series(n_slices=4), SYNTAXES["JPEG 2000 lossless"])
    for data in slices:
        data.file_meta.TransferSyntaxUID = syntax
    record = only(convert(slices))
    assert record.codes == ("UNSUPPORTED_TRANSFER_SYNTAX",)
    assert list(tmp_path.rglob("*.nii*")) == []
