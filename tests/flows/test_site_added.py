"""A hospital is added as its data manager does it, in a copy of the package that nobody shares."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.flows.conftest import clean_environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
_GIVEN = {
    "--ethics-ref": "2026-KY-001",
    "--ethics-date": "2026-03-01",
    "--ethics-reason": "letter of the committee: approved",
    "--cron": "45 1 * * *",
    "--every-days": "7",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Code and tables as installed; site files are written beside the tables."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("flows", "tasks", "schemas", "expectations", "data_contracts"):
        # Compiled as it lies there: times are copied with the files, so that is valid.
        shutil.copytree(ROOT / name, folder / name)
    return folder


def livercohort(
    package: Path, *arguments: str, terminal: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    if terminal is not None:
        # `script` gives a terminal, so that what is missing is asked for.
        command = ["script", "-qec", " ".join(f"'{part}'" for part in command), "/dev/null"]
    return subprocess.run(
        command,
        cwd=package,
        env={**clean_environment(), "PYTHONPATH": str(package), "COLUMNS": "200"},
        input=terminal,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_registered_hospital_is_written_checked_listed_and_deployed(package: Path) -> None:
    given = [part for pair in _GIVEN.items() for part in pair]
    added = livercohort(package, "site", "add", "S01", *given)
    assert added.returncode == 0, added.stderr
    path = package / "data_contracts" / "sites" / "S01.yaml"
    facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    register = (package / "data_contracts" / "sites").glob("*.csv")
    assert any(facts["name_zh"] in table.read_text(encoding="utf-8") for table in register)
    assert facts["fictitious"] is False
    assert facts["ethics_reason"] == _GIVEN["--ethics-reason"]
    assert facts["schedule"] == {"cron": "45 1 * * *", "timezone": "Asia/Shanghai"}
    assert facts["expected"]["every_days"] == 7
    checked = livercohort(package, "site", "check", "S01")
    assert checked.returncode == 0, checked.stdout
    listed = livercohort(package, "site", "list", "--csv").stdout
    assert any("S01" in line and "may deliver" in line for line in listed.splitlines())
    deployed = yaml.safe_load(livercohort(package, "deploy", "--print").stdout)
    (mine,) = (one for one in deployed["deployments"] if one["name"] == "S01")
    assert mine["parameters"] == {"site": "S01"}
    assert mine["schedules"][0]["cron"] == "45 1 * * *"
    again = livercohort(package, "site", "add", "S01", *given)
    assert again.returncode == 2
    assert "has a file already" in again.stderr


def test_what_was_not_given_is_asked_for_on_a_terminal(package: Path) -> None:
    if shutil.which("script") is None:
        pytest.fail("`script` of util-linux is needed for a terminal")
    answers = "2026-KY-002\n2026-03-02\nletter of the committee\n15 2 * * *\n14\n"
    added = livercohort(package, "site", "add", "S02", terminal=answers)
    assert added.returncode == 0, added.stdout
    for name in ("ethics ref", "ethics date", "ethics reason", "cron", "every days"):
        assert name in added.stdout
    facts = yaml.safe_load((package / "data_contracts/sites/S02.yaml").read_text(encoding="utf-8"))
    assert (facts["ethics_ref"], facts["expected"]["every_days"]) == ("2026-KY-002", 14)
    assert livercohort(package, "site", "check", "S02").returncode == 0


@pytest.mark.parametrize(
    ("option", "value", "about"),
    [
        ("--ethics-ref", "DEMO-S92", "reference of the demo"),
        ("--ethics-date", "2026-13-01", "no day of the calendar"),
        ("--cron", "15 25 * * *", "cron"),
        ("--every-days", "0", "every_days"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(
    package: Path, option: str, value: str, about: str
) -> None:
    given = [part for pair in (_GIVEN | {option: value}).items() for part in pair]
    ended = livercohort(package, "site", "add", "S03", *given)
    assert ended.returncode == 2
    assert about in ended.stderr
    assert "pydantic" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (package / "data_contracts" / "sites" / "S03.yaml").exists()
