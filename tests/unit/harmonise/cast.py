"""The casts of exams: rows of two tables of `tests/golden` as instances, and their truth.

`cast_of_exams.csv` grew with the rules. `cast_from_literature.csv` was written from protocols,
guidelines and the names of vendors, and put on record before any rule was run on it. The first
label of its `truth` is what the series shows; the others are allowed, `UNCLASSIFIED` where the
header cannot tell.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.dicom.features import InstanceFeatures, read_features
from tests.builders import make_series
from tests.unit.harmonise.exams import INJECTION_S, clock

_FOLDER = Path(__file__).parents[2] / "golden"
CASTS = ("cast_of_exams.csv", "cast_from_literature.csv")
_SPACING_MM = 5.0


@dataclass(frozen=True)
class Part:
    """One series of an exam: its instances, the labels that are right, whether it fills a slot.

    `times` series of one description are passes `every` seconds apart.
    """

    exam: str
    name: str
    instances: tuple[InstanceFeatures, ...]
    right: frozenset[str]
    truth: str
    fills_slot: bool | None


def exams_of(name: str = CASTS[0]) -> list[str]:
    """Return the names of the exams, in the order of the file."""
    return list(dict.fromkeys(row["exam"] for row in _rows(name)))


@cache
def read_cast(name: str = CASTS[0]) -> dict[str, list[Part]]:
    """Return the parts of each exam, in the order of the file."""
    exams: dict[str, list[Part]] = defaultdict(list)
    for row in _rows(name):
        exams[row["exam"]].append(_part(row, len(exams)))
    return exams


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _part(row: dict[str, str], study: int) -> Part:
    elements = _elements(row["elements"])
    every = float(elements.pop("every", 0.0))
    instances = []
    for number in range(int(row["times"])):
        at_s = float(row["at_s"]) + every * number if row["at_s"] else None
        instances += _series(row, study, number, at_s, elements)
    return Part(
        exam=row["exam"],
        name=row["description"],
        instances=tuple(instances),
        right=frozenset(row["truth"].split("|")),
        truth=row["truth"].split("|")[0],
        fills_slot={"yes": True, "no": False}.get(row["fills_slot"]),
    )


def _series(
    row: dict[str, str], study: int, number: int, at_s: float | None, elements: dict[str, Any]
) -> list[InstanceFeatures]:
    stamp = {"AcquisitionTime": None if at_s is None else clock(INJECTION_S + at_s)}
    slices = make_series(
        study=study + 1,
        series=int(row["series"]) * 100 + number,
        modality=row["modality"],
        n_slices=4,
        SeriesDescription=row["description"],
        **({"SliceThickness": 5.0} | stamp | elements),
    )
    for k, header in enumerate(slices):
        header.ImagePositionPatient = [-25.0, -20.0, float(row["from_mm"]) + _SPACING_MM * k]
    return [read_features(header, subject_id=f"S91-{study:08d}") for header in slices]


def _elements(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in filter(None, text.split(";")):
        keyword, _, value = entry.partition("=")
        parts = value.split("\\")
        found[keyword] = parts if len(parts) > 1 else value
        if keyword == "DiffusionBValue":
            found[keyword] = float(value)
        if value.startswith("@"):
            found[keyword] = clock(INJECTION_S + float(value[1:]))
    return found
