"""Everything that all sites send over all nights, planned; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import BadInputError
from tasks.simulate.deliveries import add_controls, add_forms, add_linkage
from tasks.simulate.exports import Export, plan_images
from tasks.simulate.faults import LATE_EDC_FORM, apply_faults, home_of, require_known
from tasks.simulate.hospitals import HOSPITALS, Hospital
from tasks.simulate.subjects import Subject, make_subjects
from tasks.simulate.truth import Row, eligibility_rows

MAX_SUBJECTS = 200


@dataclass(frozen=True)
class Request:
    """How much is asked for."""

    sites: int
    subjects: int
    nights: int
    seed: int
    faults: tuple[str, ...]
    full_exams: bool = False


@dataclass(frozen=True)
class PlannedNight:
    """One export and the true eligibility of its subjects once it is there."""

    export: Export
    eligibility: list[Row]


def require_possible(request: Request) -> None:
    """Refuse counts out of range and unknown faults.

    Raises
    ------
    BadInputError
        Naming the option and its range.
    """
    limits = {
        "sites": (request.sites, len(HOSPITALS)),
        "subjects": (request.subjects, MAX_SUBJECTS),
        "nights": (request.nights, 28),
    }
    for option, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise BadInputError(f"{value}", expected=f"1 to {most}", where=option)
    require_known(request.faults)


def plan_nights(request: Request) -> Iterator[PlannedNight]:
    """Yield every export: site by site, night by night."""
    for index, hospital in enumerate(HOSPITALS[: request.sites]):
        subjects = make_subjects(
            hospital, site_index=index, per_site=request.subjects, seed=request.seed
        )
        faults = tuple(f for f in request.faults if home_of(f, request.sites) == index)
        for night in range(1, request.nights + 1):
            yield _plan_night(hospital, subjects, night, request, faults)


def _plan_night(
    hospital: Hospital,
    subjects: list[Subject],
    night: int,
    request: Request,
    faults: tuple[str, ...],
) -> PlannedNight:
    late = LATE_EDC_FORM in faults
    export = plan_images(hospital, subjects, night, request.seed, full=request.full_exams)
    if night == 1:
        apply_faults(export, faults, request.seed)
    add_linkage(export)
    add_forms(export, late_pathology=late)
    add_controls(export)
    truth = [row for s in subjects for row in eligibility_rows(s, night, late_pathology=late)]
    return PlannedNight(export, truth)
