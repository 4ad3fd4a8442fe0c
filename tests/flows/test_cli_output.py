"""What a command gives: one form at a time, a header without rows, whole words, new files only."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.cli import run
from tests.flows.conftest import clean_environment

HEADER = "description,vendor,modality,note\n"
LONG = "t1_vibe_fs_tra_portal_W_under_a_name_that_is_long"


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A command leaves its settings in the environment of its process.
    monkeypatch.setenv("LIVERCOHORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


@pytest.fixture
def strings(tmp_path: Path) -> Path:
    path = tmp_path / "names.csv"
    path.write_text(f"{HEADER}{LONG},SIEMENS,MR,x\n动脉期\x1b[31m 5mm,,CT,\n", encoding="utf-8")
    return path


@pytest.fixture
def no_strings(tmp_path: Path) -> Path:
    path = tmp_path / "none.csv"
    path.write_text(HEADER)
    return path


@pytest.mark.parametrize(
    "command",
    [
        ("label", "--strings", "missing.csv"),
        ("eligibility", "--facts", "missing.csv"),
        ("rules", "review"),
        ("queries", "list"),
        ("diff", "1.0.0", "1.1.0"),
        ("verify", "latest"),
        ("reidentify", "--check-log"),
    ],
)
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--json", "--csv"), "exclude each other"),
        (("--csv", "--json"), "exclude each other"),
        (("--csv", "--out", "{new}"), "exclude each other"),
        (("--out", "{text}"), "FILE.csv or FILE.parquet"),
        (("--out", "{no_folder}"), "in a folder that exists"),
        (("--out", "{there}"), "there is such a file already"),
    ],
)
def test_options_that_cannot_be_met_are_refused_before_any_work(
    command: tuple[str, ...],
    options: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = tmp_path / "there.csv"
    there.write_text("kept")
    names = {"new": tmp_path / "new.csv", "text": tmp_path / "x.txt", "there": there}
    names["no_folder"] = tmp_path / "none" / "x.csv"
    given = [option.format(**{k: str(v) for k, v in names.items()}) for option in options]
    assert run([*command, *given]) == 2
    said = capsys.readouterr()
    assert (said.out, reason in said.err) == ("", True)
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert there.read_text() == "kept"


def test_no_rows_are_a_header_line(no_strings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = no_strings.with_name("out.csv")
    labelled = f"{HEADER.strip()},label,tier,evidence\n"
    assert run(["label", "--strings", str(no_strings), "--csv"]) == 0
    assert capsys.readouterr().out == labelled
    assert run(["label", "--strings", str(no_strings), "--out", str(out)]) == 0
    assert out.read_text() == labelled


def test_no_rows_are_a_parquet_file_with_its_columns(no_strings: Path) -> None:
    out = no_strings.with_name("out.parquet")
    assert run(["label", "--strings", str(no_strings), "--out", str(out)]) == 0
    assert pq.read_schema(out).names[-3:] == ["label", "tier", "evidence"]


@pytest.mark.parametrize("command", [("rules", "review"), ("queries", "list"), ("label", "{src}")])
def test_an_empty_home_or_folder_gives_a_header_line(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "src").mkdir()
    arguments = [part.format(src=tmp_path / "src") for part in command]
    assert run([*arguments, "--csv"]) == 0
    [header] = capsys.readouterr().out.splitlines()
    assert {"label", "status"} & set(header.split(","))


def test_what_was_written_is_said_as_json_when_asked(
    strings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = strings.with_name("out.csv")
    assert run(["label", "--strings", str(strings), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "rows": 2}


def test_into_a_pipe_every_row_is_one_line_with_whole_words(
    strings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["label", "--strings", str(strings)]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if LONG in line]
    assert "MR_T1_PVP" in line
    assert "PHASE-PVP SeriesDescription=portal" in line


@pytest.mark.parametrize("columns", [60, 250])
def test_on_a_terminal_no_word_is_broken_and_no_control_character_obeyed(
    strings: Path, columns: int
) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = [sys.executable, "-m", "flows.cli", "label", "--strings", str(strings)]
    # A stated width would win over the terminal's own; runners of tests in parallel state one.
    sizes = ("COLUMNS", "LINES")
    environment = {k: v for k, v in clean_environment().items() if k not in sizes}
    environment["TERM"] = "xterm"
    subprocess.run(program, stdin=theirs, stdout=theirs, env=environment, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert LONG in shown
    assert "SeriesDescription=portal" in shown
    assert "\x1b[31m" not in shown
    assert ("--- 2" in shown) == (columns == 60)


def _key_created(home: Path, how: str) -> subprocess.CompletedProcess[str]:
    command = f'"$0" -m flows.cli key create {how}'
    told = {**clean_environment(), "LIVERCOHORT_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    return subprocess.run(
        ["bash", "-c", command, sys.executable],
        env=told,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("how", "code"),
    [(">&-", 0), (">&- 2>&-", 0), ("| sleep 0; exit ${PIPESTATUS[0]}", 120)],
)
def test_a_command_that_nobody_reads_has_done_its_work_and_says_nothing_false(
    tmp_path: Path, how: str, code: int
) -> None:
    ended = _key_created(tmp_path, how)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")
    assert (tmp_path / "restricted" / "key").is_file()
