"""What the pixels of one instance are: the same pixels again, whoever sends them and packed how.

The digest is of the *decoded* values, not of the stored bytes: a PACS that sends an exam once
plain and once compressed sends the same picture, and a decision about it must be found again.
It stays in memory; outside stands its keyed form (`schemas.vault.pixel_digests`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.identifiers import Sha256

#: Fewer different values than this are no picture of a person: empty slices of all are alike.
FEWEST_VALUES = 64
_STEPS = (97, 7, 1)


def pixel_content(values: NDArray[Any]) -> Sha256:
    """Return the SHA-256 of the shape and the stored values (before rescale) of an instance.

    Parameters
    ----------
    values : ndarray of integers, shape (rows, columns) or (frames, rows, columns[, samples])
        As decoded; a signed and an unsigned reading of the same bits give the same digest.
    """
    plain = values[np.newaxis] if values.ndim == 2 else values
    width = 2 if plain.dtype.itemsize <= 2 else 4
    digest = hashlib.sha256(repr(plain.shape).encode("ascii"))
    kind = np.dtype(f"<u{width}")
    # A view where the bits lie as they are hashed: to copy them takes a tenth of hashing them.
    lie_so = plain.dtype in (kind, np.dtype(f"<i{width}"))
    digest.update(np.ascontiguousarray(plain.view(kind) if lie_so else plain.astype(kind)).data)
    return Sha256(digest.hexdigest())


def tells_apart(values: NDArray[Any]) -> bool:
    """Return whether an image has so many values that two persons do not share it by chance."""
    # Of a usual image a hundredth of the pixels says so, of a small one a seventh; sorting all
    # costs as much as reading it.
    plain = values.reshape(-1)
    return any(np.unique(plain[::every]).size >= FEWEST_VALUES for every in _STEPS)
