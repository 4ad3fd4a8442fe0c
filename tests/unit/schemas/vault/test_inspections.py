"""Later inspections are sealed: nobody without the key writes one, and erasure takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.held_series import SeenBox
from schemas.identifiers import SiteCode
from schemas.pixel_decisions import Box
from schemas.run.zones import Zones
from schemas.vault.inspections import LaterInspection, add_later, forget_later, read_later
from schemas.vault.keys import KeyRing
from schemas.vault.rotation import sealed_files

RING, SITE = KeyRing(b"k" * 32), SiteCode("S91")
ONE = LaterInspection("b1", "9", "S91-A", "clean", "r1", 2, 3)
BOX = SeenBox("minimum", Box(1, 2, 30, 9), 0.9, of_person=True)
TWO = LaterInspection(
    *("b1", "8", "S91-B", "held", "r1", 2, 3, "TEXT_IN_PIXELS", ("8.1",)),
    digests=("d",), boxes=(BOX,), rows=96, columns=90,
)  # fmt: skip


def test_rows_come_back_and_the_newest_of_a_series_stays(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    assert read_later(zones, RING, SITE) == []
    add_later(zones, RING, SITE, [ONE, TWO])
    again = LaterInspection("b1", "9", "S91-A", "annotation", "r2", 2, 3)
    add_later(zones, RING, SITE, [again])
    assert set(read_later(zones, RING, SITE)) == {again, TWO}
    forget_later(zones, RING, SITE, "S91-B")
    assert read_later(zones, RING, SITE) == [again]


def test_a_changed_file_or_another_key_is_refused_and_rotation_knows_the_file(
    tmp_path: Path,
) -> None:
    zones = Zones(tmp_path)
    add_later(zones, RING, SITE, [ONE])
    (path,) = sealed_files(zones)
    assert path.name == "S91.sealed"
    with pytest.raises(EnvironmentProblemError):
        read_later(zones, KeyRing(b"x" * 32), SITE)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(EnvironmentProblemError):
        read_later(zones, RING, SITE)
