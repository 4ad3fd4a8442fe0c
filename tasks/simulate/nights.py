"""Everything that all sites send over all nights, planned; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import BadInputError
from tasks.simulate.deliveries import add_controls, add_forms, add_linkage
from tasks.simulate.exports import Export, accepted_uids, plan_images
from tasks.simulate.faults.apply import (
    apply_form_faults,
    apply_image_faults,
    home_of,
    require_known,
)
from tasks.simulate.faults.form_faults import delivery_of
from tasks.simulate.faults.story_faults import change_of
from tasks.simulate.load_sites import LOAD_HOSPITALS
from tasks.simulate.people.hospitals import HOSPITALS, Hospital
from tasks.simulate.people.subjects import Subject, make_subjects
from tasks.simulate.truth import Row, eligibility_rows

_MOVED = "registered_earlier"

MAX_SUBJECTS = 500


@dataclass(frozen=True)
class Request:
    """How much is asked for."""

    sites: int
    subjects: int
    nights: int
    seed: int
    faults: tuple[str, ...]
    full_exams: bool = False
    scale: bool = False

    @property
    def hospitals(self) -> tuple[Hospital, ...]:
        """The sites that send: fictitious hospitals, or those made for load tests."""
        return (LOAD_HOSPITALS if self.scale else HOSPITALS)[: self.sites]


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
        "sites": (request.sites, len(LOAD_HOSPITALS if request.scale else HOSPITALS)),
        "subjects": (request.subjects, MAX_SUBJECTS),
        "nights": (request.nights, 28),
    }
    for option, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise BadInputError(f"{value}", expected=f"1 to {most}", where=option)
    require_known(request.faults, request.nights)


def plan_nights(request: Request) -> Iterator[PlannedNight]:
    """Yield every export: site by site, night by night."""
    for index in range(len(request.hospitals)):
        yield from plan_site(request, index)


def plan_site(request: Request, index: int) -> Iterator[PlannedNight]:
    """Yield the exports of one site, night by night; no site depends on another."""
    hospital, faults = request.hospitals[index], _faults_of(request, index)
    subjects = _subjects_of(request, index)
    before: Export | None = None
    for night in range(1, request.nights + 1):
        planned = _plan_night(hospital, subjects, night, request, faults, before)
        before = planned.export
        yield planned


def export_names(request: Request) -> Iterator[tuple[int, str, str]]:
    """Yield night, site and name of every export, before anything of it is made."""
    for index, hospital in enumerate(request.hospitals):
        subjects = _subjects_of(request, index)
        for night in range(1, request.nights + 1):
            yield night, hospital.code, Export(hospital, night, subjects).file_name


def _faults_of(request: Request, index: int) -> tuple[str, ...]:
    return tuple(f for f in request.faults if home_of(f, request.sites) == index)


def _subjects_of(request: Request, index: int) -> list[Subject]:
    return make_subjects(
        request.hospitals[index],
        site_index=index,
        per_site=request.subjects,
        seed=request.seed,
        change=change_of(_faults_of(request, index), request.subjects),
    )


def _plan_night(
    hospital: Hospital,
    subjects: list[Subject],
    night: int,
    request: Request,
    faults: tuple[str, ...],
    before: Export | None,
) -> PlannedNight:
    forms = delivery_of(hospital.code, faults)
    late = forms.late_pathology
    export = plan_images(
        hospital, subjects, night, request.seed, full=request.full_exams, small=request.scale
    )
    if before is not None:
        export.moved = before.moved
        export.earlier = before.earlier | accepted_uids(before)
        export.earlier_labels = (*before.earlier_labels, *before.labels)
    apply_image_faults(export, faults, request.seed)
    add_linkage(export)
    add_forms(export, forms)
    apply_form_faults(export, faults, request.seed)
    add_controls(export)
    export.moved |= {str(row["subject_no"]) for row in export.faults if row["fault"] == _MOVED}
    truth = [
        row
        for s in subjects
        for row in eligibility_rows(
            s, night, late_pathology=late, registered_earlier=s.subject_no in export.moved
        )
    ]
    return PlannedNight(export, truth)
