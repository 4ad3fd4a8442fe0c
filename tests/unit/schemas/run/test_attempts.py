"""A worker that was lost is no fault of the bytes, until it was lost on several nights."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import BatchId, SiteCode
from schemas.run.attempts import MOST_NIGHTS, require_no_worker_lost
from schemas.run.zones import Zones

SITE, BATCH = SiteCode("S91"), BatchId("0011")


def test_the_batch_is_refused_until_it_was_tried_on_several_nights(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    for night in range(1, MOST_NIGHTS):
        with pytest.raises(EnvironmentProblemError, match=f"night {night} of {MOST_NIGHTS}"):
            require_no_worker_lost(zones, SITE, BATCH, "convert", 1)
    require_no_worker_lost(zones, SITE, BATCH, "convert", 1)


def test_a_night_without_a_lost_worker_is_not_counted(tmp_path: Path) -> None:
    require_no_worker_lost(Zones(tmp_path), SITE, BATCH, "convert", 0)
    assert list(tmp_path.rglob("*")) == []
