"""A report folder is written whole, once, and can be recognised."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from schemas.errors import BadInputError
from tasks.report.store import MANIFEST, hash_folder, write_report
from tests.unit.report.synthetic import make_report


def test_the_hash_to_sign_is_the_hash_of_the_folder(tmp_path: Path) -> None:
    written = write_report(make_report(n_sites=2), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / MANIFEST).read_text(encoding="utf-8"))
    assert written.report_sha256 == manifest["report_sha256"] == hash_folder(tmp_path / "run")
    assert written.index.is_file()


def test_the_manifest_names_every_file(tmp_path: Path) -> None:
    write_report(make_report(n_sites=2), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / MANIFEST).read_text(encoding="utf-8"))
    on_disk = {
        path.relative_to(tmp_path / "run").as_posix()
        for path in (tmp_path / "run").rglob("*")
        if path.is_file()
    }
    assert set(manifest["files"]) | {MANIFEST} == on_disk


def test_the_same_report_again_writes_nothing(tmp_path: Path) -> None:
    first = write_report(make_report(n_sites=2), tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = write_report(make_report(n_sites=2), tmp_path / "run")
    assert (first.written, again.written) == (True, False)
    assert again.report_sha256 == first.report_sha256
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_report_under_the_same_name_is_refused(tmp_path: Path) -> None:
    write_report(make_report(n_sites=2), tmp_path / "run")
    with pytest.raises(BadInputError, match="never overwritten"):
        write_report(make_report(n_sites=3), tmp_path / "run")


@pytest.mark.parametrize("name", ["index.html", "data/findings.js"])
def test_a_changed_file_changes_the_hash(tmp_path: Path, name: str) -> None:
    written = write_report(make_report(n_sites=2), tmp_path / "run")
    with (tmp_path / "run" / name).open("ab") as stream:
        stream.write(b" ")
    assert hash_folder(tmp_path / "run") != written.report_sha256


def test_a_report_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    given = make_report(n_sites=1)
    tables = {**given.tables, "subject": given.tables["subject"].drop_columns(["sex"])}
    with pytest.raises(BadInputError):
        write_report(dataclasses.replace(given, tables=tables), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
