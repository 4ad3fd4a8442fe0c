"""What a worker needs, loaded once in the fork server: workers start with it in memory."""

from __future__ import annotations

import contextlib

from schemas.errors import LivercohortError
from tasks.convert import store_folder
from tasks.convert.sidecar import read_sidecar_keys
from tasks.convert.store_converter import find_binary

__all__ = ["store_folder"]

# What is wrong with either is told where it is used.
with contextlib.suppress(LivercohortError, OSError):
    find_binary()
    read_sidecar_keys()
