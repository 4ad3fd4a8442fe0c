"""A volume is hashed while it is compressed: both digests are those of what can be read again."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from tasks.convert.store_compress import compress

_AT = 352
_MIB = 1 << 20


@pytest.mark.parametrize("size", [_AT, _AT + 1, _MIB - 1, _MIB, _MIB + 1, 2 * _MIB + 12345])
@pytest.mark.parametrize("kind", ["noise", "zeros"])
def test_the_digests_are_those_of_the_voxels_and_of_the_file(
    tmp_path: Path, size: int, kind: str
) -> None:
    # Noise does not become smaller, zeros do: what comes out lags behind what goes in.
    noise = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    data = noise if kind == "noise" else bytes(size)
    nifti, final = tmp_path / "v.nii", tmp_path / "v.nii.gz"
    nifti.write_bytes(data)

    found = compress(nifti, final, voxels_at=_AT)

    written = final.read_bytes()
    assert gzip.decompress(written) == data
    assert found.file == hashlib.sha256(written).hexdigest()
    assert found.voxels == hashlib.sha256(data[_AT:]).hexdigest()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["v.nii", "v.nii.gz"]
    assert compress(nifti, final, voxels_at=_AT) == found
