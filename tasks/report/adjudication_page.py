"""The pages on which blinded readers, and the chair, judge lesions of one site: pure.

They hold the site's own subject numbers, because the form that comes back does, so they lie in
the restricted zone and in no report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.adjudication import AdjudicationCase
from schemas.run.atomic_files import canonical_json
from schemas.tables.contracts import read_code_lists
from tasks.report import frame, payloads
from tasks.report.rating_windows import RatingWindow, rating_windows
from tasks.report.subject_view import SeriesView

READER, CHAIR = "reader", "chair"
#: Keys that choose a class, in the order of the list; `n`, `p`, `w`, `j` and `k` are taken.
_KEYS = "123456789abcd"
_NOT_A_CLASS = ("pending",)
_FICTITIOUS = "S9"


@dataclass(frozen=True)
class CaseView:
    """One case with the series that its page shows."""

    case: AdjudicationCase
    series: tuple[SeriesView, ...]
    windows: tuple[RatingWindow, ...]


def render_case_pages(
    site: str,
    cases: Sequence[AdjudicationCase],
    series_of: Mapping[str, Sequence[SeriesView]],
    state: Mapping[str, str],
) -> dict[str, bytes]:
    """Return the files of a site's folder but its pictures.

    Parameters
    ----------
    site : str
        Whose cases.
    cases : sequence of AdjudicationCase
        All that are due; those that only a chair settles are on the page of the chair too.
    series_of : mapping of subject_id to series
        What can be looked at, in reading order.
    state : mapping of str to str
        `run`, `release` and `report_sha256` of the report that the pictures are from.
    """
    files = {f"assets/{name}": frame.read_asset(name) for name in frame.CASE_ASSETS}
    files["data/ui.js"] = payloads.pack_ui()
    files[frame.RATER_STATE_SCRIPT] = (
        b"livercohort.takeState(" + canonical_json(dict(state)) + b");\n"
    )
    for role in (READER, CHAIR):
        views = [_view(one, series_of) for one in cases if role == READER or one.for_chair]
        if views:
            files[f"{role}.html"] = _page(site, role, views)
    return files


def pictures_of(series_of: Mapping[str, Sequence[SeriesView]]) -> tuple[str, ...]:
    """Return the names of the pictures that the pages show."""
    shown = (one.pictures for series in series_of.values() for one in series)
    return tuple(sorted({name for pictures in shown if pictures for name in pictures.sheets}))


def _view(case: AdjudicationCase, series_of: Mapping[str, Sequence[SeriesView]]) -> CaseView:
    series = tuple(series_of.get(case.subject_id, ()))
    # One window for both exams: sheets of CT and MR have their own grey scales.
    return CaseView(case, series, rating_windows("mri"))


def _page(site: str, role: str, views: Sequence[CaseView]) -> bytes:
    return frame.page(
        f"{role}",
        {"sites": {"fictitious": site.startswith(_FICTITIOUS)}},
        template="adjudicate",
        title={"site": site},
        scripts=("rating.js", "adjudicate.js"),
        state=frame.RATER_STATE_SCRIPT,
        site=site,
        role=role,
        views=views,
        classes=_classes(),
    )


def _classes() -> list[tuple[str, str, str, str]]:
    """Return key, code and both names of each class that a reader may find."""
    codes = [one for one in read_code_lists()["reference_class"] if one.code not in _NOT_A_CLASS]
    return [
        (key, one.code, one.label_en, one.label_zh) for key, one in zip(_KEYS, codes, strict=False)
    ]
