"""What a DICOM validator said of the series of a release: a table and a page. Pure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from schemas.conformity import (
    CONFORMITY_COLUMNS,
    CONFORMITY_CSV,
    ConformityRow,
    load_known_lines,
)

CONFORMITY_PAGE = "CONFORMITY.md"
_BEFORE = "taken in before objects were checked"
_PAGE = """# Conformity of the DICOM objects

One object of each series was read by a validator twice: as the hospital delivered it, and as it
was written after de-identification. An error or warning is new when the object written has it
and the delivered one has not. `conformity.csv` has a row for each series.

- Series in this release: {series}
- Checked: {checked}{by}
- Not checked: {unchecked}
- Series with new errors: {with_errors}; new errors together: {errors}
- Series with new warnings: {with_warnings}; new warnings together: {warnings}

What the profile of de-identification claims stands in `docs/conformance.md` of the software.
"""


def conformity_files(rows: Iterable[ConformityRow], series_uids: Iterable[str]) -> dict[str, bytes]:
    """Return the documents by path: every series of the release, those that nobody checked too.

    Parameters
    ----------
    rows : iterable of ConformityRow
        Of all committed batches; of several of one series the first object's counts.
    series_uids : iterable of str
        The series of the release.
    """
    of_series: dict[str, ConformityRow] = {}
    for row in sorted(rows, key=lambda r: (bool(r.not_checked), r.sop_uid)):
        of_series.setdefault(row.series_uid, row)
    released = [
        of_series.get(uid, ConformityRow("", uid, "", not_checked=_BEFORE))
        for uid in sorted(set(series_uids))
    ]
    return {
        CONFORMITY_CSV: _table(released),
        CONFORMITY_PAGE: (_page(released) + _lines(released)).encode("utf-8"),
    }


def _table(rows: Sequence[ConformityRow]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CONFORMITY_COLUMNS)
    for row in rows:
        counts = [
            getattr(row, name) if not row.not_checked else "" for name in CONFORMITY_COLUMNS[3:-1]
        ]
        writer.writerow(
            [row.series_uid, row.validator, row.not_checked, *counts, "; ".join(row.new_lines)]
        )
    return stream.getvalue().encode("utf-8")


def _page(rows: Sequence[ConformityRow]) -> str:
    checked = [row for row in rows if not row.not_checked]
    validators = ", ".join(sorted({row.validator for row in checked}))
    why = Counter(row.not_checked for row in rows if row.not_checked)
    return _PAGE.format(
        series=len(rows),
        checked=len(checked),
        by=f", by {validators}" if validators else "",
        unchecked="; ".join(f"{n} ({reason})" for reason, n in sorted(why.items())) or "0",
        with_errors=sum(row.new_errors > 0 for row in checked),
        errors=sum(row.new_errors for row in checked),
        with_warnings=sum(row.new_warnings > 0 for row in checked),
        warnings=sum(row.new_warnings for row in checked),
    )


def _lines(rows: Sequence[ConformityRow]) -> str:
    kinds = Counter(line for row in rows for line in row.new_lines)
    if not kinds:
        return ""
    known = load_known_lines()
    listed = "".join(
        f"| {line} | {n} | {known[line].reason_en if line in known else ''} |\n"
        for line, n in sorted(kinds.items())
    )
    return f"\n| new line | series | why |\n|---|---|---|\n{listed}"
