"""Forms to rows: what can be read is read, what cannot is a finding with its row."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.clinical_rows import Missing
from schemas.partial_dates import PartialDate
from schemas.states import ReasonCode
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import ROWS, form_row, form_text, read_bytes, read_rows, read_text


@pytest.mark.parametrize("form", sorted(ROWS))
def test_a_plain_row_of_each_form_is_read_without_a_finding(form: str) -> None:
    rows, findings = read_rows(form, form_row(form))
    assert findings == []
    assert [row.row_no for row in rows.rows] == [3]
    assert rows.export_as_of == dt.date(2026, 11, 20)


@pytest.mark.parametrize("form", sorted(ROWS))
def test_each_form_also_comes_with_english_headings(form: str) -> None:
    fields = read_form_contracts()[form].fields
    lines = [",".join(field.header.en for field in fields)]
    lines.append(",".join(ROWS[form].get(field.name, "") for field in fields))
    rows, findings = read_text(form, "# export_as_of: 2026-11-20\n" + "\n".join(lines))
    assert findings == []
    assert len(rows.rows) == 1


def test_values_come_typed_and_partial_dates_stay_partial() -> None:
    rows, _ = read_rows("demographics", form_row("demographics", consent_date="UK"))
    values = rows.rows[0].values
    assert values["birth_date"] == PartialDate(1966, 2)
    assert values["baseline_ct_date"] == PartialDate(2025, 3, 6)
    assert values["consent_date"] is Missing.UNKNOWN
    assert values["prior_training_exposure"] is Missing.NOT_ENTERED


def test_a_value_that_cannot_be_read_is_a_finding_and_counts_as_not_recorded() -> None:
    rows, findings = read_rows("pathology", form_row("pathology", specimen_date="06/03/2025"))
    assert rows.rows[0].values["specimen_date"] is Missing.INVALID
    (finding,) = findings
    assert (finding.rule_id, finding.column_name) == ("CLIN_VALUE_UNREADABLE", "specimen_date")
    assert finding.object_id == "pathology:3"
    assert "06/03" not in repr(finding)


def test_a_date_after_the_export_is_a_finding() -> None:
    rows, findings = read_rows("pathology", form_row("pathology", report_date="2026-11-21"))
    assert rows.rows[0].values["report_date"] is Missing.INVALID
    assert [finding.rule_id for finding in findings] == ["CLIN_DATE_AFTER_EXPORT"]


def test_a_month_that_reaches_past_the_export_is_no_finding() -> None:
    _, findings = read_rows("pathology", form_row("pathology", report_date="2026-11"))
    assert findings == []


@pytest.mark.parametrize("subject_no", ["", "UK", "1.0", "3.20102E+17", "张三"])
def test_a_row_without_a_usable_subject_number_is_left_out_with_one_finding(
    subject_no: str,
) -> None:
    rows, findings = read_rows("pathology", form_row("pathology", subject_no=subject_no))
    assert rows.rows == ()
    assert [finding.rule_id for finding in findings] == ["CLIN_SUBJECT_NO_UNUSABLE"]
    assert not subject_no or subject_no not in findings[0].message_zh


def test_a_row_without_its_running_number_is_kept_as_one_that_nobody_can_name() -> None:
    rows, findings = read_rows("pathology", form_row("pathology", specimen_no=""))
    (row,) = rows.rows
    assert not row.numbered
    assert [finding.rule_id for finding in findings] == ["CLIN_KEY_MISSING"]


def test_a_row_without_another_part_of_its_key_is_left_out_with_a_finding() -> None:
    rows, findings = read_rows("image_quality", form_row("image_quality", exam=""))
    assert rows.rows == ()
    assert [finding.rule_id for finding in findings] == ["CLIN_KEY_MISSING"]


def test_the_same_row_twice_is_one_row() -> None:
    rows, findings = read_rows("diagnosis", form_row("diagnosis"), form_row("diagnosis"))
    assert len(rows.rows) == 1
    assert findings == []


def test_what_two_rows_of_one_key_say_differently_is_no_value_with_a_finding() -> None:
    rows, findings = read_rows(
        "diagnosis", form_row("diagnosis"), form_row("diagnosis", reference_class="ICC")
    )
    (row,) = rows.rows
    assert row.values["reference_class"] is Missing.INVALID
    assert row.values["reference_route"] == "pathology"
    assert [finding.object_id for finding in findings] == ["diagnosis:4"]


def test_one_screening_number_of_two_persons_is_nobodys() -> None:
    rows, findings = read_rows(
        "screening_log", form_row("screening_log"), form_row("screening_log", subject_no="LC-0002")
    )
    assert rows.rows == ()
    assert [finding.rule_id for finding in findings] == ["CLIN_DUPLICATE_KEY"]


def test_a_row_with_too_few_cells_is_left_out_and_the_rest_goes_on() -> None:
    text = form_text("treatment", [form_row("treatment")]) + "LC-0002,1\r\n"
    rows, findings = read_text("treatment", text)
    assert len(rows.rows) == 1
    assert [finding.rule_id for finding in findings] == ["CLIN_ROW_WIDTH"]


def test_an_unknown_column_is_a_finding_that_does_not_quote_it() -> None:
    text = form_text("treatment", [form_row("treatment")], more=["王五的备注"])
    _, findings = read_text("treatment", text)
    assert [finding.rule_id for finding in findings] == ["CLIN_UNKNOWN_HEADER"]
    assert "王五" not in repr(findings)


def test_a_person_never_enrolled_is_known_by_the_screening_number() -> None:
    rows, findings = read_rows(
        "screening_log",
        form_row("screening_log", enrolled="no", subject_no="NA", reason_not_enrolled="age"),
    )
    assert findings == []
    assert rows.rows[0].person == "screening/SCR-001"
    assert not rows.rows[0].enrolled


def test_an_enrolled_person_without_a_subject_number_is_a_finding() -> None:
    rows, findings = read_rows("screening_log", form_row("screening_log", subject_no=""))
    assert rows.rows == ()
    assert [finding.rule_id for finding in findings] == ["CLIN_SUBJECT_NO_UNUSABLE"]


@pytest.mark.parametrize(
    ("as_of", "file_name"),
    [
        ("# export_as_of: 2026-11-20\n", "treatment.csv"),
        ("", "treatment__2026-11-20.csv"),
        ("# export_as_of：2026年11月20日\n", "治疗__20261120.csv"),
    ],
)
def test_the_export_date_stands_in_the_first_line_or_the_file_name(
    as_of: str, file_name: str
) -> None:
    data = form_text("treatment", [form_row("treatment")], as_of=as_of).encode()
    form, _ = read_bytes(file_name, data)
    assert form.export_as_of == dt.date(2026, 11, 20)


def test_the_export_date_may_stand_in_a_column_of_its_own() -> None:
    text = form_text("treatment", [form_row("treatment")], as_of="", more=["导出日期"])
    form, findings = read_text("treatment", text.rstrip("\r\n") + "2026/11/20\r\n")
    assert form.export_as_of == dt.date(2026, 11, 20)
    assert findings == []


@pytest.mark.parametrize("as_of", ["", "# export_as_of: 2026-11\n", "# export_as_of: soon\n"])
def test_a_form_without_the_day_of_its_export_is_refused(as_of: str) -> None:
    with pytest.raises(FormRefusedError) as refusal:
        read_text("treatment", form_text("treatment", [form_row("treatment")], as_of=as_of))
    assert refusal.value.reason is ReasonCode.NO_EXPORT_DATE


def test_two_export_dates_that_differ_refuse_the_form() -> None:
    text = form_text("treatment", [form_row("treatment")], more=["导出日期"])
    with pytest.raises(FormRefusedError) as refusal:
        read_text("treatment", text.rstrip("\r\n") + "2026-11-19\r\n")
    assert refusal.value.reason is ReasonCode.NO_EXPORT_DATE


@pytest.mark.parametrize("day", ["1900-01-01", "1970-01-01", "2000-01-01", "1985-06-07"])
def test_a_date_that_stands_for_none_is_not_recorded(day: str) -> None:
    """Moved by the person's shift and published, it would tell the shift."""
    rows, findings = read_rows("pathology", form_row("pathology", specimen_date=day))
    assert [f.rule_id for f in findings] == ["CLIN_DATE_NOT_OF_STUDY"]
    assert rows.rows[0].values["specimen_date"] is Missing.INVALID


def test_a_birth_date_is_never_published_and_may_be_any() -> None:
    _, findings = read_rows("demographics", form_row("demographics", birth_date="1950-01-01"))
    assert findings == []
