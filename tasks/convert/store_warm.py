"""What a worker needs, loaded once before workers are forked: they start with it in memory."""

from __future__ import annotations

import contextlib

from schemas.dicom.descriptors import clean_descriptor, read_agent_class
from schemas.errors import LivercohortError
from tasks.convert import store, store_scan
from tasks.convert.sidecar import read_sidecar_keys
from tasks.convert.store_binary import find_binary

__all__ = ["store", "store_scan"]

# What is wrong with any of them is told where it is used.
with contextlib.suppress(LivercohortError, OSError):
    find_binary()
    read_sidecar_keys()
    clean_descriptor("t1")
    read_agent_class("")
