"""Whether a run may be taken in: against the release, the roles, and itself. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from schemas.analysis_roles import RoleRow
from schemas.hospital_day import hospital_day
from tasks.evaluate.cohort import LITERAL, TWICE, Cohort, counts_somebody_twice
from tasks.evaluate.problems import Problem, require_none
from tasks.evaluate.run_files import LESIONS, PATIENTS, RUN, RunDocument, RunFiles

_DEVELOPMENT = "phase2_development"
NOT_PRESPECIFIED = "the threshold was not prespecified"
SAME_DAY = "roles were frozen on the day the run started: the order is not known"
OTHER_THRESHOLD = "calls that do not follow from the scores and the threshold"
Roles = Mapping[str, RoleRow]


def admit_run(run: RunFiles, cohort: Cohort, roles: Roles) -> tuple[str, ...]:
    """Return why a run is exploratory, () when nothing makes it so.

    Parameters
    ----------
    run : RunFiles
        The run as delivered.
    cohort : Cohort
        The release it names.
    roles : mapping
        The signed file of analysis roles.

    Raises
    ------
    RefusedError
        With every reason to keep it out, by file and line.
    """
    problems = [
        *_inputs(run.document, cohort),
        *_rows(run, cohort),
        *_roles(run, cohort, roles),
    ]
    require_none(problems)
    reasons = []
    if not run.document.threshold_prespecified:
        reasons.append(NOT_PRESPECIFIED)
    frozen = _frozen_on(roles, (row.subject_id for row in run.patients))
    if frozen == hospital_day(run.document.started_at):
        reasons.append(SAME_DAY)
    if any(_contradicts(row.call, row.score, run.document.threshold) for row in run.patients):
        reasons.append(OTHER_THRESHOLD)
    if counts_somebody_twice(cohort, (row.subject_id for row in run.patients)):
        reasons.append(TWICE)
    return tuple(reasons)


def scored_subjects(document: RunDocument, cohort: Cohort) -> set[str]:
    """Return whose volumes the run read."""
    known = (cohort.volumes.get(one.volume_id) for one in document.inputs)
    return {volume.subject_id for volume in known if volume is not None}


def _inputs(document: RunDocument, cohort: Cohort) -> Iterable[Problem]:
    if document.version != cohort.version:
        yield Problem(f"{RUN}: release", f"release {document.version}", cohort.version)
    seen: set[str] = set()
    for number, one in enumerate(document.inputs):
        where, volume = f"{RUN}: inputs.{number}", cohort.volumes.get(one.volume_id)
        if volume is None:
            yield Problem(where, "a volume that the release does not have", cohort.version)
        elif volume.sha256 != one.sha256:
            yield Problem(where, f"input hash {one.sha256[:12]} not of the release", volume.sha256)
        if one.volume_id in seen:
            yield Problem(where, "a volume that stands twice")
        seen.add(one.volume_id)


def _rows(run: RunFiles, cohort: Cohort) -> Iterable[Problem]:
    scored = scored_subjects(run.document, cohort)
    rows = {row.subject_id: row for row in run.patients}
    for row in run.patients:
        where = f"{PATIENTS}:{row.line}"
        if row.subject_id not in cohort.subjects:
            yield Problem(where, "a subject that the release does not have")
        elif row.run_status == "ok" and row.subject_id not in scored:
            yield Problem(where, "a result without any input of the subject in run.json")
    for lesion in run.lesions:
        owner = rows.get(lesion.subject_id)
        where = f"{LESIONS}:{lesion.line}"
        if owner is None:
            yield Problem(where, f"a lesion of a subject without a row in {PATIENTS}")
        elif owner.run_status != "ok":
            yield Problem(where, f"a lesion of a subject whose test is {owner.run_status}")


def _roles(run: RunFiles, cohort: Cohort, roles: Roles) -> Iterable[Problem]:
    version, started = run.document.model_version, hospital_day(run.document.started_at)
    rows = {row.subject_id: row for row in run.patients}
    lines = {key: f"{PATIENTS}:{row.line}" for key, row in rows.items()}
    for subject in sorted(scored_subjects(run.document, cohort) - rows.keys()):
        lines[subject] = f"{PATIENTS}: no row of {subject}"
        yield Problem(
            lines[subject], "a subject without a row", "failed or rejected_input at least"
        )
    for subject in sorted(_expected(cohort, roles, version) - lines.keys()):
        where = f"{PATIENTS}: no row of {subject}"
        yield Problem(where, "a subject without a row", "a row of everybody this model is to score")
    for subject, where in lines.items():
        found = cohort.subjects.get(subject)
        role = roles.get(subject)
        if found is None:
            continue
        if role is None:
            yield Problem(where, "a subject without a role", "roles frozen before the run")
        elif role.analysis_role == _DEVELOPMENT:
            yield Problem(where, f"role {_DEVELOPMENT}", "a role for validation")
        elif role.model_version != version:
            told = f"a role frozen for model version {role.model_version}"
            yield Problem(where, told, version)
        elif found.role != role.analysis_role:
            told = f"role {found.role} in the release, {role.analysis_role} in the file of roles"
            yield Problem(where, told, "the same: a role is never changed")
        elif dt.date.fromisoformat(role.assigned_on) > started:
            told = f"a run started on {started}, before the role was frozen"
            yield Problem(f"{RUN}: started_at; {where}", told, f"after {role.assigned_on}")


def _expected(cohort: Cohort, roles: Roles, version: str) -> set[str]:
    """Return the eligible subjects that this model version is to score."""
    return {
        key
        for key, role in roles.items()
        if key in cohort.subjects
        and cohort.subjects[key].is_eligible(LITERAL)
        and cohort.subjects[key].role == role.analysis_role != _DEVELOPMENT
        and role.model_version == version
    }


def _frozen_on(roles: Roles, subjects: Iterable[str]) -> dt.date | None:
    days = [dt.date.fromisoformat(roles[key].assigned_on) for key in subjects if key in roles]
    return max(days, default=None)


def _contradicts(call: str, score: float | None, threshold: float) -> bool:
    if score is None or score == threshold:
        return False
    return call == ("negative" if score > threshold else "positive")
