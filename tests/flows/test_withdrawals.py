"""Who withdrew is in nothing that is made from an earlier release; nothing passes an erasure by."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from flows.withdrawals import (
    SHOWING,
    WITHDRAWALS,
    last_look,
    nobody_shows,
    nobody_withdraws,
    withdrawn_since,
    without_withdrawn,
)
from schemas.errors import BusyError, GateBlockedError
from schemas.run.settings import Settings
from schemas.vault.keys import create_key_file
from schemas.vault.suppression import Scope, Withdrawal, record_withdrawal
from tasks.publish.erase.store_erase import releases_with
from tasks.publish.signature import Signer
from tasks.publish.store import build_release
from tests.unit.publish.cohort import make_cohort, make_facts, make_sources

BY_LETTER, BY_FORM, STAYS = "S91-AAAA2222", "S91-DDDD5555", "S92-CCCC4444"
LETTER = Withdrawal(scope=Scope.SUPPRESS, reason="letter 7")


def test_who_withdrew_by_letter_or_form_is_known_of_every_release(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    zones, ring = settings.zones, create_key_file(settings.master_key_file)
    tables = make_cohort(extra_subject=BY_FORM)
    release: dict[str, Any] = {
        "releases_dir": zones.releases,
        "nifti_sources": make_sources(zones.warehouse, tables),
        "signer": Signer.of(ring),
    }
    build_release(tables, facts=make_facts(), **release)
    everybody = [BY_LETTER, BY_FORM, STAYS]
    assert withdrawn_since(settings, everybody) == frozenset()
    assert without_withdrawn(settings, tables) == tables
    record_withdrawal(zones.restricted, ring, BY_LETTER, LETTER)
    later = make_facts(kept_out={BY_FORM: "consent_withdrawn"})
    build_release(tables, facts=later, **release)
    assert withdrawn_since(settings, everybody) == {BY_LETTER, BY_FORM}
    look = last_look(settings, lambda: None)
    look([STAYS])
    for gone in (BY_LETTER, BY_FORM):
        with pytest.raises(GateBlockedError, match="1 subjects withdrew"):
            look([STAYS, gone])
    shown = without_withdrawn(settings, tables)
    left = set(tables["subject"]["subject_id"].to_pylist()) - {BY_LETTER, BY_FORM}
    assert set(shown["subject"]["subject_id"].to_pylist()) == left >= {STAYS}
    assert not {BY_LETTER, BY_FORM} & set(shown["series"]["subject_id"].to_pylist())
    assert [p.name for p in releases_with(zones.releases, BY_FORM)] == ["1.0.0"]
    assert [p.name for p in releases_with(zones.releases, STAYS)] == ["1.0.0", "2.0.0"]


def test_what_shows_persons_and_a_withdrawal_keep_each_other_waiting(tmp_path: Path) -> None:
    zones = Settings(home=tmp_path).zones
    with nobody_withdraws(zones) as still, nobody_withdraws(zones):
        still()
        with pytest.raises(BusyError, match=SHOWING), nobody_shows(zones):
            pass
        still()
    with (
        nobody_shows(zones),
        pytest.raises(BusyError, match=WITHDRAWALS),
        nobody_withdraws(zones),
    ):
        pass


def test_what_lost_its_lease_on_a_host_that_slept_is_not_published(tmp_path: Path) -> None:
    zones = Settings(home=tmp_path).zones
    with nobody_withdraws(zones) as still:
        [own] = (zones.operations / "leases").glob(f"{SHOWING}*.json")
        own.write_text(own.read_text().replace(socket.gethostname(), "a host that slept"))
        os.utime(own, (0, 0))
        with nobody_shows(zones):
            pass
        with pytest.raises(BusyError, match="taken showing-"):
            last_look(Settings(home=tmp_path), still)([])
    assert not list((zones.operations / "leases").iterdir())
