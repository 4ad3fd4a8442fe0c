"""Studies in the review queue: whose role or agent evidence leaves open, and what is decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

from schemas.errors import BadInputError, ContractError
from schemas.records import SeriesLabel, StudyRole
from tasks.harmonise.review import QUEUE_COLUMNS
from tasks.harmonise.study_overrides import REVIEW_ROLES, StudyOverride, make_study_override

_PREFIX, _AGENT = "study/", "agent="
_OPEN = ("ROLE-AGENT", "AGENT-EDC", "ROLE-TIE", "ROLE-NO-DATE")


def study_queue(
    studies: Iterable[StudyRole], series: Iterable[SeriesLabel]
) -> list[dict[str, object]]:
    """Return one row for each study whose role or agent a person should decide.

    Parameters
    ----------
    studies : iterable of StudyRole
        Those whose evidence is a conflict, an agent nobody named, or the EDC alone are shown.
    series : iterable of SeriesLabel
        Their series, which are counted.
    """
    count = Counter(label.study_uid for label in series)
    rows = []
    for study in studies:
        if study.modality not in ("CT", "MR") or not any(
            e.startswith(_OPEN) for e in study.role_evidence
        ):
            continue
        values = {
            "site": (study.subject_id or "").partition("-")[0],
            "modality": study.modality,
            "vendor": study.manufacturer or "",
            "words": "",
            "label": study.role,
            "tier": study.contrast_agent_class,
            "n_series": count[study.study_uid],
            "candidates": "|".join(REVIEW_ROLES),
            "missing": "contrast agent" if study.contrast_agent_class == "unknown" else "",
            "evidence": "|".join(study.role_evidence),
            "sub_stacks": f"{_PREFIX}{study.study_uid}",
        }
        rows.append({column: values.get(column, "") for column in QUEUE_COLUMNS})
    return sorted(rows, key=lambda row: (str(row["site"]), str(row["sub_stacks"])))


def is_about_study(row: Mapping[str, str]) -> bool:
    """Return whether a row of the queue is about a study."""
    return (row.get("sub_stacks") or "").startswith(_PREFIX)


def read_study_decisions(
    rows: Iterable[tuple[int, Mapping[str, str]]],
    file_name: str,
    *,
    known: Iterable[str],
    standing: Mapping[str, StudyOverride],
    today: date,
) -> list[StudyOverride]:
    """Return the decisions of the rows about studies: a role, `agent=CLASS`, or both.

    Raises
    ------
    BadInputError
        If a row cannot be used: about a study that there is not, of another day than one gone
        by, against a later decision, or without author, date, reason; names file and line.
    """
    there = frozenset(known)
    found: dict[str, StudyOverride] = {}
    for line, row in rows:
        where = f"{file_name}:{line}"
        if not (row.get("decision") or "").strip():
            continue
        override = _read(row, where)
        if override.study_uid not in there:
            raise BadInputError("a study that is not there, or not any more", where=where)
        if override.day > today.isoformat():
            raise BadInputError(
                f"the date {override.day}", expected=f"{today} or earlier", where=where
            )
        earlier = standing.get(override.study_uid)
        if earlier is not None and override.day < earlier.day:
            raise BadInputError(
                f"a decision of {override.day} about a study decided on {earlier.day}",
                expected="the same day or later",
                where=where,
            )
        if found.setdefault(override.study_uid, override) != override:
            raise BadInputError("two decisions about one study", where=where)
    return list(found.values())


def _read(row: Mapping[str, str], where: str) -> StudyOverride:
    words = row["decision"].split()
    agents = [word.removeprefix(_AGENT) for word in words if word.startswith(_AGENT)]
    roles = [word for word in words if not word.startswith(_AGENT)]
    if len(agents) > 1 or len(roles) > 1:
        raise BadInputError(
            "a decision of several roles or agents",
            expected="ROLE, agent=CLASS or both",
            where=where,
        )
    values = {
        **row,
        "study_uid": row["sub_stacks"].removeprefix(_PREFIX),
        "role": roles[0] if roles else "",
        "agent_class": agents[0] if agents else "",
    }
    try:
        return make_study_override(values, where)
    except ContractError as error:
        raise BadInputError(error.message) from None
