"""A quarantine of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.desk.quarantined import (
    Quarantine,
    zones_at,
)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(zones_at(tmp_path))
