"""Index-test runs over a release, with known truth: what the system can do, drawn per subject.

The score of a subject is a normal deviate moved by what the system can do, so that the call at
the threshold 0.5 is right with exactly the planted probability. Lesions of one subject share a
part of their deviate: the planted correlation, on the latent scale.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import norm

from tasks.simulate.random_streams import stream

MODEL_VERSION = "2.1.0"
Row = Mapping[str, object]
Place = tuple[float, float, float]
#: What the role of a subject may be where the release has none yet.
_DEVELOPMENT_EVERY = 10
_BOX_MM, _APART_MM = 80.0, 45.0


@dataclass(frozen=True)
class Truth:
    """What was planted in a run."""

    sensitivity: float = 0.88
    specificity: float = 0.80
    detection: float = 0.85
    latent_icc: float = 0.3
    false_marks_per_subject: float = 0.5
    failed: float = 0.03
    indeterminate: float = 0.02
    seconds_median: float = 40.0


@dataclass(frozen=True)
class Target:
    """A subject of the release: reference, lesions as (id, malignant or None), volumes."""

    subject_id: str
    malignant: bool
    lesions: tuple[tuple[str, bool | None], ...]
    volumes: tuple[tuple[str, str], ...]


def targets(tables: Mapping[str, Sequence[Row]], roles: Mapping[str, str]) -> list[Target]:
    """Return the subjects of a release that serve in a validation and have volumes."""
    lesions: dict[str, list[tuple[str, bool | None]]] = {}
    for row in tables["lesion"]:
        malignant = row["malignant"] if row["reference_accepted"] else None
        known = None if malignant is None else bool(malignant)
        lesions.setdefault(str(row["subject_id"]), []).append((str(row["lesion_id"]), known))
    volumes: dict[str, list[tuple[str, str]]] = {}
    for row in tables["nifti_volume"]:
        pair = (str(row["volume_id"]), str(row["sha256"]))
        volumes.setdefault(str(row["subject_id"]), []).append(pair)
    return [
        Target(
            key,
            row["patient_reference"] == "malignant",
            tuple(sorted(lesions.get(key, []))),
            tuple(sorted(volumes[key])),
        )
        for row in tables["subject"]
        if (key := str(row["subject_id"])) in volumes and roles.get(key, "").endswith("validation")
    ]


def propose_roles(subjects: Sequence[Row]) -> dict[str, str]:
    """Return a role for every subject; those the release has stay."""
    roles = {}
    for number, row in enumerate(sorted(subjects, key=lambda one: str(one["subject_id"]))):
        may_validate = (
            row["ascertainment"] == "prospective" and row["prior_training_exposure"] == "no"
        )
        role = "phase1_validation" if may_validate else "phase2_validation"
        if number % _DEVELOPMENT_EVERY == _DEVELOPMENT_EVERY - 1:
            role = "phase2_development"
        given = str(row["analysis_role"])
        roles[str(row["subject_id"])] = role if given == "not_assigned" else given
    return roles


def lesion_places(people: Sequence[Target], seed: int) -> dict[str, Place]:
    """Return where each lesion lies: LPS, mm, lesions of one subject well apart."""
    places: dict[str, Place] = {}
    for person in people:
        draw = stream(seed, "places", person.subject_id)
        found: list[np.ndarray] = []
        for lesion, _ in person.lesions:
            place = draw.uniform(-_BOX_MM, _BOX_MM, 3)
            while any(np.linalg.norm(place - other) < _APART_MM for other in found):
                place = draw.uniform(-_BOX_MM, _BOX_MM, 3)
            found.append(place)
            places[lesion] = (float(place[0]), float(place[1]), float(place[2]))
    return places


def run_files(
    people: Sequence[Target],
    places: Mapping[str, Place],
    truth: Truth,
    release: str,
    seed: int,
    started_at: str,
) -> dict[str, bytes]:
    """Return the files of a run: `run.json`, `patients.csv`, `lesions.csv`."""
    document = {
        "model_name": "SimulatedLiverAI",
        "model_version": MODEL_VERSION,
        "weights_sha256": f"{seed % 16:x}" * 64,
        "container_digest": "sha256:" + "c" * 64,
        "threshold": 0.5,
        "threshold_prespecified": True,
        "release": release,
        "started_at": started_at,
        "inputs": [{"volume_id": v, "sha256": s} for one in people for v, s in one.volumes],
    }
    patients, lesions = [], []
    for person in people:
        row, marks = _one_subject(person, places, truth, seed)
        patients.append(row)
        lesions += marks
    return {
        "run.json": (json.dumps(document, indent=2) + "\n").encode(),
        "patients.csv": to_csv(patients, _PATIENT),
        "lesions.csv": to_csv(lesions, _LESION),
    }


_PATIENT = ("subject_id", "run_status", "patient_score", "patient_call", "inference_seconds")
_LESION = (
    *("subject_id", "pred_lesion_no", "centroid_lps_x_mm", "centroid_lps_y_mm"),
    *("centroid_lps_z_mm", "volume_mm3", "score", "HCC", "haemangioma"),
)


def _one_subject(
    person: Target, places: Mapping[str, Place], truth: Truth, seed: int
) -> tuple[Row, list[Row]]:
    draw = stream(seed, "index", person.subject_id)
    shared = draw.normal()
    seconds = truth.seconds_median * float(np.exp(0.3 * draw.normal()))
    head = {"subject_id": person.subject_id, "inference_seconds": f"{seconds:.2f}"}
    fate = draw.random()
    if fate < truth.failed:
        empty = {"patient_score": "", "patient_call": "no_result", "inference_seconds": ""}
        return {**head, **empty, "run_status": "failed"}, []
    aim = truth.sensitivity if person.malignant else 1 - truth.specificity
    deviate = norm.ppf(aim) + draw.normal()
    score = min(max(float(norm.cdf(deviate)), 1e-6), 1 - 1e-6)
    call = "positive" if deviate >= 0 else "negative"
    if fate < truth.failed + truth.indeterminate:
        call = "indeterminate"
    row = {**head, "run_status": "ok", "patient_score": f"{score:.6f}", "patient_call": call}
    return row, _marks(person, places, truth, draw, shared)


def _marks(
    person: Target,
    places: Mapping[str, Place],
    truth: Truth,
    draw: np.random.Generator,
    shared: float,
) -> list[Row]:
    marks: list[Row] = []
    for lesion, malignant in person.lesions:
        own = np.sqrt(truth.latent_icc) * shared + np.sqrt(1 - truth.latent_icc) * draw.normal()
        if own > norm.ppf(truth.detection):
            continue
        aim = truth.sensitivity if malignant else 1 - truth.specificity
        place = np.array(places[lesion]) + draw.uniform(-4, 4, 3)
        marks.append(_mark(person, len(marks) + 1, place, norm.ppf(aim) + draw.normal()))
    for _ in range(draw.poisson(truth.false_marks_per_subject)):
        place = draw.uniform(-_BOX_MM, _BOX_MM, 3) + 400.0
        marks.append(_mark(person, len(marks) + 1, place, draw.normal() - 0.5))
    return marks


def _mark(person: Target, number: int, place: np.ndarray, deviate: float) -> Row:
    score = float(np.clip(norm.cdf(deviate), 1e-6, 1 - 1e-6))
    return {
        "subject_id": person.subject_id,
        "pred_lesion_no": number,
        **{f"centroid_lps_{axis}_mm": f"{v:.2f}" for axis, v in zip("xyz", place, strict=True)},
        "volume_mm3": "",
        "score": f"{score:.6f}",
        "HCC": f"{score:.6f}",
        "haemangioma": f"{1 - score:.6f}",
    }


def roles_csv(roles: Mapping[str, str], day: str) -> bytes:
    """Return a file of analysis roles as `restricted/analysis_roles.csv` has it."""
    rows = [
        {
            "subject_id": subject,
            "analysis_role": role,
            "model_version": MODEL_VERSION,
            "assigned_by": "Simulator",
            "assigned_on": day,
            "document": "simulated",
        }
        for subject, role in sorted(roles.items())
    ]
    columns = (
        *("subject_id", "analysis_role", "model_version", "assigned_by", "assigned_on"),
        "document",
    )
    return to_csv(rows, columns)


def reference_csv(people: Sequence[Target], places: Mapping[str, Place]) -> bytes:
    """Return `reference_lesions.csv`."""
    rows = [
        {
            "lesion_id": lesion,
            "subject_id": person.subject_id,
            **{f"centroid_lps_{a}_mm": v for a, v in zip("xyz", places[lesion], strict=True)},
        }
        for person in people
        for lesion, _ in person.lesions
    ]
    axes = tuple(f"centroid_lps_{axis}_mm" for axis in "xyz")
    return to_csv(rows, ("lesion_id", "subject_id", *axes))


def truth_json(truth: object) -> bytes:
    """Return what was planted, as JSON."""
    return (json.dumps(asdict(truth), indent=2) + "\n").encode()  # type: ignore[call-overload]


def to_csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """Return rows as CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
