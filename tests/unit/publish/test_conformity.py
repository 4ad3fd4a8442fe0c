"""A release says of every series whether a validator saw it, and what is new."""

from __future__ import annotations

from schemas.conformity import (
    CONFORMITY_CSV,
    ConformityRow,
    load_known_lines,
    parse_conformity,
)
from tasks.publish.documents.conformity import CONFORMITY_PAGE, conformity_files

CLEAN = ConformityRow("1", "s1", "v 1", delivered_errors=3, released_errors=3)
WORSE = ConformityRow("2", "s2", "v 1", new_errors=2, new_lines=("Error - Rows - Missing",))
BLIND = ConformityRow("3", "s3", "", not_checked="no validator was installed")


def test_series_that_nobody_checked_are_counted_with_the_reason() -> None:
    files = conformity_files([CLEAN, WORSE, BLIND], ["s1", "s2", "s3", "s4"])
    page = files[CONFORMITY_PAGE].decode()
    assert "Series in this release: 4\n- Checked: 2, by v 1\n" in page
    assert "1 (no validator was installed); 1 (taken in before objects were checked)" in page
    assert "Series with new errors: 1; new errors together: 2" in page
    assert "| Error - Rows - Missing | 1 |  |" in page
    rows = files[CONFORMITY_CSV].decode().splitlines()
    assert rows[3] == "s3,,no validator was installed,,,,,,,"
    assert len(rows) == 5


def test_series_outside_the_release_are_not_in_its_documents() -> None:
    files = conformity_files([CLEAN, WORSE], ["s1"])
    assert b"s2" not in files[CONFORMITY_CSV]
    assert b"new errors together: 0" in files[CONFORMITY_PAGE]


def test_a_series_taken_in_twice_counts_as_checked_if_it_was_once() -> None:
    later = ConformityRow("0", "s1", "", not_checked="no validator was installed")
    assert conformity_files([later, CLEAN], ["s1"]) == conformity_files([CLEAN], ["s1"])


def test_an_erased_version_goes_on_from_the_document_before() -> None:
    files = conformity_files([CLEAN, WORSE, BLIND], ["s1", "s2", "s3"])
    read = parse_conformity(files[CONFORMITY_CSV].decode())
    assert conformity_files(read, ["s1", "s2", "s3"]) == files
    assert parse_conformity("") == ()


def test_a_new_line_whose_reason_is_known_has_it_beside_it() -> None:
    line, known = next(iter(load_known_lines().items()))
    row = ConformityRow("1", "s1", "v 1", new_warnings=1, new_lines=(line,))
    page = conformity_files([row], ["s1"])[CONFORMITY_PAGE].decode()
    assert f"| {line} | 1 | {known.reason_en} |" in page
