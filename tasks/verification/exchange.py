"""The form of a verification: what goes out, and what comes back, checked row by row. Pure.

It is restricted: it has the site's own subject numbers and the values with their real dates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.errors import BadInputError
from schemas.returned_forms import outgoing_headings, returned_rows
from schemas.tables.spreadsheet_cells import plain_cell
from schemas.verification_counts import FieldCounts
from tasks.verification.plan import Item

AGREES, DIFFERS, NO_SOURCE = "agrees", "differs", "no_source"
#: What is written into `result`; each word stands for one.
RESULT_WORDS = {
    "agrees": AGREES,
    "一致": AGREES,
    "differs": DIFFERS,
    "不一致": DIFFERS,
    "no_source": NO_SOURCE,
    "无源文件": NO_SOURCE,
}
#: Columns of the form with their Chinese headings; the last three are filled in.
COLUMNS = {
    "item": "核查编号",
    "check": "校验码",
    "site_code": "中心",
    "study_subject_no": "研究受试者编号",
    "form": "表单",
    "row": "表单行",
    "field": "字段",
    "critical": "关键字段",
    "entered": "录入值",
    "result": "核查结果（一致/不一致/无源文件）",
    "source_value": "源文件中的值",
    "comment": "说明",
}
_NEEDED = ("item", "check", "site_code", "result")
_SITE = re.compile(r"S\d{2}")
_LINES_TOLD = 10

#: Gives the check that stands beside an item.
Check = Callable[[str], str]


@dataclass(frozen=True)
class PlannedItem:
    """An item as the plan keeps it: its id and codes, no value and no number of the site."""

    item: str
    subject_id: str
    form: str
    field: str
    critical: bool


@dataclass(frozen=True)
class Answered:
    """One row as it came back."""

    line: int
    item: str
    check: str
    site: str
    result: str


def headings() -> list[str]:
    """Return the headings of the form."""
    return outgoing_headings(COLUMNS)


def outgoing_row(
    site: str, item_id: str, check: str, item: Item, names: tuple[str, str]
) -> list[str]:
    """Return one row of the form; `names` are the form and the field in Chinese."""
    form, name = names
    return [
        item_id,
        check,
        site,
        plain_cell(item.subject_no),
        f"{item.form} {form}",
        item.row,
        f"{item.field_name} {name}",
        "yes 是" if item.critical else "no 否",
        plain_cell(item.entered),
        "",
        "",
        "",
    ]


def read_rows(table: Sequence[Sequence[str]]) -> list[Answered]:
    """Return the rows of a form that came back; lines are counted from 1, the heading is one.

    Raises
    ------
    BadInputError
        If there is no heading, or a needed column is missing or stands twice.
    """
    hint = "Fill in the form as it was sent, without changing its headings."
    rows = returned_rows(table, _NEEDED, where="the form", hint=hint)
    return [Answered(line, *cells) for line, cells in rows]


def site_of(rows: Sequence[Answered]) -> str:
    """Return the one site of the rows.

    Raises
    ------
    BadInputError
        If there is none, or several.
    """
    sites = {row.site for row in rows}
    if len(sites) != 1 or not _SITE.fullmatch(next(iter(sites))):
        odd = next((row.line for row in rows if not _SITE.fullmatch(row.site)), 1)
        raise BadInputError(
            "the form is not of one site",
            expected="the same site code in every row",
            where=f"line {odd} of the form",
            hint="Import the form of each site by itself, as it was sent.",
        )
    return next(iter(sites))


def results_of(
    rows: Sequence[Answered], planned: Mapping[str, PlannedItem], check: Check
) -> dict[str, str]:
    """Return the result of every item of the plan.

    A round is taken in whole or not at all: rows that somebody left out would be chosen ones.

    Raises
    ------
    BadInputError
        Names every line that cannot be taken, and how many items lack a result.
    """
    times = Counter(row.item for row in rows)
    problems = [
        (row.line, found) for row in rows if (found := _problem(row, planned, check, times))
    ]
    if problems:
        told = "; ".join(f"line {line}: {found}" for line, found in problems[:_LINES_TOLD])
        more = len(problems) - _LINES_TOLD
        raise BadInputError(
            told + (f"; and {more} lines more" if more > 0 else ""),
            expected="every item once, as it was sent, with one of: " + ", ".join(RESULT_WORDS),
            where="the form",
            hint="Nothing was imported. Mend the lines and import the form again.",
        )
    lacking = len(planned.keys() - times.keys())
    if lacking:
        raise BadInputError(
            f"{lacking} of {len(planned)} items are not in the form",
            expected="every item that was sent",
            where="the form",
            hint="Nothing was imported. Import the form as it was sent, with all its rows.",
        )
    return {row.item: RESULT_WORDS[row.result] for row in rows}


def _problem(
    row: Answered, planned: Mapping[str, PlannedItem], check: Check, times: Mapping[str, int]
) -> str:
    tests = (
        (row.item not in planned, "no item of the plan has this number"),
        (row.check != check(row.item), "item and check do not belong together"),
        (times[row.item] > 1, "the item stands in several rows"),
        (not row.result, "no result"),
        (row.result not in RESULT_WORDS, "the result is none of the words"),
    )
    return next((found for holds, found in tests if holds), "")


def count_results(
    site: str,
    rounds: Iterable[tuple[Mapping[str, PlannedItem], Mapping[str, str]]],
) -> list[FieldCounts]:
    """Return the counts of every field over all rounds of a site."""
    counts: dict[tuple[str, str, bool], Counter[str]] = {}
    seen: dict[tuple[str, str, bool], set[int]] = {}
    for number, (planned, results) in enumerate(rounds):
        for item_id, result in results.items():
            one = planned[item_id]
            key = (one.form, one.field, one.critical)
            counts.setdefault(key, Counter())[result] += 1
            seen.setdefault(key, set()).add(number)
    return [
        FieldCounts(
            site,
            *key,
            rounds=len(seen[key]),
            compared=found[AGREES] + found[DIFFERS],
            differed=found[DIFFERS],
            no_source=found[NO_SOURCE],
        )
        for key, found in sorted(counts.items())
    ]
