"""Ordinary edits of a table: those that change no row, and those that could lose or shift one.

Of the latter each comes with the line that is to be named.
"""

from __future__ import annotations

import csv

from tests.contracts.signed import (
    Signed,
    cells_of,
    column,
    every_row,
    lines_of,
    with_cell,
    with_line,
    written,
)


# What changes no row.
def mark_of_excel(table: Signed) -> bytes:
    return b"\xef\xbb\xbf" + table.content


def line_ends_of_excel(table: Signed) -> bytes:
    return table.content.replace(b"\n", b"\r\n")


def saved_by_excel(table: Signed) -> bytes:
    return mark_of_excel(table).replace(b"\n", b"\r\n")


def every_cell_in_quotes(table: Signed) -> bytes:
    return written(cells_of(table), quoting=csv.QUOTE_ALL)


def blank_line_between(table: Signed) -> bytes:
    return with_line(table, 2, lines_of(table)[1] + b"\n\n")


def blank_lines_below(table: Signed) -> bytes:
    return table.content + b"\n\r\n"


def blanks_around_cells(table: Signed) -> bytes:
    return every_row(table, lambda row: [f" {cell} " for cell in row])


ACCEPTED = [
    mark_of_excel,
    line_ends_of_excel,
    saved_by_excel,
    every_cell_in_quotes,
    blank_line_between,
    blank_lines_below,
    blanks_around_cells,
]


# What could lose, join or shift a row, or say what nobody reads. The line is that of the edit.
def with_open_quote(table: Signed, number: int) -> bytes:
    *others, last = cells_of(table)[number - 1]
    return with_line(table, number, written([others])[:-1] + b',"' + last.encode())


def stray_quote_before_the_last_cell(table: Signed) -> tuple[bytes, int]:
    return with_open_quote(table, 3), 3


def quote_never_closed_at_the_end(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    head, _, tail = lines[-1].rpartition(b",")
    return with_line(table, len(lines), head + b',"' + tail), len(lines)


def quote_before_the_first_cell(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, b'"' + lines_of(table)[2]), 3


def two_quotes_lines_apart(table: Signed) -> tuple[bytes, int]:
    return with_open_quote(table, 2).removesuffix(b"\n") + b'"\n', 2


def quote_inside_a_cell(table: Signed) -> tuple[bytes, int]:
    line = lines_of(table)[2]
    return with_line(table, 3, line[:-2] + b'"' + line[-2:]), 3


def cell_too_many(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b",more"), 3


def comma_without_quotes(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b", or another"), 3


def cell_too_few(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    cells[2].pop()
    return written(cells), 3


def row_of_commas(table: Signed) -> tuple[bytes, int]:
    width = len(cells_of(table)[0])
    return table.content + b"," * (width - 1) + b"\n", len(lines_of(table)) + 1


def two_rows_on_one_line(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    return b"\n".join([lines[0], lines[1] + lines[2], *lines[3:]]) + b"\n", 2


def column_missing(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: row[:-1]), 1


def column_more(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: [*row, "note"]), 1


def column_without_a_name(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: [*row, ""]), 1


def column_renamed(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 1, lines_of(table)[0] + b"s"), 1


def columns_swapped(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: [row[1], row[0], *row[2:]]), 1


def names_of_columns_swapped(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    cells[0] = [cells[0][1], cells[0][0], *cells[0][2:]]
    return written(cells), 1


def column_named_twice(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    cells[0][-1] = cells[0][0]
    return written(cells), 1


def first_line_lost(table: Signed) -> tuple[bytes, int]:
    return b"\n".join(lines_of(table)[1:]) + b"\n", 1


def row_twice(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    return table.content + lines[1] + b"\n", len(lines) + 1


def key_twice(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    for name in table.key:
        cells[2][column(table, name)] = cells[1][column(table, name)]
    return written(cells), 3


def stated_cell_empty(table: Signed) -> tuple[bytes, int]:
    return with_cell(table, 3, table.stated, ""), 3


def stated_cell_of_blanks(table: Signed) -> tuple[bytes, int]:
    return with_cell(table, 3, table.stated, " \u3000 "), 3


def saved_as_gb18030(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + "肝脏".encode("gb18030")), 3


def one_byte_of_latin_1(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b"\xe9"), 3


def saved_as_unicode_text(table: Signed) -> tuple[bytes, int]:
    return table.content.decode().replace(",", "\t").encode("utf-16"), 1


def null_byte(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b"\0"), 3


def invisible_character(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + "\u200b".encode()), 3


def character_that_a_program_could_not_read(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + "\ufffd".encode()), 3


def line_break_in_a_cell(table: Signed) -> tuple[bytes, int]:
    return with_cell(table, 3, table.stated, "one\ntwo"), 3


def line_ends_of_old_macs(table: Signed) -> tuple[bytes, int]:
    return table.content.replace(b"\n", b"\r"), 1


def semicolons_for_commas(table: Signed) -> tuple[bytes, int]:
    return written(cells_of(table), delimiter=";"), 1


def last_line_cut_in_its_last_cell(table: Signed) -> tuple[bytes, int]:
    return table.content[:-3], len(lines_of(table))


def last_line_cut_in_half(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    return table.content[: -len(lines[-1]) // 2 - 1], len(lines)


def cut_behind_the_last_cell(table: Signed) -> tuple[bytes, int]:
    return table.content[:-1], len(lines_of(table))


REFUSED = [
    stray_quote_before_the_last_cell,
    quote_never_closed_at_the_end,
    quote_before_the_first_cell,
    two_quotes_lines_apart,
    quote_inside_a_cell,
    cell_too_many,
    comma_without_quotes,
    cell_too_few,
    row_of_commas,
    two_rows_on_one_line,
    column_missing,
    column_more,
    column_without_a_name,
    column_renamed,
    columns_swapped,
    names_of_columns_swapped,
    column_named_twice,
    first_line_lost,
    row_twice,
    key_twice,
    stated_cell_empty,
    stated_cell_of_blanks,
    saved_as_gb18030,
    one_byte_of_latin_1,
    saved_as_unicode_text,
    null_byte,
    invisible_character,
    character_that_a_program_could_not_read,
    line_break_in_a_cell,
    line_ends_of_old_macs,
    semicolons_for_commas,
    last_line_cut_in_its_last_cell,
    last_line_cut_in_half,
    cut_behind_the_last_cell,
]
