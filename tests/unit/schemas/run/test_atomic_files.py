"""A kill leaves the old state or the new one; nothing published is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.run.atomic_files import canonical_json, directory_published_as, write_bytes


def test_a_folder_appears_whole_and_at_once(tmp_path: Path) -> None:
    final = tmp_path / "batch"
    with directory_published_as(final) as staging:
        (staging / "a").write_text("1")
        assert not final.exists()
    assert (final / "a").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["batch"]


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def build() -> None:
        with directory_published_as(tmp_path / "batch") as staging:
            (staging / "a").write_text("1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert list(tmp_path.iterdir()) == []


def test_a_published_folder_is_never_overwritten(tmp_path: Path) -> None:
    final = tmp_path / "batch"
    with directory_published_as(final) as staging:
        (staging / "a").write_text("first")
    with pytest.raises(FileExistsError), directory_published_as(final):
        pass
    assert (final / "a").read_text() == "first"


def test_of_two_builders_of_one_folder_the_first_wins(tmp_path: Path) -> None:
    final = tmp_path / "batch"

    def build_late() -> None:
        with directory_published_as(final) as late:
            with directory_published_as(final) as early:
                (early / "a").write_text("early")
            (late / "a").write_text("late")

    with pytest.raises(FileExistsError):
        build_late()
    assert (final / "a").read_text() == "early"


def test_a_file_is_replaced_whole_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    write_bytes(path, b"old", mode=0o600)
    write_bytes(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret"]


def test_the_same_value_gives_the_same_json() -> None:
    assert canonical_json({"b": 1, "a": "肝"}) == canonical_json({"a": "肝", "b": 1})
