"""The digest of pixels is of shape and values, however they lie in memory."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.dicom.pixel_digests import pixel_content

VALUES = np.arange(-30, 30).reshape(6, 10)


def _stated(values: NDArray[np.int64], width: int) -> str:
    """Return the digest as committed tables state it: written value by value."""
    digest = hashlib.sha256(repr((1, *values.shape)).encode("ascii"))
    for value in values.reshape(-1).tolist():
        digest.update((value % (1 << 8 * width)).to_bytes(width, "little"))
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("kind", "width"),
    [("<i2", 2), ("<u2", 2), (">i2", 2), (">u2", 2), ("i1", 2), ("<i4", 4), ("<u4", 4), (">i4", 4)],
)
def test_the_same_values_give_the_same_digest_whatever_their_type(kind: str, width: int) -> None:
    assert pixel_content(VALUES.astype(kind)) == _stated(VALUES, width)


def test_how_values_lie_in_memory_changes_nothing() -> None:
    values = VALUES.astype("<i2")
    apart = np.repeat(np.repeat(values, 2, axis=0), 2, axis=1)[::2, ::2]
    for lying in (np.asfortranarray(values), apart, values[::-1][::-1]):
        assert pixel_content(lying) == pixel_content(values)
