"""A word in one header that stands in a release holds whose header it is, and nobody else."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom
import pytest

from tests.flows.conftest import Ended, run
from tests.flows.exports import dicom_files, new_home
from tests.made_once import simulated_once

pytestmark = pytest.mark.slow

#: It stands in the register of hospitals, so in every release, and in none of our own tables.
WORD = "Xinjiang"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sites have delivered; at S91 the operator of one subject is called by the word."""
    out = simulated_once(tmp_path_factory, sites=2, subjects=2, nights=1)
    home = new_home(tmp_path_factory.mktemp("held"))
    for site in ("S91", "S92"):
        shutil.copytree(out / site, home / "inbox" / site)
    whose = ""
    for path in dicom_files(next((home / "inbox" / "S91").iterdir())):
        try:
            dataset = pydicom.dcmread(path)
        except (pydicom.errors.InvalidDicomError, EOFError):
            continue
        whose = whose or str(dataset.PatientID)
        if dataset.PatientID == whose:
            dataset.OperatorsName = WORD
            dataset.save_as(path)
    for manifest in (home / "inbox" / "S91").glob("*/manifest*"):
        manifest.unlink()
    ended = run("ingest", "S91", "S92", "--home", home)
    assert ended.code in (0, 1), ended.err
    return home


@pytest.fixture(scope="module")
def first(home: Path) -> dict[str, Any]:
    ended = run("release", "--home", home, "--json")
    assert ended.code == 0, ended.err
    result: dict[str, Any] = ended.json()
    return result


def subjects(home: Path) -> set[str]:
    table = pq.read_table(home / "releases" / "latest" / "tables" / "subject")
    return set(table["subject_id"].to_pylist())


def words(home: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run("words", "list", "--home", home, "--json").json()
    return rows


def flow(home: Path) -> dict[str, int]:
    rows = pq.read_table(home / "releases" / "latest" / "tables" / "stard_flow").to_pylist()
    reading = rows[0]["reading"]
    return {
        row["node_id"]: row["n"]
        for row in rows
        if row["site_code"] == "all" and row["reading"] == reading
    }


def test_the_others_are_released_and_the_sums_close(home: Path, first: dict[str, Any]) -> None:
    assert first["status"] == "published"
    assert first["held"] == 1
    sites = sorted(one.partition("-")[0] for one in subjects(home))
    assert sites.count("S92") == 2
    assert sites.count("S91") == 1
    nodes = flow(home)
    assert nodes["identifier_held"] == 1
    assert nodes["enrolled"] == 4
    assert run("verify", "latest", "--home", home).code == 0


def test_the_data_manager_is_told_site_batch_and_kind_and_the_word_stays_in(
    home: Path, first: dict[str, Any]
) -> None:
    (row, *more) = words(home)
    assert more == []
    assert (row["site"], row["kind"], row["decidable"]) == ("S91", "physician", True)
    assert row["subject_id"] not in subjects(home)
    listed = run("words", "list", "--home", home)
    told = listed.out + listed.err + str(first)
    told += "".join(p.read_text() for p in (home / "logs").rglob("*.log"))
    assert WORD.lower() not in told.lower()
    with (home / "restricted" / "held_words.csv").open(encoding="utf-8") as stream:
        assert {kept["value"] for kept in csv.DictReader(stream)} == {WORD}


@pytest.mark.parametrize(
    "arguments",
    [
        ("1", "--by", "DM01", "--reason", "short"),
        ("1", "--by", "", "--reason", "login of the console, no person"),
        ("7", "--by", "DM01", "--reason", "login of the console, no person"),
        ("1", "--by", "DM01", "--reason", "called 13912345678, it is a login"),
    ],
)
def test_a_decision_that_is_not_whole_is_refused(
    home: Path, first: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    assert run("words", "accept", *arguments, "--home", home).code == 2
    assert len(words(home)) == 1


def test_decided_with_a_reason_the_subject_is_in_the_next_release(
    home: Path, first: dict[str, Any], cli: Callable[..., Ended]
) -> None:
    reason = ("--by", "DM01", "--reason", "login of the CT console, no person")
    ended = cli("words", "accept", "1", *reason, "--home", home)
    assert ended.code == 0, ended.err
    assert WORD not in ended.out
    assert words(home) == []
    again = cli("release", "--home", home, "--json")
    assert again.code == 0, again.err
    assert again.json()["held"] == 0
    assert len(subjects(home)) == 4
    assert flow(home)["identifier_held"] == 0
    assert cli("verify", "latest", "--home", home).code == 0
