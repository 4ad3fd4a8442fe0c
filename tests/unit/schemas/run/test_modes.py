"""Whatever mask a process was given, nobody else may write what it makes."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.run.atomic_files import make_folder
from schemas.run.zones import Zones


def test_an_open_mask_opens_no_zone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        zones = Zones(tmp_path / "home")
        zones.create()
        make_folder(zones.warehouse / "batches" / "S91")
        (zones.operations / "note").write_text("x")
        writable = [p for p in zones.home.rglob("*") if p.stat().st_mode & 0o022]
        assert writable == []
        assert zones.restricted.stat().st_mode & 0o077 == 0
    finally:
        os.umask(before)
