"""Planned nights without a file written: what tests of single faults look at."""

from __future__ import annotations

from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.nights import Request, plan_nights
from tests.unit.simulate.conftest import SEED


def planned(*faults: str, sites: int = 1, subjects: int = 2, nights: int = 2) -> list[Export]:
    """Return the exports of all sites and nights."""
    request = Request(sites=sites, subjects=subjects, nights=nights, seed=SEED, faults=faults)
    return [night.export for night in plan_nights(request)]


def hit(export: Export, fault: str) -> list[ExportFile]:
    """Return the files of an export that a fault made or changed."""
    return [file for file in export.files if file.fault == fault]


def read(file: ExportFile) -> Dataset:
    """Return an image as a reader sees it."""
    return pydicom.dcmread(BytesIO(file.content()))
