"""A report folder is written whole, once, and can be recognised."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from schemas.errors import BadInputError
from tasks.report.store import write_report
from tasks.report.store_builds import (
    MANIFEST,
    RATER_STATE,
    STATE,
    builds_of,
    hash_folder,
)
from tasks.report.store_pictures import PictureStore
from tests.unit.report.drawn import with_pictures
from tests.unit.report.synthetic import make_report


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "pictures")


def test_the_hash_to_sign_is_the_hash_of_the_folder(tmp_path: Path) -> None:
    report, store = with_pictures(make_report(n_sites=2), tmp_path / "drawn")
    written = write_report(report, tmp_path / "reports", store)
    folder = written.index.parent
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert written.report_sha256 == manifest["report_sha256"] == hash_folder(folder)
    assert manifest["n_pictures"] == len(list((folder / "img").rglob("*.*"))) > 0


def test_the_manifest_names_every_file_but_the_pictures(
    tmp_path: Path, store: PictureStore
) -> None:
    folder = write_report(make_report(n_sites=2), tmp_path, store).index.parent
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    on_disk = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(manifest["files"]) | {MANIFEST, STATE, RATER_STATE} == on_disk


def test_the_same_report_again_writes_nothing(tmp_path: Path, store: PictureStore) -> None:
    first = write_report(make_report(n_sites=2), tmp_path, store)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = write_report(make_report(n_sites=2), tmp_path, store)
    assert (first.written, again.written) == (True, False)
    assert again == dataclasses.replace(first, written=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_report_of_the_same_release_is_a_build_beside_the_first(
    tmp_path: Path, store: PictureStore
) -> None:
    first = write_report(make_report(n_sites=2), tmp_path, store)
    second = write_report(make_report(n_sites=3), tmp_path, store)
    assert [one.name for one in builds_of(tmp_path, "release-1.2.0")] == [
        "release-1.2.0",
        "release-1.2.0-build-2",
    ]
    assert hash_folder(first.index.parent) == first.report_sha256 != second.report_sha256


@pytest.mark.parametrize("name", ["index.html", "data/findings.js", "data/findings_000.js"])
def test_a_changed_file_changes_the_hash(tmp_path: Path, store: PictureStore, name: str) -> None:
    written = write_report(make_report(n_sites=2), tmp_path, store)
    with (written.index.parent / name).open("ab") as stream:
        stream.write(b" ")
    assert hash_folder(written.index.parent) != written.report_sha256


def test_every_link_picture_and_script_of_every_page_is_there(tmp_path: Path) -> None:
    report, store = with_pictures(make_report(n_sites=3), tmp_path / "drawn")
    folder = write_report(report, tmp_path / "reports", store).index.parent
    (tmp_path / "releases" / "1.2.0").mkdir(parents=True)
    for name in report.release_files:
        (tmp_path / "releases" / "1.2.0" / name).touch()
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        named = re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', text)
        for sheets in re.findall(r'data-sheets="([^"]+)"', text):
            named += [f"../img/{one}" for one in sheets.split()]
        files = {one for one in named if not one.startswith("data:")}
        assert not [one for one in files if not (page.parent / unquote(one)).is_file()], page.name


def test_a_changed_picture_changes_the_hash(tmp_path: Path) -> None:
    report, store = with_pictures(make_report(n_sites=1), tmp_path / "drawn")
    folder = write_report(report, tmp_path / "reports", store).index.parent
    before = hash_folder(folder)
    picture = next((folder / "img").rglob("*.webp"))
    picture.unlink()
    picture.write_bytes(b"another picture")
    assert hash_folder(folder) != before


def test_the_next_report_takes_over_what_has_not_changed(
    tmp_path: Path, store: PictureStore
) -> None:
    given = make_report(n_sites=2)
    first = write_report(given, tmp_path / "kept", store).index.parent
    later = dataclasses.replace(given, run="release-1.3.0", findings=given.findings[:-1])
    second = write_report(later, tmp_path / "kept", store)
    alone = write_report(later, tmp_path / "alone", store)
    assert second.report_sha256 == alone.report_sha256
    pages = sorted(path.name for path in (first / "subjects").iterdir())
    linked = [
        name
        for name in pages
        if (first / "subjects" / name).samefile(second.index.parent / "subjects" / name)
    ]
    assert len(linked) == len(pages) - 1


def test_a_page_that_was_changed_on_disk_is_not_taken_over(
    tmp_path: Path, store: PictureStore
) -> None:
    given = make_report(n_sites=1)
    first = write_report(given, tmp_path / "kept", store).index.parent
    page = next((first / "subjects").iterdir())
    page.write_text("changed", encoding="utf-8")
    second = write_report(dataclasses.replace(given, run="release-1.3.0"), tmp_path / "kept", store)
    assert (second.index.parent / "subjects" / page.name).read_text(encoding="utf-8") != "changed"
    assert hash_folder(second.index.parent) == second.report_sha256


def test_a_report_that_cannot_be_made_leaves_nothing(tmp_path: Path, store: PictureStore) -> None:
    given = make_report(n_sites=1)
    tables = {**given.tables, "subject": given.tables["subject"].drop_columns(["sex"])}
    with pytest.raises(BadInputError):
        write_report(dataclasses.replace(given, tables=tables), tmp_path / "reports", store)
    assert list(tmp_path.iterdir()) == []
