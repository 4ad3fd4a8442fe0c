"""Forms to typed rows: what can be read is read, what cannot is a finding with its row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from schemas.clinical_rows import Cell, Missing
from schemas.identifiers import Sha256, SiteCode, SubjectNo
from schemas.partial_dates import PartialDate
from schemas.records import FileOutcome, Finding
from schemas.states import ReasonCode
from tasks.clinical.dates import parse_date
from tasks.clinical.decode import FormRefusedError, RawForm, parse_form
from tasks.clinical.direct_identifiers import identifier_kind_of_value
from tasks.clinical.findings import make_finding
from tasks.clinical.form_contracts import FormContract
from tasks.clinical.headers import Column, ColumnMap, map_headings
from tasks.clinical.values import expected_of, parse_cell

SCREENING_PERSON = "screening/"


@dataclass(frozen=True)
class FormRow:
    """One readable row of a form (restricted).

    `person` is the study subject number, or `screening/` and the screening number of a
    person who was never enrolled.
    """

    row_no: int
    person: SubjectNo = field(repr=False)
    key: tuple[str, ...] = field(repr=False)
    values: Mapping[str, Cell] = field(repr=False)

    @property
    def enrolled(self) -> bool:
        """Whether the row belongs to an enrolled subject."""
        return not self.person.startswith(SCREENING_PERSON)


@dataclass(frozen=True)
class FormRows:
    """What was read of one delivered form (restricted)."""

    form: str
    file_no: int
    source_sha256: Sha256
    export_as_of: dt.date
    encoding: str
    rows: tuple[FormRow, ...] = field(repr=False)


@dataclass(frozen=True)
class ClinicalIntake:
    """All forms of one export: rows, what became of each file, and findings (restricted)."""

    forms: tuple[FormRows, ...] = field(repr=False)
    outcomes: tuple[FileOutcome, ...] = ()
    findings: tuple[Finding, ...] = ()


def read_form(
    file_name: str, data: bytes, *, site: SiteCode, file_no: int, source_sha256: Sha256
) -> tuple[FormRows, list[Finding]]:
    """Read one delivered form.

    Parameters
    ----------
    file_name : str
        Its last path component; says which form it is.
    data : bytes
        Its content.
    site, file_no, source_sha256
        Where it comes from.

    Returns
    -------
    FormRows and list of Finding
        Rows that could be read; a finding for each row or value that could not.

    Raises
    ------
    FormRefusedError
        If the form as a whole cannot be taken in; nothing of it is used then.
    """
    raw = parse_form(file_name, data)
    columns = map_headings(raw.contract, raw.headings)
    _refuse_identifying_values(raw)
    export_as_of = _export_as_of(raw, columns)
    reader = _RowReader(raw.contract, columns, site, export_as_of, len(raw.headings))
    reader.note_unknown_columns()
    rows = [row for line, cells in raw.rows if (row := reader.read(line, cells)) is not None]
    unique = _without_contradictions(rows, reader)
    form = FormRows(
        form=raw.contract.form,
        file_no=file_no,
        source_sha256=source_sha256,
        export_as_of=export_as_of,
        encoding=raw.encoding,
        rows=tuple(unique),
    )
    return form, reader.findings


class _RowReader:
    """Reads the rows of one form and keeps the findings."""

    def __init__(
        self,
        contract: FormContract,
        columns: ColumnMap,
        site: SiteCode,
        export_as_of: dt.date,
        width: int,
    ) -> None:
        self._contract = contract
        self._columns = columns
        self._site = site
        self._export_as_of = export_as_of
        self._width = width
        self.findings: list[Finding] = []

    def note_unknown_columns(self) -> None:
        """Leave a finding for each column that the contract does not know."""
        for index, nearest in self._columns.unknown:
            self.note("CLIN_UNKNOWN_HEADER", 1, str(index + 1), expected=nearest or "-")

    def note(
        self, rule_id: str, row: int, column: str, *, expected: str | int = "", n: int = 0
    ) -> None:
        """Leave a finding."""
        form = self._contract.form
        self.findings.append(
            make_finding(
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

    def read(self, line: int, cells: tuple[str, ...]) -> FormRow | None:
        """Return the row, or None with a finding when it cannot be told whose it is."""
        if len(cells) != self._width:
            self.note("CLIN_ROW_WIDTH", line, "", n=len(cells), expected=self._width)
            return None
        values = {
            column.field.name: self._cell(line, column, cells[column.index])
            for column in self._columns.columns
        }
        person = self._person(line, values)
        key = self._key(line, values) if person is not None else None
        return None if person is None or key is None else FormRow(line, person, key, values)

    def _cell(self, line: int, column: Column, text: str) -> Cell:
        name = column.field.name
        try:
            value = parse_cell(column.field, text, column.factor)
        except ValueError:
            if column.field.type != "subject_no":  # `_person` says it once for the row
                self.note("CLIN_VALUE_UNREADABLE", line, name, expected=expected_of(column.field))
            return Missing.INVALID
        if isinstance(value, PartialDate) and value.earliest > self._export_as_of:
            self.note("CLIN_DATE_AFTER_EXPORT", line, name)
            return Missing.INVALID
        return value

    def _person(self, line: int, values: Mapping[str, Cell]) -> SubjectNo | None:
        subject_no = values.get("subject_no", Missing.NOT_ENTERED)
        if not isinstance(subject_no, Missing):
            return SubjectNo(str(subject_no))
        screening_no = values.get("screening_no", Missing.NOT_ENTERED)
        not_enrolled = values.get("enrolled") == "no" and subject_no is not Missing.INVALID
        if not_enrolled and not isinstance(screening_no, Missing):
            return SubjectNo(f"{SCREENING_PERSON}{screening_no}")
        self.note("CLIN_SUBJECT_NO_UNUSABLE", line, "subject_no")
        return None

    def _key(self, line: int, values: Mapping[str, Cell]) -> tuple[str, ...] | None:
        parts = []
        for name in self._contract.key:
            value = values[name]
            if isinstance(value, Missing):
                self.note("CLIN_KEY_MISSING", line, name)
                return None
            parts.append(value.iso() if isinstance(value, PartialDate) else str(value))
        return tuple(parts)


def _refuse_identifying_values(raw: RawForm) -> None:
    for _, cells in ((0, raw.headings), *raw.rows):
        for index, cell in enumerate(cells):
            kind = identifier_kind_of_value(cell)
            if kind is not None:
                raise FormRefusedError(
                    ReasonCode.DIRECT_IDENTIFIER_COLUMN, f"column {index + 1} holds {kind}"
                )


def _export_as_of(raw: RawForm, columns: ColumnMap) -> dt.date:
    """Return the one date that every source states."""
    stated = set(raw.stated_dates)
    index = columns.export_as_of_index
    if index is not None:
        stated |= {cells[index] for _, cells in raw.rows if len(cells) > index}
    try:
        dates = {parse_date(text).exact for text in stated}
    except ValueError:
        dates = {None}
    if len(dates) != 1 or (date := dates.pop()) is None:
        raise FormRefusedError(
            ReasonCode.NO_EXPORT_DATE, "export_as_of is missing, not a day, or not the same"
        )
    return date


def _without_contradictions(rows: Iterable[FormRow], reader: _RowReader) -> Iterator[FormRow]:
    """Yield one row for each key; rows of one key that differ are all left out."""
    by_key: dict[tuple[str, ...], list[FormRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    for same in by_key.values():
        if all(row.values == same[0].values for row in same):
            yield same[0]
        else:
            for row in same[1:]:
                reader.note("CLIN_DUPLICATE_KEY", row.row_no, "")
