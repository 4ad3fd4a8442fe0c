"""Files are counted by their names below the folder, however the folder itself was named."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.run.folder_files import list_files

NAMES = ("b", "a/z", "a.txt", "a/b/c", "Ä")


@pytest.mark.parametrize("named", [".", "in", "in/../in", "whole"])
def test_names_are_relative_and_sorted_as_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    folder = tmp_path / "in"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(folder if named == "." else tmp_path)
    src = folder if named == "whole" else Path(named)
    found = list_files(src)
    expected = ["a.txt", "a/b/c", "a/z", "b", "link", "Ä"]
    assert [(n, str(path.relative_to(src))) for n, path in found] == list(enumerate(expected, 1))
