"""The rules of the inspection, as people signed them: models, thresholds, views, marks, faces."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_signed, read_table

FOLDER = "inspection"
FILES = ("annotations.csv", "faces.csv", "models.csv", "thresholds.csv", "views.csv")
_ID_DIGITS = 16
#: What a plane may be made of, and how its values become brightness.
PLANES = frozenset(
    ["min", "mean", "max", "still", "up", "down", "first", "middle", "last", "sample"]
)
WINDOWS = frozenset({"local", "whole", "given"})
_FACE_TESTS = frozenset({"body_part", "length_mm", "head_sections"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Model:
    """A file of a package with weights, and the bytes that it must have."""

    part: str
    package: str
    file: str
    sha256: str


@dataclass(frozen=True)
class View:
    """A picture that is looked at: three planes `(source, window)`, turned by a quarter or not.

    With `close` it is looked at in parts, so that small letters of it are large. Where it is
    made, the view that it `replaces` is not.
    """

    name: str
    planes: tuple[tuple[str, str], ...]
    turned: bool
    close: bool
    frames_min: int
    replaces: str = ""


@dataclass(frozen=True)
class FaceRule:
    """When a field of view is taken to show a face."""

    rule: str
    modalities: frozenset[str]
    test: str
    value: str


@dataclass(frozen=True)
class InspectionRules:
    """All tables; `rules_id` names their bytes, so that no change of them goes unseen."""

    rules_id: str
    models: Mapping[str, Model]
    views: tuple[View, ...]
    annotations: tuple[re.Pattern[str], ...]
    faces: tuple[FaceRule, ...]
    thresholds: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        """Return a threshold."""
        return self.thresholds[name]


@lru_cache(maxsize=1)
def load_rules() -> InspectionRules:
    """Return the rules in force."""
    return read_rules(data_contracts_dir() / FOLDER)


def read_rules(folder: Path) -> InspectionRules:
    """Read the tables.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(name.encode() + b"\0" + read_signed(folder / name) + b"\0")
    models = read_table(folder / "models.csv", _MODELS, _model)
    limits = read_table(
        folder / "thresholds.csv", _THRESHOLDS, lambda row: (row["name"], float(row["value"]))
    )
    return InspectionRules(
        rules_id=digest.hexdigest()[:_ID_DIGITS],
        models={model.part: model for model in models},
        views=tuple(read_table(folder / "views.csv", _VIEWS, _view)),
        annotations=tuple(
            read_table(folder / "annotations.csv", _MARKS, lambda row: re.compile(row["pattern"]))
        ),
        faces=tuple(read_table(folder / "faces.csv", _FACES, _face)),
        thresholds=dict(limits),
    )


_SAID = ("reason", "source")
_MODELS = TableShape(("part", "package", "file", "sha256", *_SAID), key=("part",))
_THRESHOLDS = TableShape(("name", "value", *_SAID), key=("name",), stated=("value", *_SAID))
_VIEWS = TableShape(
    ("view", "planes", "turned_deg", "close", "frames_min", "replaces", *_SAID), key=("view",)
)
_MARKS = TableShape(("kind", "pattern", *_SAID), key=("pattern",), stated=("pattern", *_SAID))
_FACES = TableShape(("rule", "modality", "test", "value", *_SAID), key=("rule",))


def _model(row: Cells) -> Model:
    if _SHA256.fullmatch(row["sha256"]) is None:
        raise ValueError("sha256 is not 64 hex digits")
    return Model(row["part"], row["package"], row["file"], row["sha256"])


def _view(row: Cells) -> View:
    planes = tuple((source, window) for source, _, window in
                   (plane.partition(":") for plane in row["planes"].split()))  # fmt: skip
    if len(planes) != 3 or not {p for p, _ in planes} <= PLANES:
        raise ValueError(f"planes are three of {', '.join(sorted(PLANES))}, each with a window")
    if not {w for _, w in planes} <= WINDOWS:
        raise ValueError(f"a window is one of {', '.join(sorted(WINDOWS))}")
    if row["turned_deg"] not in ("0", "90"):
        raise ValueError("a view is turned by 0 or 90 degrees")
    if row["close"] not in ("0", "1"):
        raise ValueError("a view is close (1) or not (0)")
    turned, close = row["turned_deg"] == "90", row["close"] == "1"
    return View(row["view"], planes, turned, close, int(row["frames_min"]), row["replaces"])


def _face(row: Cells) -> FaceRule:
    if row["test"] not in _FACE_TESTS:
        raise ValueError(f"a test is one of {', '.join(sorted(_FACE_TESTS))}")
    return FaceRule(row["rule"], frozenset(row["modality"].split("|")), row["test"], row["value"])
