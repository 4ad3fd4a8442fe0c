"""Whoever writes to the restricted zone first, nobody else may enter it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.stage_errors import StageFailedError, redacted_errors
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, create_key_file
from schemas.vault.subjects import LinkageRow, Vault
from tasks.harmonise.overrides import Override
from tasks.harmonise.store_rules import add_overrides
from tasks.queries.store import keep_answer_file, write_outgoing


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def key(zones: Zones) -> None:
    create_key_file(zones.restricted / "key")


def trace(zones: Zones) -> None:
    with pytest.raises(StageFailedError), redacted_errors("receive", zones):
        raise ValueError("Zhang Weiming")


def decision(zones: Zones) -> None:
    add_overrides(zones, [Override("1.2.3", "0" * 16, "T1_PRE", "reader", "2026-11-20", "seen")])


def vault(zones: Zones) -> None:
    link = LinkageRow(SubjectNo("LC-001"), RawPatientId("PID000001"))
    Vault(zones.vault, KeyRing(bytes(32))).assign(SiteCode("S91"), [link])


def to_a_site(zones: Zones) -> None:
    write_outgoing(zones.outgoing("S91"), "queries", [{"a": "b"}])


def from_a_site(zones: Zones) -> None:
    keep_answer_file(zones, "S91", b"answers", "0" * 64)


@pytest.mark.parametrize("write", [key, trace, decision, vault, to_a_site, from_a_site])
def test_a_first_write_below_restricted_closes_every_folder_of_it(
    tmp_path: Path, write: Callable[[Zones], None]
) -> None:
    zones = Zones(tmp_path / "home")
    write(zones)
    folders = [zones.restricted, *(p for p in zones.restricted.rglob("*") if p.is_dir())]
    assert {stat.S_IMODE(p.stat().st_mode) for p in folders} == {0o700}
    assert stat.S_IMODE(zones.home.stat().st_mode) == 0o755


def test_a_key_elsewhere_lies_in_a_closed_folder_too(tmp_path: Path) -> None:
    create_key_file(tmp_path / "keys" / "livercohort" / "key")
    assert stat.S_IMODE((tmp_path / "keys" / "livercohort").stat().st_mode) == 0o700
