"""Keyed names of pixels: what decisions, holds and comparisons are filed under.

Keyed (`Purpose.PIXELS`), because whoever has a picture could else ask whether it is in the cohort.
"""

from __future__ import annotations

from schemas.identifiers import Sha256
from schemas.vault.keys import KeyRing, Purpose


def keyed_pixel_digest(ring: KeyRing, content: Sha256) -> Sha256:
    """Return the 64 hex digits that stand for the pixels outside a worker's memory."""
    return ring.keyed_digest(content, Purpose.PIXELS)


def hold_id(ring: KeyRing, digests: list[Sha256]) -> str:
    """Return the name of a held series: 16 keyed hex digits over its sorted pixel digests.

    It does not change when the same pixels come again, in whatever order or batch.
    """
    return ring.mac(Purpose.PIXELS, "hold", *sorted(digests)).hex()[:16]
