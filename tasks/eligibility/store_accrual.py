"""The accrual of a home as files in `restricted/accrual/`, written anew by each release."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from typing import TypeVar

from schemas.clinical_rows import ClinicalRow
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.tables.spreadsheet_cells import plain_row
from tasks.eligibility.accrual import (
    AccrualCount,
    Interval,
    count_accrual,
    cumulative_enrolment,
    enrolment_intervals,
)
from tasks.eligibility.accrual_flow import FlowCount, count_flow
from tasks.eligibility.flow import Place

_Row = TypeVar("_Row", AccrualCount, Interval, FlowCount)
_WIDTH, _HEIGHT, _MARGIN = 800, 400, 40
_COLOURS = {"prospective": "#1b6ca8", "retrospective": "#b8651b", "unknown": "#777777"}


def write_accrual(
    zones: Zones, rows: Sequence[ClinicalRow], places: Mapping[str, Sequence[Place]]
) -> None:
    """Write `accrual.csv`, `intervals.csv`, `flow.csv` and the plot `cumulative.svg` (restricted).

    `places` says for each reading where each person stands in the flow.
    """
    folder = zones.restricted / "accrual"
    files = {
        "accrual.csv": _csv(AccrualCount, count_accrual(rows)),
        "intervals.csv": _csv(Interval, enrolment_intervals(rows)),
        "flow.csv": _csv(FlowCount, count_flow(places, rows)),
        "cumulative.svg": cumulative_plot(cumulative_enrolment(rows)),
    }
    for name, text in files.items():
        write_bytes(folder / name, text.encode(), mode=0o600)


def _csv(kind: type[_Row], rows: Iterable[_Row]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([one.name for one in fields(kind)])
    table.writerows(plain_row(astuple(row)) for row in rows)
    return text.getvalue()


def cumulative_plot(strata: Mapping[str, Sequence[tuple[dt.date, int]]]) -> str:
    """Return an SVG: persons enrolled over time, one step line for each stratum."""
    points = [point for line in strata.values() for point in line]
    body = []
    if points:
        first, last = min(day for day, _ in points), max(day for day, _ in points)
        most = max(n for _, n in points)
        span = max(1, (last - first).days)

        def place(day: dt.date, n: int) -> tuple[float, float]:
            x = _MARGIN + (day - first).days / span * (_WIDTH - 2 * _MARGIN)
            y = _HEIGHT - _MARGIN - n / most * (_HEIGHT - 2 * _MARGIN)
            return round(x, 1), round(y, 1)

        for number, (stratum, line) in enumerate(strata.items()):
            colour = _COLOURS[stratum]
            path = _steps([place(line[0][0], 0), *(place(day, n) for day, n in line)])
            body.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            label = f"{stratum}: {line[-1][1]}"
            body.append(_text(_MARGIN + 10, _MARGIN + 18 * number, label, colour))
        body.append(_text(_MARGIN, _HEIGHT - 10, first.isoformat()))
        body.append(_text(_WIDTH - 2 * _MARGIN - 20, _HEIGHT - 10, last.isoformat()))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
    title = "<title>Persons enrolled, cumulative; restricted: real dates</title>"
    return "\n".join([head, title, *body, "</svg>"]) + "\n"


def _steps(places: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = places
    return f"M{x} {y}" + "".join(f" H{right} V{up}" for right, up in rest)


def _text(x: float, y: float, words: str, colour: str = "#333333") -> str:
    return f'<text x="{x}" y="{y}" font-size="12" fill="{colour}">{words}</text>'
