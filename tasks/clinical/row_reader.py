"""The rows of one form, cell by cell; whatever cannot be read is a finding with row and column."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from schemas.clinical_rows import Cell, Missing
from schemas.finding_texts import make_finding
from schemas.identifiers import SiteCode, SubjectNo
from schemas.partial_dates import PartialDate
from schemas.records import Finding
from schemas.study_dates import load_study_dates
from tasks.clinical.dates import day_and_month_exchanged
from tasks.clinical.form_contracts import FieldContract
from tasks.clinical.form_rows import SCREENING_PERSON, UNNUMBERED, FormRow
from tasks.clinical.headers import Column, ColumnMap
from tasks.clinical.raw_form import NotSent, PercentNumber, RawForm, SheetNumber, UnusableCell
from tasks.clinical.values import expected_of, parse_cell

_FINDINGS = "site_delivery"
_SERIAL_DIGITS = 5
_MOSTLY = 0.5


class RowReader:
    """Reads the rows of one form and keeps the findings.

    Parameters
    ----------
    raw : RawForm
        The form as rows of text.
    columns : ColumnMap
        Which column holds which field.
    site : SiteCode
        Who delivered it.
    export_as_of : date
        Day of the export; nothing in it can be later.
    """

    def __init__(
        self, raw: RawForm, columns: ColumnMap, site: SiteCode, export_as_of: dt.date
    ) -> None:
        self._raw = raw
        self._contract = raw.contract
        self._columns = columns
        self._site = site
        self._export_as_of = export_as_of
        self._unreadable: Counter[str] = Counter()
        self._entered: Counter[str] = Counter()
        self._days_as_numbers: dict[str, list[int]] = {}
        self.findings: list[Finding] = []

    def read_all(self) -> tuple[FormRow, ...]:
        """Return the rows that can be used, one for each key."""
        self._note_layout()
        rows = [row for line, cells in self._raw.rows if (row := self._read(line, cells))]
        self._note_exchanged_columns()
        self._note_days_as_numbers()
        return tuple(self._without_contradictions(rows))

    def _note_layout(self) -> None:
        """Leave a finding for what the file format shows and for columns that nobody knows."""
        for note in self._raw.notes:
            self._note(note.rule_id, note.row, note.column, expected=note.expected)
        for index, nearest in self._columns.unknown:
            self._note("CLIN_UNKNOWN_HEADER", 1, str(index + 1), expected=nearest or "-")
        for index in self._columns.unnamed:
            rows = [line for line, cells in self._raw.rows if "".join(cells[index : index + 1])]
            if rows:
                self._note("CLIN_NO_HEADER", rows[0], str(index + 1), n=len(rows))

    def _note(
        self, rule_id: str, row: int, column: str, *, expected: str | int = "", n: int = 0
    ) -> None:
        form = self._contract.form
        self.findings.append(
            make_finding(
                _FINDINGS,
                rule_id,
                self._site,
                object_type="form",
                object_id=f"{form}:{row}",
                column=column,
                form=form,
                row=row,
                expected=expected,
                n=n,
            )
        )

    def _read(self, line: int, cells: tuple[str, ...]) -> FormRow | None:
        """Return the row, or None with a finding when it cannot be told whose it is."""
        width = len(self._raw.headings)
        if len(cells) != width:
            self._note("CLIN_ROW_WIDTH", line, "", n=len(cells), expected=width)
            return None
        values = {
            column.field.name: self._cell(line, column, cells[column.index])
            for column in self._columns.columns
            if not isinstance(cells[column.index], NotSent)
        }
        person = self._person(line, values)
        key = self._key(line, values) if person is not None else None
        return None if person is None or key is None else FormRow(line, person, key, values)

    def _cell(self, line: int, column: Column, text: str) -> Cell:
        field = column.field
        if isinstance(text, UnusableCell):
            self._note(str(text), line, field.name)
            return Missing.INVALID
        try:
            value = parse_cell(field, self._as_typed(line, field, text), column.factor)
        except ValueError:
            self._entered[field.name] += 1
            self._unreadable[field.name] += 1
            self._note_unreadable(line, field, text)
            return Missing.INVALID
        if isinstance(value, Missing):
            return value
        self._entered[field.name] += 1
        if isinstance(value, PartialDate) and value.earliest > self._export_as_of:
            self._note(self._rule_of_late(value), line, field.name)
            return Missing.INVALID
        if isinstance(value, PartialDate) and self._stands_for_none(field, value):
            self._note("CLIN_DATE_NOT_OF_STUDY", line, field.name)
            return Missing.INVALID
        return value

    def _stands_for_none(self, field: FieldContract, value: PartialDate) -> bool:
        """Return whether a date that would be published is none of the study's life."""
        released = not field.stays_sealed and value.exact is not None
        return released and not load_study_dates().has(value.earliest)

    def _as_typed(self, line: int, field: FieldContract, text: str) -> str:
        """Return the day behind the number by which a workbook keeps it; it is noted.

        Raises
        ------
        ValueError
            If the workbook shows per cent where the column has another unit or none.
        """
        if isinstance(text, PercentNumber) and field.unit != "%":
            raise ValueError("per cent in a column of something else")
        day_zero = self._raw.day_zero
        is_serial = isinstance(text, SheetNumber) and len(text) == _SERIAL_DIGITS
        if field.type != "date" or day_zero is None or not is_serial or not text.isdecimal():
            return text
        self._days_as_numbers.setdefault(field.name, []).append(line)
        return (day_zero + dt.timedelta(days=int(text))).isoformat()

    def _note_unreadable(self, line: int, field: FieldContract, text: str) -> None:
        if field.type == "subject_no":  # `_person` says it once for the row
            return
        exchanged = field.type == "date" and day_and_month_exchanged(text) is not None
        rule = "CLIN_DAY_MONTH_EXCHANGED" if exchanged else "CLIN_VALUE_UNREADABLE"
        self._note(rule, line, field.name, expected=expected_of(field))

    def _rule_of_late(self, date: PartialDate) -> str:
        """Return whether a date after the export would be none with day and month exchanged."""
        other = day_and_month_exchanged(date.iso()) if date.exact else None
        if other is not None and other.latest <= self._export_as_of:
            return "CLIN_DAY_MONTH_DOUBTFUL"
        return "CLIN_DATE_AFTER_EXPORT"

    def _person(self, line: int, values: Mapping[str, Cell]) -> SubjectNo | None:
        subject_no = values.get("subject_no", Missing.NOT_ENTERED)
        if not isinstance(subject_no, Missing):
            return SubjectNo(str(subject_no))
        screening_no = values.get("screening_no", Missing.NOT_ENTERED)
        not_enrolled = values.get("enrolled") == "no" and subject_no is not Missing.INVALID
        if not_enrolled and not isinstance(screening_no, Missing):
            return SubjectNo(f"{SCREENING_PERSON}{screening_no}")
        self._note("CLIN_SUBJECT_NO_UNUSABLE", line, "subject_no")
        return None

    def _key(self, line: int, values: Mapping[str, Cell]) -> tuple[str, ...] | None:
        """Return what tells the row apart; a row that lacks its running number only is kept.

        Nobody can say which lesion, specimen or contact it is, but there is one more.
        """
        parts = []
        for name in self._contract.key:
            value = values.get(name, Missing.NOT_ENTERED)
            if isinstance(value, Missing):
                self._note("CLIN_KEY_MISSING", line, name)
                if self._contract.field(name).type != "integer" or len(self._contract.key) != 2:
                    return None
                parts.append(f"{UNNUMBERED}{line}")
                continue
            parts.append(value.iso() if isinstance(value, PartialDate) else str(value))
        return tuple(parts)

    def _note_exchanged_columns(self) -> None:
        """Leave a finding for two columns whose values only the other one could read."""
        suspect = [
            column
            for column in self._columns.columns
            if self._entered[column.field.name]
            and self._unreadable[column.field.name] > _MOSTLY * self._entered[column.field.name]
        ]
        for number, first in enumerate(suspect):
            for second in suspect[number + 1 :]:
                if self._reads(first, second) and self._reads(second, first):
                    self._note(
                        "CLIN_COLUMNS_EXCHANGED",
                        1,
                        first.field.name,
                        expected=second.field.header.zh,
                    )

    def _note_days_as_numbers(self) -> None:
        """Leave one finding for each column whose days were numbers, not one for each row."""
        for name, lines in self._days_as_numbers.items():
            self._note("CLIN_DATE_AS_NUMBER", lines[0], name, n=len(lines))

    def _reads(self, column: Column, other: Column) -> bool:
        """Return whether one column's field can read most of what stands in another column."""
        readable = n = 0
        for _, cells in self._raw.rows:
            text = "".join(cells[other.index : other.index + 1])
            if text.strip():
                n += 1
                try:
                    readable += not isinstance(parse_cell(column.field, text), Missing)
                except ValueError:
                    continue
        return readable > _MOSTLY * n

    def _without_contradictions(self, rows: Iterable[FormRow]) -> Iterator[FormRow]:
        """Yield one row for each key; what rows of one key say differently is no value.

        The row itself stays: without it a lesion or a specimen would vanish from the subject,
        and an older export would go on deciding.
        """
        by_key: dict[tuple[str, ...], list[FormRow]] = {}
        for row in rows:
            by_key.setdefault(row.key, []).append(row)
        for same in by_key.values():
            for row in same[1:] if any(row.values != same[0].values for row in same) else ():
                self._note("CLIN_DUPLICATE_KEY", row.row_no, "")
            if all(row.person == same[0].person for row in same):
                yield _what_all_say(same)


def _what_all_say(rows: Sequence[FormRow]) -> FormRow:
    """Return the rows of one key as one; a value in which they differ counts as unreadable."""
    first = rows[0]
    names = {name: None for row in rows for name in row.values}
    values = {
        name: first.values.get(name, Missing.NOT_ENTERED)
        if len({row.values.get(name, Missing.NOT_ENTERED) for row in rows}) == 1
        else Missing.INVALID
        for name in names
    }
    return replace(first, values=values)
