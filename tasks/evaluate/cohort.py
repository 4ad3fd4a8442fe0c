"""What a release says of its subjects, as far as the outcomes need it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

#: Readings for which the outcomes are estimated; the first is the one that is registered.
READINGS = ("literal", "combined_exam")
LITERAL = READINGS[0]
#: Criteria that ask for the reference standard: who fails only these was not verified.
_REFERENCE_CRITERIA = frozenset({"I5", "E3"})
UNKNOWN, SEVERAL = "unknown", "several"
TWICE = "one person stands under several subjects"
_MRI_ROLES = ("dce_mri", "eob_mri")
#: Edges of the classes of size, in mm; a lesion of 20 mm is of the class that begins there.
_SIZES = ((10.0, "<10 mm"), (20.0, "10-<20 mm"), (50.0, "20-<50 mm"), (float("inf"), ">=50 mm"))


@dataclass(frozen=True)
class Lesion:
    """A reference lesion; `malignant` is None where its label is not proven."""

    lesion_id: str
    accepted: bool
    malignant: bool | None
    reference_class: str
    diameter_mm: float | None

    @property
    def size(self) -> str:
        """The class of its diameter."""
        if self.diameter_mm is None:
            return UNKNOWN
        return next(name for limit, name in _SIZES if self.diameter_mm < limit)


@dataclass(frozen=True)
class Subject:
    """A subject of the release.

    `status` is the eligibility and `leaf` the place in the flow by reading; `unverified_only`
    whether every criterion but those of the reference standard holds, by reading.
    """

    subject_id: str
    site: str
    ascertainment: str
    role: str
    reference: str
    partially_verified: bool
    status: Mapping[str, str]
    unverified_only: Mapping[str, bool]
    maker: str
    field: str
    lesions: tuple[Lesion, ...]

    def is_eligible(self, reading: str) -> bool:
        """Whether the subject is in the analysis set of a reading."""
        return self.status.get(reading) == "eligible"

    @property
    def proven(self) -> bool | None:
        """Malignant, not malignant, or None while the reference is not settled."""
        return {"malignant": True, "benign": False}.get(self.reference)


@dataclass(frozen=True)
class Volume:
    """A volume of the release."""

    sha256: str
    subject_id: str
    study_uid: str


@dataclass(frozen=True)
class Cohort:
    """A release: its version, the hash of its sums, its subjects and volumes.

    `flow` holds the rows of `stard_flow` of the readings that are evaluated; `one_person` the
    groups of subjects that are one person, as the findings of the release say.
    """

    version: str
    sums_sha256: str
    subjects: Mapping[str, Subject]
    volumes: Mapping[str, Volume]
    flow: tuple[Mapping[str, object], ...]
    one_person: tuple[frozenset[str], ...] = ()


#: Rule of the finding that names the subjects of one person.
_ONE_PERSON = "ELIG_ONE_PERSON_SEVERAL_SUBJECTS"
#: Columns of the tables of a release that are read.
COLUMNS: dict[str, tuple[str, ...]] = {
    "subject": (
        *("subject_id", "site_code", "ascertainment", "analysis_role", "patient_reference"),
        "partially_verified",
    ),
    "eligibility": ("subject_id", "reading", "status", "all_failing", "all_undetermined"),
    "imaging_study": ("study_uid", "subject_id", "role", "manufacturer", "field_strength_t"),
    "nifti_volume": ("volume_id", "subject_id", "study_uid", "sha256"),
    "lesion": (
        *("lesion_id", "subject_id", "reference_accepted", "malignant", "reference_class"),
        "diameter_mm",
    ),
    "finding": ("rule_id", "object_id"),
    "stard_flow": (
        *("reading", "site_code", "node_id", "parent_id", "node_order", "label_en", "label_zh"),
        "n",
    ),
}


def read_cohort(version: str, sums_sha256: str, tables: Mapping[str, pa.Table]) -> Cohort:
    """Return the facts of a release from its tables (columns `COLUMNS`)."""
    rows = {name: table.to_pylist() for name, table in tables.items()}
    status: dict[str, dict[str, str]] = defaultdict(dict)
    unverified: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in rows["eligibility"]:
        if row["reading"] in READINGS:
            open_ones = {*(row["all_failing"] or ()), *(row["all_undetermined"] or ())}
            status[row["subject_id"]][row["reading"]] = row["status"]
            only = open_ones <= _REFERENCE_CRITERIA
            unverified[row["subject_id"]][row["reading"]] = only
    lesions: dict[str, list[Lesion]] = defaultdict(list)
    for row in rows["lesion"]:
        accepted = bool(row["reference_accepted"]) and row["malignant"] is not None
        lesions[row["subject_id"]].append(
            Lesion(
                row["lesion_id"],
                accepted,
                row["malignant"] if accepted else None,
                row["reference_class"],
                row["diameter_mm"],
            )
        )
    makers, fields = _machines(rows["imaging_study"])
    subjects = {
        key: Subject(
            subject_id=key,
            site=row["site_code"],
            ascertainment=row["ascertainment"] or UNKNOWN,
            role=row["analysis_role"],
            reference=row["patient_reference"],
            partially_verified=bool(row["partially_verified"]),
            status=status[key],
            unverified_only=unverified[key],
            maker=makers.get(key, UNKNOWN),
            field=fields.get(key, UNKNOWN),
            lesions=tuple(lesions[key]),
        )
        for row in rows["subject"]
        if (key := row["subject_id"])
    }
    volumes = {
        row["volume_id"]: Volume(row["sha256"], row["subject_id"], row["study_uid"])
        for row in rows["nifti_volume"]
    }
    flow = tuple(row for row in rows["stard_flow"] if row["reading"] in READINGS)
    one_person = tuple(
        frozenset(str(row["object_id"]).split("/"))
        for row in rows["finding"]
        if row["rule_id"] == _ONE_PERSON
    )
    return Cohort(version, sums_sha256, subjects, volumes, flow, one_person)


def counts_somebody_twice(cohort: Cohort, subjects: Iterable[str]) -> bool:
    """Return whether one person stands among them under several pseudonyms."""
    given = set(subjects)
    return any(len(group & given) > 1 for group in cohort.one_person)


def _machines(studies: list[dict[str, object]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the maker and the field strength of the baseline MRI of each subject."""
    makers: dict[str, set[str]] = defaultdict(set)
    fields: dict[str, set[str]] = defaultdict(set)
    for row in studies:
        if row["role"] in _MRI_ROLES:
            subject = str(row["subject_id"])
            if row["manufacturer"]:
                makers[subject].add(str(row["manufacturer"]))
            if isinstance(strength := row["field_strength_t"], float):
                fields[subject].add(f"{round(strength * 2) / 2:g} T")
    return _one_of(makers), _one_of(fields)


def _one_of(found: Mapping[str, set[str]]) -> dict[str, str]:
    return {key: min(values) if len(values) == 1 else SEVERAL for key, values in found.items()}
