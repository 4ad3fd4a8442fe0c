"""Verify tells all that is wrong with a release, whatever was damaged."""

from __future__ import annotations

import hashlib
import inspect
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.errors import BadInputError
from tasks.publish import checks, store_verify, store_verify_origin
from tasks.publish.store import diff_releases
from tasks.publish.store_tables import write_parquet
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_release import release


@pytest.mark.usefixtures("made")
def test_an_intact_release_verifies_without_findings(tmp_path: Path) -> None:
    assert verify_release(tmp_path / "releases" / "latest") == []


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("tables/subject/S91.parquet", "REL-CHECKSUM"),
        ("decisions.csv", "REL-CHECKSUM"),
        ("cohort.duckdb", "REL-UNREADABLE"),
    ],
)
def test_damage_to_a_file_is_named(made: Path, path: str, rule: str) -> None:
    damaged = made / path
    data = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(data[: len(data) // 2])
    assert rule in {finding.rule_id for finding in verify_release(made)}


def test_missing_and_foreign_files_are_named_without_a_foreign_name(made: Path) -> None:
    (made / "README.md").unlink()
    (made / "nifti" / "zhangsan.txt").write_text("mine")
    found = {(f.rule_id, f.object_id) for f in verify_release(made)}
    assert found == {("REL-MISSING", "README.md"), ("REL-EXTRA", "nifti")}


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nothing of a release"):
        verify_release(tmp_path)


def test_numbers_that_were_changed_with_their_checksums_are_found(made: Path) -> None:
    path = made / "tables" / "eligibility" / "S91.parquet"
    table = pq.read_table(path).slice(0, 0)
    path.unlink()
    write_parquet(table, path)
    sums = (made / "SHA256SUMS").read_text()
    old = next(line for line in sums.splitlines() if line.endswith("eligibility/S91.parquet"))
    new = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  tables/eligibility/S91.parquet"
    (made / "SHA256SUMS").unlink()
    (made / "SHA256SUMS").write_text(sums.replace(old, new))
    rules = [f.rule_id for f in verify_release(made)]
    assert rules == ["REL-CONTENT", "REL-DATABASE", "REL-ROWS", "REL-SIGNATURE", "REL-SUMS"]


def test_a_table_that_nobody_knows_and_one_that_is_missing_are_named(made: Path) -> None:
    (made / "tables" / "lesion").rename(made / "tables" / "lesions")
    found = {(f.rule_id, f.object_id) for f in verify_release(made)}
    assert {("REL-CONTRACT", "lesion"), ("REL-CONTRACT", "lesions")} <= found


def test_every_finding_of_verify_says_who_does_what_in_both_languages() -> None:
    modules = [checks, store_verify, store_verify_origin]
    used = {
        rule
        for module in modules
        for rule in re.findall(r'"(REL-[A-Z]+)"', inspect.getsource(module))
    }
    words = store_verify._words()
    assert used == set(words)
    assert all(row["fix_en"].startswith("Data manager: ") for row in words.values())
    assert all(row["fix_zh"].startswith("数据管理员：") for row in words.values())


@pytest.fixture(scope="module")
def whole(published: Path) -> Path:
    """A release that nobody damages."""
    return published / "releases" / "1.0.0"


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)


def _cut_in_a_hash(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    _write(path, "".join(lines[: len(lines) // 2]) + lines[-1][:32])


def _without_last_line(path: Path) -> None:
    _write(path, "".join(path.read_text().splitlines(keepends=True)[:-1]))


def _folder_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_in_place(path: Path) -> None:
    aside = path.parent.parent / f"{path.name}.aside"
    path.rename(aside)
    path.symlink_to(aside)


@pytest.mark.parametrize(
    ("path", "damage", "expected"),
    [
        ("manifest.json", Path.unlink, {("REL-MISSING", "manifest.json")}),
        ("SHA256SUMS", Path.unlink, {("REL-MISSING", "SHA256SUMS")}),
        (
            "manifest.json",
            _cut,
            {("REL-UNREADABLE", "manifest.json"), ("REL-CHECKSUM", "manifest.json")},
        ),
        (
            "manifest.json",
            lambda path: _write(path, '{"content_hash": []}'),
            {("REL-UNREADABLE", "manifest.json"), ("REL-CHECKSUM", "manifest.json")},
        ),
        ("SHA256SUMS", lambda path: _write(path, ""), {("REL-SUMS", "SHA256SUMS")}),
        ("SHA256SUMS", _without_last_line, {("REL-SUMS", "validation.json")}),
        (
            "SHA256SUMS",
            lambda path: _write(path, "\x00\n" + path.read_text() + f"{'0' * 64}  ../x\n"),
            {("REL-UNREADABLE", "SHA256SUMS")},
        ),
        (
            "SHA256SUMS",
            _cut_in_a_hash,
            {("REL-UNREADABLE", "SHA256SUMS"), ("REL-SUMS", "SHA256SUMS")},
        ),
        ("README.md", _link_in_place, {("REL-KIND", "README.md")}),
        ("README.md", _folder_in_place, {("REL-KIND", "README.md")}),
        ("diff", _link_in_place, {("REL-KIND", "diff")}),
        ("tables/subject/S91.parquet", _folder_in_place, {("REL-UNREADABLE", "subject")}),
        ("tables/subject/S91.parquet", _cut, {("REL-UNREADABLE", "subject")}),
    ],
)
def test_a_damaged_release_is_told_by_findings_and_the_rest_is_still_checked(
    tmp_path: Path,
    whole: Path,
    path: str,
    damage: Callable[[Path], None],
    expected: set[tuple[str, str]],
) -> None:
    folder = shutil.copytree(whole, tmp_path / "1.0.0")
    damage(folder / path)
    assert expected <= {(f.rule_id, f.object_id) for f in verify_release(folder)}
    _write(folder / "decisions.csv", "decision_id\n")
    assert ("REL-CHECKSUM", "decisions.csv") in {
        (f.rule_id, f.object_id) for f in verify_release(folder)
    }


def test_a_release_of_which_nothing_is_left_but_its_name_is_told_by_findings(
    tmp_path: Path,
) -> None:
    (tmp_path / "1.0.0").mkdir()
    found = {(f.rule_id, f.object_id) for f in verify_release(tmp_path / "1.0.0")}
    assert {("REL-MISSING", "manifest.json"), ("REL-MISSING", "SHA256SUMS")} <= found


def test_a_difference_names_the_damaged_file_and_what_is_wrong(tmp_path: Path) -> None:
    one = release(tmp_path, make_cohort()).path
    other = release(tmp_path, make_cohort(age=61.0)).path
    assert one is not None
    assert other is not None
    _cut(other / "tables" / "subject" / "S91.parquet")
    with pytest.raises(BadInputError) as caught:
        diff_releases(one, other)
    assert "cut off, or no Parquet" in caught.value.found
    assert caught.value.where == f"release {other.name}, tables/subject/S91.parquet"
    (other / "tables" / "subject" / "S91.parquet").unlink()
    with pytest.raises(BadInputError, match="not there in release"):
        diff_releases(one, other)
    (other / "manifest.json").unlink()
    with pytest.raises(BadInputError, match=r"no manifest\.json"):
        diff_releases(one, other)
