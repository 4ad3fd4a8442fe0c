"""A library that is not whole is not loaded: its first missing page would end the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.native.library import loaded_library


def test_a_whole_library_is_loaded(compiled_library: Path) -> None:
    assert loaded_library(compiled_library) is not None


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_library_that_was_cut_off_is_not_loaded(
    compiled_library: Path, tmp_path: Path, part: float
) -> None:
    whole = compiled_library.read_bytes()
    cut = tmp_path / compiled_library.name
    cut.write_bytes(whole[: int(len(whole) * part)])
    assert loaded_library(cut) is None


def test_what_is_no_library_or_not_there_is_not_loaded(tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library " * 20, encoding="utf-8")
    assert loaded_library(text) is None
    assert loaded_library(tmp_path) is None
    assert loaded_library(tmp_path / "absent.so") is None
