"""What a reviewer saw in the report decides E2 in the next release; each run shows itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest

from schemas.hospital_day import hospital_today
from tasks.report.reviews import FORMAT, checksum
from tests.flows.conftest import Demo, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.fixture
def home(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's home: what a review changes must not reach other tests."""
    return Path(shutil.copytree(demo.home, tmp_path / "home", symlinks=True))


def rate(home: Path, report: str, subject: str, exam: str) -> Path:
    """Write the file that the rating page saves after the whole exam was seen."""
    manifest = json.loads((home / "reports" / report / "report.json").read_text(encoding="utf-8"))
    shown = manifest["exams"][f"{subject}/{exam}"]
    facts: dict[str, Any] = {
        "format": FORMAT,
        "kind": "image_quality",
        "run": report,
        "report_sha256": manifest["report_sha256"],
        "reviewer": "QC01",
        "made_on": hospital_today().isoformat(),
        "content": {
            "subject_id": subject,
            "exam": exam,
            "exam_sha256": shown["exam_sha256"],
            "assessable": True,
            "series": [
                {"series": series, "n_frames": n, "n_seen": n}
                for series, n in shown["frames"].items()
            ],
        },
    }
    path = home / f"rating_{subject}_{exam}_QC01.json"
    path.write_text(json.dumps(facts | {"sha256": checksum(facts)}), encoding="utf-8")
    return path


def effects(home: Path) -> dict[str, str]:
    with duckdb.connect(str(home / "releases/latest/cohort.duckdb"), read_only=True) as database:
        found = database.execute(
            "SELECT subject_id, effect FROM criterion_result "
            "WHERE criterion_id = 'E2' AND reading = 'literal'"
        ).fetchall()
    return dict(found)


def test_a_rating_in_the_report_decides_e2_in_the_next_release(home: Path) -> None:
    waiting = [subject for subject, effect in effects(home).items() if effect == "undetermined"]
    assert waiting
    files = [rate(home, "release-1.1.0", waiting[0], exam) for exam in ("ct", "mri")]
    taken = run("signoff", "import", *files, "--home", home)
    assert (taken.code, taken.out.count("assessable")) == (0, 2)
    assert run("release", "--home", home).code == 0
    assert effects(home)[waiting[0]] == "pass"
    assert run("verify", "latest", "--home", home).code == 0


def test_a_tampered_file_is_bad_input(home: Path) -> None:
    subject = min(effects(home))
    path = rate(home, "release-1.1.0", subject, "ct")
    path.write_text(path.read_text(encoding="utf-8").replace("QC01", "QC02"), encoding="utf-8")
    ended = run("signoff", "import", path, "--home", home)
    assert (ended.code, "changed after it was made" in ended.err) == (2, True)
    assert f"error: file 1, {path.name}: " in ended.err


def test_a_refused_file_is_named_and_keeps_no_other_out(home: Path) -> None:
    subject = max(effects(home))
    good, bad = (rate(home, "release-1.1.0", subject, exam) for exam in ("mri", "ct"))
    other = bad.rename(home / f"rating_{subject}_ct_QC09.json")
    ended = run("signoff", "import", other, good, "--home", home)
    assert ended.code == 2
    assert ended.out.count("assessable") == 1
    assert f"error: file 1, {other.name}: the file is named after another reviewer" in ended.err


def test_the_name_of_a_file_that_no_page_gave_is_not_repeated(home: Path) -> None:
    path = home / "张三.json"
    path.write_text("{}", encoding="utf-8")
    ended = run("signoff", "import", path, "--home", home)
    assert ended.code == 2
    assert "error: file 1: the file is not a review" in ended.err
    assert "张三" not in ended.err + ended.out


def test_every_flow_run_shows_itself_in_the_console(demo: Demo) -> None:
    with sqlite3.connect(demo.home / "prefect" / "prefect.db") as database:
        runs = database.execute(
            "SELECT flow.name, flow_run.id FROM flow_run JOIN flow ON flow.id = flow_run.flow_id"
        ).fetchall()
        artifacts = database.execute("SELECT flow_run_id, type, data FROM artifact").fetchall()
    kinds = {
        (name, kind) for name, run_id in runs for owner, kind, _ in artifacts if owner == run_id
    }
    for name in ("ingest-site", "release-cohort"):
        assert {kind for owner, kind in kinds if owner == name} == {
            "progress",
            "table",
            "markdown",
        }
    assert {run_id for _, run_id in runs} <= {owner for owner, _, _ in artifacts}
    names = {run_id: name for name, run_id in runs}
    linked = {names.get(o) for o, _, data in artifacts if "index.html" in str(data)}
    assert {"ingest-site", "release-cohort"} <= linked
