"""What a worker needs, loaded once before workers are forked: they start with it in memory."""

from __future__ import annotations

import contextlib

from schemas.dicom.descriptors import clean_descriptor, read_agent_class
from schemas.errors import LivercohortError
from tasks.deidentify import store_worker
from tasks.deidentify.rules.profile import load_profile

__all__ = ["store_worker"]

# What is wrong with any table is told where it is used.
with contextlib.suppress(LivercohortError, OSError):
    load_profile()
    clean_descriptor("t1")
    read_agent_class("")
