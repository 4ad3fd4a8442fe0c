"""Shared fixtures. Real DICOM is used in place and never committed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from schemas.keys import KeyRing

# The machine is shared: a slow example says nothing about the law it tries.
settings.register_profile("livercohort", deadline=None)
settings.load_profile("livercohort")

_REAL_DICOM_DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "dicom"


@pytest.fixture(scope="session")
def real_dicom() -> Path:
    """The folder of real DICOM, from LIVERCOHORT_REAL_DICOM or beside the project."""
    folder = Path(os.environ.get("LIVERCOHORT_REAL_DICOM", _REAL_DICOM_DEFAULT))
    if not folder.is_dir():
        pytest.skip("no real DICOM here: set LIVERCOHORT_REAL_DICOM to a folder that has it")
    return folder


@pytest.fixture
def ring() -> KeyRing:
    """A key that is the same in every test."""
    return KeyRing(bytes(range(32)))
