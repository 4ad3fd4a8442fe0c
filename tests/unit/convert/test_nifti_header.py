"""Our reading of a NIfTI-1 header is that of nibabel."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.convert.nifti_header import mended_header, orientation_code, parse_nifti_header


def random_affine(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    chance = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(chance.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * chance.uniform(0.5, 5, 3) * chance.choice([-1, 1], 3)
    affine[:3, 3] = chance.uniform(-200, 200, 3)
    return affine


def header_of(affine: np.ndarray[Any, np.dtype[np.float64]], *, sform: bool = True) -> Any:
    # nibabel has no types here.
    header: Any = nibabel.Nifti1Header(endianness="<")  # type: ignore[no-untyped-call]
    header.set_data_shape((3, 4, 5))
    header.set_data_dtype(np.int16)
    header.set_qform(affine, code=1)
    if sform:
        header.set_sform(affine, code=1)
    header.set_slope_inter(2.0, -1024.0)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    header["descrip"] = b"Zhang San"
    return header


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), sform=st.booleans())
def test_any_header_says_what_nibabel_reads(seed: int, sform: bool) -> None:
    header = header_of(random_affine(seed), sform=sform)
    found = parse_nifti_header(header.binaryblock)
    assert found.shape == header.get_data_shape()
    assert (found.dtype, found.offset) == (header.get_data_dtype(), 352)
    assert (found.slope, found.intercept) == header.get_slope_inter()
    # nibabel reckons the first quaternion number in single precision: near half a turn, where it
    # is the root of a small difference, that is worth some um.
    b, c, d = (float(header[f"quatern_{axis}"]) for axis in "bcd")
    atol_mm = 5e-3 if b * b + c * c + d * d > 1 - 1e-4 else 1e-4
    assert np.allclose(found.affine_ras, header.get_best_affine(), atol=atol_mm)
    assert np.allclose(found.qform_ras, header.get_qform(), atol=atol_mm)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_orientation_code_is_that_of_nibabel(seed: int) -> None:
    affine = random_affine(seed)
    codes: Any = nibabel.aff2axcodes(affine)  # type: ignore[no-untyped-call]  # nibabel's own
    assert orientation_code(affine) == "".join(codes)


@pytest.mark.parametrize("seed", range(5))
def test_a_mended_header_has_no_text_and_both_forms_of_the_proven_affine(seed: int) -> None:
    header = parse_nifti_header(header_of(random_affine(seed)).binaryblock)
    proven = random_affine(seed + 100)
    raw = mended_header(header, proven)
    assert b"Zhang" not in raw
    mended = parse_nifti_header(raw)
    assert np.allclose(mended.affine_ras, proven, atol=1e-4)
    assert np.allclose(mended.qform_ras, proven, atol=1e-3)


def test_a_header_that_says_the_proven_affine_keeps_its_bytes() -> None:
    raw = header_of(random_affine(1)).binaryblock
    header = parse_nifti_header(raw)
    assert mended_header(header, header.affine_ras) == raw.replace(b"Zhang San", bytes(9))


@pytest.mark.parametrize("spoil", ["short", "length", "magic", "datatype", "affine"])
def test_what_is_no_such_header_is_refused(spoil: str) -> None:
    raw = bytearray(header_of(random_affine(1)).binaryblock)
    if spoil == "length":
        raw[0:4] = b"\0\0\0\0"
    if spoil == "magic":
        raw[344:348] = b"ni1\0"
    if spoil == "datatype":
        raw[70:72] = b"\xff\x7f"
    if spoil == "affine":
        raw[252:256] = bytes(4)
    with pytest.raises(ValueError, match="NIfTI-1 header"):
        parse_nifti_header(bytes(raw[:200] if spoil == "short" else raw))
