"""The converter that runs: where it is, which one it is, the flags it always gets."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import Sha256
from schemas.run.atomic_files import sha256_of_file

TOKEN = "volume"  # noqa: S105 - a file name, not a secret
#: Never from a user's defaults, no gzip, no crop, no Philips precise scaling, no free text.
FLAGS = (
    *("-g", "i", "-z", "n", "-i", "n", "-p", "n", "-x", "n"),
    *("-ba", "y", "-c", "", "-b", "y", "-f", TOKEN),
)
#: Except where slope or intercept change from slice to slice: then plain integers cannot
#: hold the image and the converter writes real values, for Philips MR by itself.
PRECISE_FLAGS = tuple("y" if i and FLAGS[i - 1] == "-p" else flag for i, flag in enumerate(FLAGS))
CONVERTER_FLAGS = (FLAGS, PRECISE_FLAGS)


@dataclass(frozen=True)
class Binary:
    """The converter that runs: path, version, SHA-256 of its bytes."""

    path: Path
    version: str
    sha256: Sha256


@lru_cache(maxsize=1)
def find_binary() -> Binary:
    """Return the converter of the pinned package, hashed once per process."""
    import importlib.metadata

    import dcm2niix

    path = Path(dcm2niix.bin)
    if not os.access(path, os.X_OK):
        raise EnvironmentProblemError(
            "dcm2niix is missing or cannot be run", hint="Install the locked requirements again."
        )
    return Binary(path, importlib.metadata.version("dcm2niix"), sha256_of_file(path))


def converter_identity() -> tuple[str, str]:
    """Return version and SHA-256 of the converter that runs.

    Raises
    ------
    EnvironmentProblemError
        If there is none.
    """
    binary = find_binary()
    return binary.version, str(binary.sha256)


def flags_text(flags: Sequence[str] = FLAGS) -> str:
    """Return the flags on one line, as provenance states them."""
    return shlex.join(flags)
