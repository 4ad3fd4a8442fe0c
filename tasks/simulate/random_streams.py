"""Independent streams of chance, each named by what it is for.

Two parts of an export never draw from one stream, so that adding a series to one person
changes nothing of any other.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def stream(seed: int, *parts: object) -> np.random.Generator:
    """Return the generator that belongs to these parts, the same on every run."""
    return np.random.Generator(np.random.PCG64(number_of(seed, *parts)))


def number_of(seed: int, *parts: object) -> int:
    """Return a 64-bit number that depends on the seed and the parts only."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def pick(generator: np.random.Generator, items: tuple[T, ...]) -> T:
    """Return one of the items."""
    return items[int(generator.integers(len(items)))]
