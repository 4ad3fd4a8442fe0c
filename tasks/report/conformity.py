"""What a reviewer is told of the conformity of DICOM objects. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.conformity import ConformityRow, load_known_lines
from tasks.report.tables import SeriesRow


@dataclass(frozen=True)
class NewLine:
    """One line that only the object written has: of which series, and why, if that is known."""

    line: str
    reason: tuple[str, str]
    series_uid: str
    subject_id: str
    label: str


@dataclass(frozen=True)
class ConformityView:
    """Counts of series, and every new line; `not_checked` has the series by reason."""

    n_series: int
    n_checked: int
    new_errors: int
    new_warnings: int
    not_checked: Mapping[str, int]
    lines: tuple[NewLine, ...]


def view_conformity(
    rows: Iterable[ConformityRow], series: Iterable[SeriesRow]
) -> ConformityView | None:
    """Return what the release says of its series, None where it says nothing."""
    given = tuple(rows)
    if not given:
        return None
    known, row_of = load_known_lines(), {one.series_uid: one for one in series}
    checked = [row for row in given if not row.not_checked]
    lines = []
    for row in checked:
        shown = row_of.get(row.series_uid)
        for line in row.new_lines:
            why = known.get(line)
            lines.append(
                NewLine(
                    line=line,
                    reason=(why.reason_en, why.reason_zh) if why else ("", ""),
                    series_uid=row.series_uid,
                    subject_id=shown.subject_id if shown else "",
                    label=shown.label if shown else "",
                )
            )
    return ConformityView(
        n_series=len(given),
        n_checked=len(checked),
        new_errors=sum(row.new_errors for row in checked),
        new_warnings=sum(row.new_warnings for row in checked),
        not_checked=Counter(row.not_checked for row in given if row.not_checked),
        lines=tuple(lines),
    )
