"""A signed table that cannot be used stops a night and a release before they begin."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import signed_tables
from flows.ingest_site import ingest_site
from flows.release_cohort import release_cohort
from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from tests.flows.conftest import Ended, clean_environment, require_one_error, run
from tests.flows.exports import cut_export, file_bytes

ROOT = data_contracts_dir().parent
AGENTS = "sequence_labels/contrast_agents.csv"

pytestmark = pytest.mark.slow


def with_stray_quote(content: bytes) -> bytes:
    """Return a table with a quotation mark before the last cell of its third line."""
    lines = content.split(b"\n")
    head, _, tail = lines[2].rpartition(b",")
    lines[2] = head + b',"' + tail
    return b"\n".join(lines)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder that the commands run from, with a table that an edit damaged."""
    folder = tmp_path / "installed"
    folder.mkdir()
    for package in ("flows", "tasks", "schemas", "expectations"):
        (folder / package).symlink_to(ROOT / package)
    shutil.copytree(ROOT / "data_contracts", folder / "data_contracts")
    path = folder / "data_contracts" / AGENTS
    path.write_bytes(with_stray_quote(path.read_bytes()))
    return folder


def run_in(folder: Path, *arguments: str | Path) -> Ended:
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=folder,
        env={**clean_environment(), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def written(home: Path) -> dict[str, bytes]:
    return file_bytes(home, "warehouse/**/*", "releases/**/*", "work/**/*", "restricted/**/*")


@pytest.mark.parametrize("command", [("ingest", "S91"), ("release",), ("release", "--dry-run")])
def test_a_damaged_table_of_the_package_ends_a_command_before_it_begins(
    installed: Path, home: Path, whole_export: Path, command: tuple[str, ...]
) -> None:
    cut_export(whole_export, home / "inbox", series=1)
    before = written(home)
    ended = run_in(installed, *command, "--home", home)
    require_one_error(ended, 2, about=f"{AGENTS}:3")
    assert written(home) == before


@pytest.mark.parametrize("command", [("ingest", "S91"), ("release",)])
def test_a_damaged_table_of_the_home_ends_a_command_before_it_begins(
    home: Path, whole_export: Path, command: tuple[str, ...]
) -> None:
    cut_export(whole_export, home / "inbox", series=1)
    (home / "operations").mkdir(exist_ok=True)
    (home / "operations" / "waivers.csv").write_text("rule_id,author\n", encoding="utf-8")
    before = written(home)
    require_one_error(run(*command, "--home", home), 2, about="waivers.csv:1")
    assert written(home) == before


def test_the_flows_refuse_too_because_a_scheduler_runs_no_command(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVERCOHORT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(signed_tables, "data_contracts_dir", lambda: installed / "data_contracts")
    with pytest.raises(ContractError, match=AGENTS):
        ingest_site.fn("S91")
    with pytest.raises(ContractError, match=AGENTS):
        release_cohort.fn()
    # The home may be there: whose night it was is recorded, and told. Nothing was read or made.
    made = [p for p in (tmp_path / "home").rglob("*") if p.is_file()]
    assert {p.relative_to(tmp_path / "home").parts[0] for p in made} <= {"operations", "logs"}


def test_rules_check_lists_every_problem_and_blocks(installed: Path, tmp_path: Path) -> None:
    words = installed / "data_contracts" / "deidentification" / "words.csv"
    words.write_bytes(words.read_bytes() + b"more,words\n")
    last = len(words.read_bytes().splitlines())
    home = tmp_path / "home"
    told = run_in(installed, "rules", "check", "--home", home)
    assert told.code == 1
    assert [line.split(": ")[0] for line in told.out.splitlines() if ".csv:" in line] == [
        f"deidentification/words.csv:{last}",
        f"{AGENTS}:3",
    ]
    rows = run_in(installed, "rules", "check", "--home", home, "--json").json()["problems"]
    assert [(row["file"], row["line"]) for row in rows] == [
        ("deidentification/words.csv", last),
        (AGENTS, 3),
    ]
    assert all(row["found"] and row["expected"] and row["to_do"] for row in rows)
    checks = run_in(installed, "doctor", "--home", home, "--json").json()
    [tables] = [check for check in checks if check["name"] == "tables"]
    assert tables["ok"] is False
    assert "rules check" in tables["mend"]
    assert not home.exists()


def test_rules_check_of_the_tables_that_ship_finds_nothing(tmp_path: Path) -> None:
    told = run("rules", "check", "--home", tmp_path / "home")
    assert (told.code, told.err) == (0, "")
    assert told.out.endswith("0 problems\n")
