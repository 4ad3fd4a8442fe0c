"""Forms to typed rows: what can be read is read, what cannot is a finding with its row."""

from __future__ import annotations

import datetime as dt

from schemas.identifiers import Sha256, SiteCode
from schemas.states import ReasonCode
from tasks.clinical.dates import parse_date
from tasks.clinical.decode import parse_form
from tasks.clinical.direct_identifiers import identifier_kind_of_value
from tasks.clinical.form_contracts import read_conventions
from tasks.clinical.form_rows import FormRows
from tasks.clinical.headers import ColumnMap, map_headings
from tasks.clinical.raw_form import FormRefusedError, RawForm
from tasks.clinical.row_reader import RowReader
from tasks.clinical.text import fold


def read_form(
    file_name: str, data: bytes, *, site: SiteCode, file_no: int, source_sha256: Sha256
) -> FormRows:
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
    FormRows
        Rows that could be read, and a finding for each row or value that could not.

    Raises
    ------
    FormRefusedError
        If the form as a whole cannot be taken in; nothing of it is used then.
    """
    raw = parse_form(file_name, data)
    columns = map_headings(raw.contract, raw.headings)
    _refuse_identifying_values(raw)
    export_as_of = _export_as_of(raw, columns)
    reader = RowReader(raw, columns, site, export_as_of)
    return FormRows(
        form=raw.contract.form,
        file_no=file_no,
        source_sha256=source_sha256,
        export_as_of=export_as_of,
        encoding=raw.encoding,
        rows=reader.read_all(),
        incremental=_is_incremental(raw, columns),
        findings=tuple(reader.findings),
    )


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
    try:
        stated = _stated(raw, raw.stated_dates, columns.export_as_of_index)
        dates = {parse_date(text).exact for text in stated}
    except ValueError:
        dates = {None}
    if len(dates) != 1 or (date := dates.pop()) is None:
        raise FormRefusedError(
            ReasonCode.NO_EXPORT_DATE, "export_as_of is missing, not a day, or not the same"
        )
    return date


def _is_incremental(raw: RawForm, columns: ColumnMap) -> bool:
    """Return what every source states; nothing said means that the export is full."""
    words = read_conventions().export_kind
    known = {fold(word): False for word in words.full}
    known |= {fold(word): True for word in words.incremental}
    stated = {
        known.get(fold(text)) for text in _stated(raw, raw.stated_kinds, columns.export_kind_index)
    }
    if not stated:
        return False
    if len(stated) > 1 or (kind := stated.pop()) is None:
        raise FormRefusedError(
            ReasonCode.UNREADABLE_FORM, "export_kind is neither full nor incremental, or both"
        )
    return kind


def _stated(raw: RawForm, stated: tuple[str, ...], index: int | None) -> set[str]:
    """Return what the file says of itself: in its name or first lines, and in a column."""
    column = {cells[index] for _, cells in raw.rows if index is not None and len(cells) > index}
    return {*stated, *column}
