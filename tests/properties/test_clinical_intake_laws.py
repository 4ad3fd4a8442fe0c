"""Laws of the intake: bytes decide nothing but themselves, and nothing secret comes out."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clinical_rows import Missing
from schemas.partial_dates import PartialDate
from schemas.run.atomic_files import sha256_of_bytes
from schemas.study_dates import load_study_dates
from schemas.vault.keys import KeyRing
from tasks.clinical.dates import parse_date
from tasks.clinical.decode import decode_text
from tasks.clinical.intake import read_form
from tasks.clinical.pseudonymise import tables_for_batch
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import SITE, form_row, form_text, intake_of, read_rows

RING = KeyRing(bytes(range(32)))
DAYS = st.dates(dt.date(2000, 1, 2), dt.date(2026, 11, 20)).filter(load_study_dates().has)
HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1)


@given(DAYS)
def test_a_day_means_the_same_in_every_agreed_format(day: dt.date) -> None:
    styles = (
        day.isoformat(),
        f"{day.year}/{day.month}/{day.day}",
        f"{day.year}.{day.month:02}.{day.day:02}",
        f"{day:%Y%m%d}",
        f"{day.year}年{day.month}月{day.day}日",
    )
    assert {parse_date(style) for style in styles} == {PartialDate.of(day)}


@given(HAN, st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]))
def test_chinese_text_is_read_exactly_or_not_at_all(text: str, encoding: str) -> None:
    line = f"研究编号,{text},备注说明\r\n"
    assert decode_text(line.encode(encoding))[0] == line


@given(st.binary(max_size=400))
def test_bytes_that_are_no_form_are_refused_with_a_reason(data: bytes) -> None:
    sha256 = sha256_of_bytes(data)
    with pytest.raises(FormRefusedError, match=r"\w"):
        read_form("pathology.csv", data, site=SITE, file_no=1, source_sha256=sha256)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_no_cell_whatever_crashes_a_row_or_comes_back_in_a_finding(text: str) -> None:
    cell = f"<{text.strip()}>"
    rows, findings = read_rows("pathology", form_row("pathology", procedure=cell))
    assert rows.rows[0].values["procedure"] is Missing.INVALID
    assert cell not in repr(findings)


@given(DAYS, DAYS)
def test_intervals_survive_the_shift(first: dt.date, second: dt.date) -> None:
    rows, _ = read_rows(
        "pathology",
        form_row("pathology", specimen_date=first.isoformat(), report_date=second.isoformat()),
    )
    (row,) = tables_for_batch(intake_of(rows), RING, SITE)["pathology"]
    specimen, report = row["specimen_date_shifted"], row["report_date_shifted"]
    assert isinstance(specimen, dt.date)
    assert isinstance(report, dt.date)
    assert report - specimen == second - first


@given(st.permutations(["1", "2", "3", "4"]))
def test_the_order_of_rows_changes_nothing_but_their_hash(order: list[str]) -> None:
    rows = [form_row("diagnosis", lesion_no=number) for number in order]
    text = form_text("diagnosis", rows)
    assert len(text.splitlines()) == 6
    form, _ = read_rows("diagnosis", *rows)
    table = tables_for_batch(intake_of(form), RING, SITE)["diagnosis"]
    assert [row["lesion_no"] for row in table] == [1, 2, 3, 4]
