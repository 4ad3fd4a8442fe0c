"""Forms that contradict themselves until the site mends them: one edit for each kind of conflict.

A story with a conflict is entered wrongly on the first nights and as it was from the third on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks.simulate.people.forms import FormRow, FormValue

_Edit = Callable[[list[FormRow], bool], list[FormRow]]
_HCC: dict[str, Any] = {
    "reference_class": "HCC", "route": "pathology", "pathology_day": 14, "procedure": "biopsy",
}  # fmt: skip
_FNH: dict[str, Any] = {
    "reference_class": "FNH", "route": "followup", "pathology_day": None, "follow_up_day": 120,
    "detected_by": "screening_CT",
}  # fmt: skip
_NO_TISSUE = ("lesion_no", "specimen_date", "report_date", "procedure", "diagnosis_code")


@dataclass(frozen=True)
class Conflict:
    """One kind: the true story, the form that is entered wrongly, and how.

    `rule_id` is the finding to look for. The edit gets the true rows and whether the site has
    mended them by then; it is asked then too, for rows that belong to the story.
    """

    story: dict[str, Any]
    form: str
    rule_id: str
    edit: _Edit


def _wrong(**values: FormValue) -> _Edit:
    def edit(rows: list[FormRow], mended: bool) -> list[FormRow]:
        return rows if mended else [row | values for row in rows]

    return edit


def _second_row(**values: FormValue) -> _Edit:
    def edit(rows: list[FormRow], mended: bool) -> list[FormRow]:
        return rows if mended else [*rows, *({**row, **values} for row in rows)]

    return edit


def _died_first(rows: list[FormRow], mended: bool) -> list[FormRow]:
    status = "open" if mended else "died"
    blank = dict.fromkeys(("image_date", "modality", "conclusion", "size_change_percent"), "NA")
    contact = {"followup_no": "0", "image_done": "no", "followup_status": status}
    return [*({**row, **blank, **contact} for row in rows), *rows]


CONFLICTS: dict[str, Conflict] = {
    "tissue_differs": Conflict(_HCC, "pathology", "REF_CONTRADICTED", _wrong(diagnosis_code="FNH")),
    "tissue_denied": Conflict(
        _HCC,
        "pathology",
        "REF_CONTRADICTED",
        _wrong(pathology_done="no", **dict.fromkeys(_NO_TISSUE, "NA")),
    ),
    "route_differs": Conflict(
        _HCC, "diagnosis", "REF_CONTRADICTED", _wrong(reference_route="imaging")
    ),
    "follow_up_progressed": Conflict(
        _FNH,
        "follow_up",
        "REF_CONTRADICTED",
        _wrong(conclusion="progressed", size_change_percent="85"),
    ),
    "stable_but_grown": Conflict(
        _FNH, "follow_up", "REF_CONTRADICTED", _wrong(size_change_percent="85")
    ),
    "imaged_after_death": Conflict(_FNH, "follow_up", "REF_CONTRADICTED", _died_first),
    "no_conclusion": Conflict(_FNH, "follow_up", "REF_UNPROVEN", _wrong(conclusion=None)),
    "lesion_unknown": Conflict(_HCC, "pathology", "CLIN_LESION_UNKNOWN", _wrong(lesion_no="2")),
    "lesion_twice": Conflict(
        _HCC, "diagnosis", "CLIN_DUPLICATE_KEY", _second_row(reference_class="FNH")
    ),
    "lesion_unnumbered": Conflict(
        _FNH, "diagnosis", "CLIN_KEY_MISSING", _second_row(lesion_no=None)
    ),
}


def as_entered(kind: str | None, form: str, rows: list[FormRow], *, mended: bool) -> list[FormRow]:
    """Return the rows of a form as the site enters them, whatever is true."""
    conflict = CONFLICTS[kind] if kind else None
    if conflict is None or conflict.form != form:
        return rows
    return conflict.edit(rows, mended)
