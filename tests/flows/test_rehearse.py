"""An export is read without being taken in: the page says what a night then does, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.flows.conftest import run
from tests.flows.exports import cut_export, file_bytes, new_home

pytestmark = pytest.mark.slow


def everything(root: Path) -> dict[str, bytes]:
    return file_bytes(root, "**/*")


@pytest.fixture(scope="module")
def export(whole_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    inbox = tmp_path_factory.mktemp("delivery") / "inbox"
    made = cut_export(whole_export, inbox, series=1, planted=True)
    (made / "dicom" / "all.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(90))
    return made


def counts(page: str) -> dict[str, int]:
    """Return the numbers of the page's table of states."""
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    return {row[1].split()[-1]: int(row[2]) for row in rows if row[2].strip().isdigit()}


def test_a_site_learns_without_key_or_vault_what_the_night_will_do(
    export: Path, tmp_path: Path
) -> None:
    before = everything(export)
    told = run("check-export", export, TMPDIR=str(tmp_path))
    assert told.code == 1, told.err
    assert "ARCHIVE_UNREADABLE: 1" in told.out
    assert "`dicom/all.7z`" in told.out
    assert "不接收7z" in told.out
    assert list(tmp_path.iterdir()) == []
    assert everything(export) == before

    home = new_home(tmp_path)
    shutil.copytree(export, home / "inbox" / "S91" / "a")
    run("ingest", "S91", "--home", home)
    night = run("status", "--home", home, "--json").json()["states"]
    foretold = counts(told.out)
    assert {state: foretold[state] for state in night} == night


def test_a_clean_export_has_nothing_to_mend(export: Path, tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    shutil.copyfile(export / "linkage.csv", tmp_path / "clean" / "Linkage.CSV")
    told = run("check-export", tmp_path / "clean")
    assert told.code == 0, told.out
    assert "Nothing has to be mended" in told.out


def test_a_rehearsal_writes_nothing_but_its_page(export: Path, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    shutil.copytree(export, home / "inbox" / "S91" / "a")
    run("status", "--home", home)
    before = everything(home)
    told = run("ingest", "S91", "--home", home, "--rehearse")
    assert told.code == 1, told.err
    assert "would be set aside: 1 ARCHIVE_UNREADABLE" in told.out
    assert "all.7z" not in told.out
    (page,) = (home / "work").iterdir()
    assert page.stat().st_mode & 0o077 == 0
    assert "`dicom/all.7z`" in page.read_text(encoding="utf-8")
    after = everything(home)
    after.pop(str(page.relative_to(home)))
    assert after == before


def test_a_rehearsal_after_the_night_finds_nothing_new(night: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(night, home, symlinks=True)
    told = run("ingest", "S91", "--home", home, "--rehearse")
    assert (told.code, told.out) == (0, "S91: nothing new is complete\n")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert run("check-export", tmp_path / "nowhere").code == 2
