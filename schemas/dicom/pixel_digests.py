"""A keyed name for the pixels of one instance: the same pixels again, whoever sends them.

It is made of the *decoded* values, not of the stored bytes: a PACS that sends an exam once plain
and once compressed sends the same picture, and a decision about it must be found again. Keyed
(`Purpose.PIXELS`), because whoever has a picture could else ask whether it is in the cohort.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.identifiers import Sha256
from schemas.vault.keys import KeyRing, Purpose

#: Fewer different values than this are no picture of a person: empty slices of all are alike.
FEWEST_VALUES = 64


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
    digest.update(np.ascontiguousarray(plain.astype(f"<u{width}")).data)
    return Sha256(digest.hexdigest())


def keyed_pixel_digest(ring: KeyRing, content: Sha256) -> Sha256:
    """Return the 64 hex digits that stand for the pixels outside a worker's memory."""
    return ring.keyed_digest(content, Purpose.PIXELS)


def hold_id(ring: KeyRing, digests: list[Sha256]) -> str:
    """Return the name of a held series: 16 keyed hex digits over its sorted pixel digests.

    It does not change when the same pixels come again, in whatever order or batch.
    """
    return ring.mac(Purpose.PIXELS, "hold", *sorted(digests)).hex()[:16]


def tells_apart(values: NDArray[Any]) -> bool:
    """Return whether an image has so many values that two persons do not share it by chance."""
    return bool(np.unique(values).size >= FEWEST_VALUES)
