"""The command line as a user meets it: help, bad usage, and results that programs can read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import make_series, write_files
from tests.flows.conftest import clean_environment, require_one_error
from tests.flows.conftest import run_fresh as run
from tests.flows.exports import new_home

COMMANDS = (
    "demo", "simulate", "ingest", "status", "release", "verify", "report", "deidentify",
    "convert", "label", "eligibility", "rules", "doctor", "key create", "key show-id",
    "key rotate", "key check", "reidentify", "evaluate",
)  # fmt: skip
HEAVY = ("prefect", "great_expectations", "pandas", "numpy", "pyarrow", "duckdb")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    ended = run(*command.split(), "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"Example: livercohort {command}" in ended.out


def test_the_help_lists_every_command() -> None:
    listed = run("--help").out
    for command in {name.split()[0] for name in COMMANDS}:
        assert f" {command} " in listed


def test_help_loads_no_heavy_library() -> None:
    program = (
        "import sys; from flows.cli import run; code = run(['--help']);"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == "0 []\n"


def test_deidentifying_a_folder_loads_no_library_that_it_has_no_use_for(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    write_files(tmp_path / "in", make_series(n_slices=2))
    seldom = ("pandas", "sqlalchemy", "duckdb", "scipy", "prefect")
    program = (
        "import sys; from flows.cli import run; code = run(sys.argv[1:]);"
        f"print(code, [name for name in {seldom!r} if name in sys.modules], file=sys.stderr)"
    )
    paths = [str(tmp_path / "in"), str(tmp_path / "out")]
    ended = subprocess.run(
        [sys.executable, "-c", program, "deidentify", *paths, "--subject-from", "patient_id"],
        env={**clean_environment(), "LIVERCOHORT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == "0 []\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["key", "nonsense"],
        ["ingest", "S91", "--workers", "0"],
        ["simulate"],
        ["label"],
        ["ingest"],
        ["ingest", "S91", "--all"],
        ["release", "--bump", "huge"],
        ["rules", "nonsense"],
        ["verify", "9.9.9"],
        ["report", "9.9.9"],
        ["eligibility", "--facts", "missing.csv"],
        ["label", "--strings", "missing.csv"],
        ["label", "missing-folder"],
        ["convert", "missing-folder", "out"],
        *(["convert", ".", "out", "--timeout", value] for value in ("0", "nan", "inf", "-1")),
        ["simulate", "out", "--sites", "0"],
    ],
)
def test_bad_usage_is_one_error_and_writes_nothing(arguments: list[str], tmp_path: Path) -> None:
    home = new_home(tmp_path)
    before = sorted(home.rglob("*"))
    ended = run(*arguments, LIVERCOHORT_HOME=str(home))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1
    assert sorted(home.rglob("*")) == before


def test_without_a_command_the_help_is_printed() -> None:
    ended = run()
    assert ended.code == 2
    assert "Usage: livercohort" in ended.out


def test_results_are_json_when_asked(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "exports"
    simulated = run("simulate", out, "--sites", "1", "--subjects", "1", "--nights", "1", "--json")
    assert simulated.json()["n_files"] > 100
    assert run("key", "create", "--home", home).code == 0
    assert run("key", "show-id", "--home", home, "--json").json()["is_demo"] is False
    assert {c["name"] for c in run("doctor", "--home", home, "--json").json()} >= {"key", "disk"}
    assert run("status", "--home", home, "--json").json()["adds_up"] is True


def test_stages_alone_give_json_and_leave_their_source_alone(tmp_path: Path) -> None:
    exports, home = tmp_path / "exports", tmp_path / "home"
    options = ("--sites", "1", "--subjects", "1", "--nights", "1", "--faults", "none")
    assert run("simulate", exports, *options).code == 0
    assert run("key", "create", "--home", home).code == 0
    source = sorted((exports / "S91").glob("*/dicom/*/*_MR/SE0001"))[0]
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    kept = run(
        "deidentify", source, tmp_path / "clean",
        "--subject-from", "patient_id", "--home", home, "--json",
    )  # fmt: skip
    assert kept.json()["states"]["accepted"] == len(before)
    made = run("convert", tmp_path / "clean", tmp_path / "volumes", "--json")
    assert made.json()["volumes"] >= 1
    assert len(run("label", tmp_path / "clean", "--json").json()) >= 1
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_labels_and_criteria_of_a_table_are_json_and_csv(tmp_path: Path) -> None:
    strings = tmp_path / "strings.csv"
    strings.write_text("description,vendor,modality\nT2W_TSE,Philips,MR\n", encoding="utf-8")
    (row,) = run("label", "--strings", strings, "--json").json()
    assert {"label", "tier", "evidence"} <= row.keys()
    as_csv = run("label", "--strings", strings, "--csv").out
    assert as_csv.splitlines()[0].startswith("description,vendor,modality,label")
    facts = tmp_path / "facts.csv"
    facts.write_text("case_id,criterion,inputs_json\nc1,I1,{}\n", encoding="utf-8")
    (verdict,) = run("eligibility", "--facts", facts, "--json").json()
    assert verdict["effect"] == "undetermined"
    written = tmp_path / "rows.parquet"
    assert run("eligibility", "--facts", facts, "--out", written).code == 0
    assert written.is_file()


def test_the_version_is_printed() -> None:
    assert run("--version").out.startswith("livercohort ")


def test_json_of_status_has_sorted_keys(tmp_path: Path) -> None:
    facts = json.loads(run("status", "--home", tmp_path, "--json").out)
    assert list(facts) == sorted(facts)


def test_a_new_key_is_refused_where_another_has_sealed_something(tmp_path: Path) -> None:
    vault = tmp_path / "home" / "restricted" / "vault.sqlite"
    vault.parent.mkdir(parents=True)
    vault.touch()
    require_one_error(run("key", "create", "--home", tmp_path / "home"), 3, about="backup")
    assert not (vault.parent / "key").exists()


def test_brackets_in_a_value_are_printed_and_not_obeyed(tmp_path: Path) -> None:
    strings = tmp_path / "names.csv"
    strings.write_text("description,vendor,modality\n[/] T2 [red]x,GE,MR\n", encoding="utf-8")
    ended = run("label", "--strings", strings)
    assert ended.code == 0, ended.err
    assert "[/]" in ended.out


def test_what_a_reader_of_files_warns_of_is_not_printed() -> None:
    """Such warnings quote the value that was found."""
    program = (
        "import sys, warnings, flows.cli as cli\n"
        "cli.run = lambda arguments: warnings.warn('Unknown encoding Zhang Wei') or 0\n"
        "sys.argv = ['livercohort']\n"
        "cli.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, env=clean_environment(),
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("", "")
