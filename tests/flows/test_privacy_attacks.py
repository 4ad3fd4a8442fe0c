"""Attacks on the releases of the demo learn nothing; the same attacks do learn from a bad one."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.privacy.attacks import attack, compare_releases, delivered, identifiers_in
from benchmarks.privacy.fill_ins import PATIENT, STAFF, WORDS, judge_words
from tasks.deidentify.identifiers import IdentifierKind
from tests.flows.conftest import Demo

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def known(demo: Demo) -> list[bytes]:
    return delivered(demo.home / "inbox")


def releases(demo: Demo) -> list[Path]:
    return sorted(p for p in (demo.home / "releases").iterdir() if not p.is_symlink())


def test_no_attack_learns_anything_from_a_release(demo: Demo, known: list[bytes]) -> None:
    assert len(known) > 10
    identifiers = identifiers_in(demo.home / "inbox")
    assert len(identifiers) > 1000
    for release in releases(demo):
        learned = attack(release, known, identifiers)
        assert [found for found in learned.values() if found] == []


def test_two_releases_tell_no_more_than_one(demo: Demo) -> None:
    old, new, *_ = releases(demo)
    assert compare_releases(old, new) == []


@pytest.mark.parametrize("kind", STAFF)
def test_what_hospitals_fill_in_for_staff_and_places_keeps_nobody_out(
    demo: Demo, kind: IdentifierKind
) -> None:
    _, judged = judge_words(releases(demo)[-1], kind, WORDS)
    assert judged.is_clean


@pytest.mark.parametrize("kind", PATIENT)
def test_what_they_fill_in_for_a_patient_keeps_out_that_patient_at_most(
    demo: Demo, kind: IdentifierKind
) -> None:
    subject_id, judged = judge_words(releases(demo)[-1], kind, WORDS)
    assert judged.hold <= {subject_id}
    assert not judged.stop


def test_the_attacks_find_what_they_look_for(
    demo: Demo, known: list[bytes], tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(releases(demo)[0], bad)
    table = pa.table(
        {
            "rater_id": ["R-1"],
            "rated_on_shifted": [dt.date(2020, 1, 1)],
            "as_of": [dt.date(2026, 11, 20)],
            "source_sha256": [hashlib.sha256(known[0]).hexdigest()],
        }
    )
    (bad / "tables/mine").mkdir()
    pq.write_table(table, bad / "tables/mine/all.parquet")
    (bad / "notes.md").write_text("exported 2026-11-20")
    (bad / "excel/mine.csv").write_text("a\n=1+1\n")
    uid = int.from_bytes(hashlib.sha256(b"1.2.840.1").digest()[:16], "big")
    (bad / "uids.txt").write_text(f"2.25.{uid}")
    (bad / "tables/subject").mkdir(exist_ok=True)
    people = pa.table({"subject_id": ["S91-BBBBBBBB", "S91-AAAAAAAA"]})
    pq.write_table(people, bad / "tables/subject/zz.parquet")
    os.utime(bad / "notes.md")
    learned = attack(bad, known, {"1.2.840.1"})
    for name in (
        "columns of real days",
        "real days in documents",
        "sessions of readers",
        "times of files",
        "cells that run",
        "hashes of known sources",
        "hashes of known identifiers",
        "orders of rows",
    ):
        assert learned[name], name
