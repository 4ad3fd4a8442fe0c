"""A subject that withdraws is gone from every zone that is ours, and everything still verifies."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.rehearsal import page_path
from schemas.run.zones import Zones
from tests.flows.conftest import Demo, require_one_error, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

WHO = ("--document", "E-1", "--by", "Li", "--approved-by", "Wang")


@pytest.fixture(scope="module")
def home(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of two releases that may be damaged."""
    copy = tmp_path_factory.mktemp("withdraw") / "home"
    for zone in ("inbox", "releases", "restricted", "warehouse"):
        shutil.copytree(demo.home / zone, copy / zone, symlinks=True)
    return copy


@pytest.fixture(scope="module")
def subject(home: Path) -> str:
    """A subject of the first release."""
    table = pq.read_table(home / "releases" / "1.0.0" / "tables" / "subject")
    return str(min(table["subject_id"].to_pylist()))


def test_an_unknown_or_unapproved_withdrawal_is_refused(home: Path, subject: str) -> None:
    ended = run("withdraw", f"{subject[:4]}AAAAAAAA", "--reason", "x", "--home", home)
    require_one_error(ended, 2, about="nobody")
    ended = run("withdraw", subject, "--reason", "x", "--scope", "erase", "--home", home)
    require_one_error(ended, 2, about="without a document")
    assert not (home / "restricted" / "withdrawn.jsonl").exists()


def test_a_withdrawal_names_what_still_shows_the_subject_and_destroys_nothing(
    demo: Demo, subject: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for zone in ("releases", "reports", "restricted", "warehouse"):
        shutil.copytree(demo.home / zone, home / zone, symlinks=True)
    before = {p for p in home.rglob("*") if p.is_file()}
    ended = run("withdraw", subject, "--reason", "letter 7", "--home", home, "--json")
    shown = ended.json()["still_shown_in"]
    assert shown["releases"] == ["1.0.0", "1.1.0"]
    assert {"release-1.0.0", "release-1.1.0"} <= set(shown["reports"])
    assert before <= {p for p in home.rglob("*") if p.is_file()}
    built = run("report", "1.0.0", "--home", home, "--json").json()
    folder = Path(built["index"]).parent
    assert folder.name not in shown["reports"]
    texts = [p for p in folder.rglob("*") if p.suffix in {".html", ".js", ".json"}]
    assert texts
    assert not [p for p in texts if subject in p.name or subject.encode() in p.read_bytes()]


def left_by_killed_runs(home: Path, subject: str) -> list[Path]:
    """Write what a release, a night and a staged batch leave that were killed."""
    site = subject[:3]
    files = [
        home / "work" / "release-current" / "tables" / "instance" / f"{site}.parquet",
        home / "work" / f"{site}-0123456789abcdef" / "received_export.pickle",
        home / "warehouse" / "batches" / site / ".0123456789abcdef.01234567.part" / "file.parquet",
    ]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(subject)
    return files


def test_erasure_reaches_every_zone_and_the_releases_verify(home: Path, subject: str) -> None:
    instances = [
        row
        for path in (home / "warehouse" / "batches").glob("*/*/instance.parquet")
        for row in pq.read_table(path).to_pylist()
        if row["subject_id"] == subject
    ]
    rehearsed = page_path(Zones(home), subject[:3], 1)
    rehearsed.parent.mkdir(exist_ok=True)
    rehearsed.write_text("- `dicom/Zhang Wei.dcm`")
    orphan = home / "restricted" / "accrual" / ".intervals.csv.0123abcd.part"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text(subject)
    os.utime(orphan, (time.time() - 120, time.time() - 120))
    trace = home / "restricted" / "errors" / "convert-0123456789ab.txt"
    trace.parent.mkdir(exist_ok=True)
    trace.write_text("ValueError: not a day: 'Zhang Wei'")
    killed = left_by_killed_runs(home, subject)
    kept = [home / "restricted" / name for name in ("verdicts", "images")]
    assert all(list(folder.glob("*.kept")) for folder in kept)
    ended = run(
        "withdraw", subject, "--reason", "r", "--scope", "erase", *WHO, "--home", home, "--json"
    )
    assert ended.code == 0, ended.err
    assert not rehearsed.exists()
    assert not orphan.exists()
    assert not trace.exists()
    assert not [path for path in killed if path.exists()]
    assert not any(folder.exists() for folder in kept)
    told = json.loads(ended.out)
    assert told["releases"] == ["1.0.0", "1.1.0"]
    assert told["new_version"] == "2.0.0"
    assert told["series"] == len({row["series_uid"] for row in instances})
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        assert run("verify", version, "--home", home).code == 0
    named = {subject, *(row["series_uid"] for row in instances)}
    hashed = {
        place
        for path in (home / "restricted" / "checked").glob("*.parquet")
        for place in pq.read_table(path)["path"].to_pylist()
    }
    assert hashed
    assert not [place for place in hashed if any(name in place for name in named)]
    left = [
        path
        for zone in ("warehouse", "releases")
        for path in (home / zone).rglob("*")
        if path.is_file() and any(name in path.as_posix() for name in named)
    ]
    assert left == []
    for path in (home / "warehouse" / "batches").glob("*/*/*.parquet"):
        table = pq.read_table(path)
        cells = {str(v) for name in table.column_names for v in table[name].to_pylist()}
        assert not named & cells, path.stem
    # As a kill between the publication and the step after it leaves it.
    latest = home / "releases" / "latest"
    latest.unlink()
    latest.symlink_to("1.1.0")
    behind = "`latest` points to 1.1.0 and 2.0.0 is the newest release"
    assert behind in run("status", "--home", home).out
    assert "2.0.0 is there" in run("report", "latest", "--home", home).err
    again = run(
        "withdraw", subject, "--reason", "r", "--scope", "erase", *WHO, "--home", home, "--json"
    )
    assert latest.resolve().name == "2.0.0"
    assert behind not in run("status", "--home", home).out
    assert json.loads(again.out) | {"left": None} == told | {
        "left": None,
        "releases": [],
        "new_version": None,
        "series": 0,
        "warehouse_rows": 0,
        "form_rows": 0,
        "reports": 0,
        "queries": 0,
        "verification_items": 0,
        "vault_links": 0,
        "recorded_before": True,
    }
    ended = run("withdraw", subject, "--reason", "r", "--scope", "erase", *WHO, "--home", home)
    assert ended.out.startswith(f"{subject} was erased before. Nothing was left to erase here.\n")
    ended = run("withdraw", subject, "--reason", "r", "--home", home)
    assert ended.out == f"{subject} was withdrawn before. Nothing was changed.\n"
