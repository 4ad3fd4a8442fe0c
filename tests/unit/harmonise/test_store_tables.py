"""A table that a person made is read whole, or refused by file, line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BadInputError
from tasks.harmonise.store_tables import read_table

HEADER = "description,vendor,modality\n"


def read(tmp_path: Path, content: str | bytes) -> list[tuple[int, dict[str, str]]]:
    path = tmp_path / "names.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_table(path, ("description",)).rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_row_is_read_with_its_line(tmp_path: Path, encoding: str, line_end: str) -> None:
    text = f"{HEADER}动脉期,,CT\n\n门脉期,,CT\n".replace("\n", line_end)
    rows = read(tmp_path, text.encode(encoding))
    assert [(line, row["description"]) for line, row in rows] == [(2, "动脉期"), (4, "门脉期")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "an empty file in names.csv"),
        ("  \n\n", "an empty file in names.csv"),
        ("text\nx\n", "no column `description` in names.csv"),
        ("description;modality\nx;CT\n", "no column `description` in names.csv"),
        ("description,modality,description\nx,CT,y\n", "stands twice: `description`"),
        (f'{HEADER}a,,CT\n"b,,CT\nc,,CT\n', "a line that is no CSV: unexpected end of data"),
        (f'{HEADER}"a"b,,CT\n', "a line that is no CSV"),
        (
            f"{HEADER}a,,CT\n{'x' * 131_073},,CT\n",
            "larger than field limit .131072. in names.csv:3",
        ),
        (f"{HEADER}a,,CT\nT1, VIBE,,MR\n", "a row of 4 cells in names.csv:3 .expected: 3"),
        (f"{HEADER}a,,CT\nb\n", "a row of 1 cells in names.csv:3 .expected: 3"),
        (f"{HEADER}a,,CT\n".encode("utf-16"), "neither UTF-8 nor GB18030"),
        (f"{HEADER}a,,CT\n".encode("utf-16-le"), "neither UTF-8 nor GB18030"),
        (f"{HEADER}a,,CT\n".encode() + b"\xff\xfe,,CT\n", "neither UTF-8 nor GB18030"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_and_named(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    with pytest.raises(BadInputError, match=reason) as caught:
        read(tmp_path, content)
    assert "names.csv" in caught.value.where


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cannot be read: No such file.* in names\.csv"):
        read_table(tmp_path / "names.csv", ())


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER) == []
