"""Version numbers follow from the differences, and the differences from the tables."""

from __future__ import annotations

import pyarrow as pa
import pytest

from schemas.errors import BadInputError
from tasks.publish.diff.differences import Bump, Change, compare_tables, next_version, parse_version
from tests.unit.publish.cohort import CONTRACTS, make_row, make_table

SUBJECT = [make_row("subject", subject_id=f"S91-AAAA222{n}", site_code="S91") for n in range(3)]


def subjects(*numbers: int, **changes: object) -> dict[str, pa.Table]:
    return {"subject": make_table("subject", [SUBJECT[n] | changes for n in numbers])}


def bump(before: dict[str, pa.Table], after: dict[str, pa.Table]) -> Bump:
    return compare_tables(before, after, CONTRACTS).bump


def test_equal_tables_have_no_differences() -> None:
    assert bump(subjects(0, 1), subjects(1, 0)) is Bump.NONE


def test_a_removed_subject_is_major_and_an_added_one_minor() -> None:
    assert bump(subjects(0, 1), subjects(0)) is Bump.MAJOR
    assert bump(subjects(0), subjects(0, 1)) is Bump.MINOR


def test_a_changed_value_is_a_patch_and_named() -> None:
    found = compare_tables(subjects(0, 1), subjects(0, 1, sex="F"), CONTRACTS)
    assert found.bump is Bump.PATCH
    assert found.changes == tuple(
        Change("subject", "value_changed", subject, subject, "sex", "M", "F")
        for subject in ("S91-AAAA2220", "S91-AAAA2221")
    )
    assert found.counts() == [("subject", "value_changed", "", 2)]


def test_a_removed_table_or_column_is_major_and_an_added_one_minor() -> None:
    whole = subjects(0)
    fewer = {"subject": whole["subject"].drop_columns(["sex"])}
    assert bump(whole, {}) is Bump.MAJOR
    assert bump(whole, fewer) is Bump.MAJOR
    assert bump(fewer, whole) is Bump.MINOR


def test_a_column_of_another_type_is_major() -> None:
    whole = subjects(0)
    at = whole["subject"].schema.get_field_index("age_years")
    column = whole["subject"].column(at).cast(pa.float32())
    retyped = whole["subject"].set_column(at, "age_years", column)
    assert bump(whole, {"subject": retyped}) is Bump.MAJOR


def test_an_id_that_is_gone_is_major_unless_another_stands_in_its_place() -> None:
    def series(digest: str, label: str) -> dict[str, pa.Table]:
        row = make_row("series", series_uid="2.25.7", sub_stack_digest=digest, label=label)
        return {"series": make_table("series", [row])}

    grown = compare_tables(series("a" * 16, "CT_PVP"), series("b" * 16, "CT_PVP"), CONTRACTS)
    assert grown.bump is Bump.MINOR
    assert grown.successors == {("series", f"2.25.7/{'a' * 16}"): f"2.25.7/{'b' * 16}"}
    other = compare_tables(series("a" * 16, "CT_PVP"), series("b" * 16, "CT_ART"), CONTRACTS)
    assert other.bump is Bump.MAJOR


def test_reasons_are_given_where_the_tables_tell_them() -> None:
    def tables(batch: str, mapping: str, effect: str) -> dict[str, pa.Table]:
        own = {"subject_id": "S91-AAAA2222"}
        series = make_row(
            "series", series_uid="2.25.7", batch_id=batch, mapping_version=mapping, **own
        )
        result = make_row("criterion_result", criterion_id="I1", effect=effect, **own)
        return {
            "series": make_table("series", [series]),
            "criterion_result": make_table("criterion_result", [result]),
        }

    def reasons(after: dict[str, pa.Table], **context: tuple[str, ...]) -> dict[str, str]:
        found = compare_tables(tables("b1", "1", "pass"), after, CONTRACTS, **context)  # type: ignore[arg-type]  # one named argument
        return {change.column: change.reason for change in found.changes}

    assert reasons(tables("b2", "1", "fail")) == {"batch_id": "new_delivery", "effect": "evidence"}
    assert reasons(tables("b1", "2", "pass")) == {"mapping_version": "labelling_rules"}
    decided = {"registers_changed": ("decisions_sha256",)}
    assert reasons(tables("b1", "1", "fail"), **decided) == {"effect": "decision"}
    assert reasons(tables("b1", "1", "fail")) == {"effect": ""}


def test_the_table_that_names_the_release_is_no_difference() -> None:
    releases = [
        {"release": make_table("release", [make_row("release", release_id=name, semver=name)])}
        for name in ("1.0.0", "1.0.1")
    ]
    assert bump(releases[0], releases[1]) is Bump.NONE


@pytest.mark.parametrize(
    ("previous", "needed", "wanted", "version"),
    [
        (None, Bump.MINOR, "auto", "1.0.0"),
        ("1.2.3", Bump.PATCH, "auto", "1.2.4"),
        ("1.2.3", Bump.MINOR, "auto", "1.3.0"),
        ("1.2.3", Bump.MAJOR, "auto", "2.0.0"),
        ("1.2.3", Bump.PATCH, "major", "2.0.0"),
        ("1.9.0", Bump.MINOR, "minor", "1.10.0"),
    ],
)
def test_the_next_version(previous: str | None, needed: Bump, wanted: str, version: str) -> None:
    assert next_version(previous, needed, wanted) == version


def test_an_unknown_bump_and_a_text_that_is_no_version_are_refused() -> None:
    with pytest.raises(BadInputError, match="unknown bump"):
        next_version("1.0.0", Bump.PATCH, "huge")
    with pytest.raises(BadInputError, match="not a version"):
        parse_version("v1")


def test_versions_are_compared_as_numbers() -> None:
    assert parse_version("1.10.0") > parse_version("1.9.9")
