"""The files of an index-test run: `run.json`, `patients.csv`, `lesions.csv`. Pure."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import ContractError
from schemas.hospital_day import hospital_moment
from schemas.rule_tables import Cells, TableShape, parse_table, signed_text, why
from schemas.tables.contracts import read_code_lists
from tasks.evaluate.problems import Problem, problems_told, require_none

RUN, PATIENTS, LESIONS = "run.json", "patients.csv", "lesions.csv"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATIENT_COLUMNS = (
    *("subject_id", "run_status", "patient_score", "patient_call", "inference_seconds"),
)
_LESION_COLUMNS = (
    *("subject_id", "pred_lesion_no", "centroid_lps_x_mm", "centroid_lps_y_mm"),
    *("centroid_lps_z_mm", "volume_mm3", "score"),
)
_MASK = "mask"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SUM_TOLERANCE = 1e-3
_FURTHEST_MM = 3_000.0
CALLS = ("positive", "negative", "indeterminate", "no_result")
DONE = "ok"
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


#: A short text on one line that a page can show.
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Input(_Model):
    """A volume that the system read."""

    volume_id: str = Field(min_length=1)
    sha256: Digest


class RunDocument(_Model):
    """What `run.json` says."""

    model_name: Words
    model_version: Words
    weights_sha256: Digest
    container_digest: Words
    threshold: float = Field(ge=0, le=1, strict=True)
    threshold_prespecified: bool = Field(strict=True)
    release: str = Field(min_length=1)
    started_at: dt.datetime
    finished_at: dt.datetime | None = None
    inputs: tuple[Input, ...]

    @model_validator(mode="after")
    def _require_order(self) -> RunDocument:
        if self.finished_at is not None and hospital_moment(self.finished_at) < hospital_moment(
            self.started_at
        ):
            raise ValueError("finished_at is before started_at")
        return self

    @property
    def version(self) -> str:
        """The release without its prefix."""
        return self.release.removeprefix("livercohort:")


@dataclass(frozen=True)
class PatientRow:
    """A line of `patients.csv`."""

    line: int
    subject_id: str
    run_status: Literal["ok", "failed", "rejected_input"]
    score: float | None
    call: str
    seconds: float | None


@dataclass(frozen=True)
class LesionRow:
    """A line of `lesions.csv`; centroid in LPS, mm; `mask` a path inside the run, or empty."""

    line: int
    subject_id: str
    number: int
    centroid: tuple[float, float, float]
    volume_mm3: float | None
    score: float
    probabilities: Mapping[str, float]
    mask: str


@dataclass(frozen=True)
class RunFiles:
    """A run as it was delivered, each file well formed in itself.

    `lesions_given` is False without `lesions.csv`: then nobody knows what was found, which is not
    the same as nothing.
    """

    name: str
    document: RunDocument
    patients: tuple[PatientRow, ...]
    lesions: tuple[LesionRow, ...]
    lesions_given: bool


def parse_run(name: str, files: Mapping[str, bytes]) -> RunFiles:
    """Return a run from its files.

    Parameters
    ----------
    name : str
        Name of its folder.
    files : mapping of str to bytes
        `run.json`, `patients.csv` and, where there are lesions, `lesions.csv`.

    Raises
    ------
    RefusedError
        With every problem of every file, by name and line.
    """
    problems: list[Problem] = require_name(name)
    document = attempt(lambda: parse_json(files, RUN, RunDocument), problems)
    patients = attempt(lambda: _patients(files), problems)
    lesions = attempt(lambda: _lesions(files), problems)
    require_none(problems)
    assert document is not None
    given = LESIONS in files
    return RunFiles(name, document, tuple(patients or ()), tuple(lesions or ()), given)


def require_name(name: str) -> list[Problem]:
    """Return a problem when a name cannot be that of an evaluation."""
    if _NAME.fullmatch(name):
        return []
    expected = "letters, digits, `.`, `_` and `-`, at most 64"
    return [Problem("the folder", "a name that cannot be that of an evaluation", expected)]


def attempt(read: Callable[[], T], problems: list[Problem]) -> T | None:
    """Return what `read` returns; None, and its problems added, when it refuses."""
    try:
        return read()
    except ContractError as error:
        problems += problems_told(error)
        return None


def parse_json(files: Mapping[str, bytes], name: str, model: type[M]) -> M:
    """Return a JSON document as a model, refused by file and place in it."""
    try:
        value = json.loads(
            _bytes(files, name), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except _UnclearJsonError as error:
        raise ContractError(str(error), where=name) from None
    except (ValueError, RecursionError):
        raise ContractError("not JSON in UTF-8", where=name) from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ContractError(why(error), where=name) from None


class _UnclearJsonError(ValueError):
    """JSON of which two programs would read different things."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _UnclearJsonError("a key that stands twice: nobody can tell which value counts")
    return dict(pairs)


def _no_constant(_text: str) -> object:
    raise _UnclearJsonError("NaN or Infinity, which is no JSON")


def parse_rows(
    files: Mapping[str, bytes],
    name: str,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    build: Callable[[Cells, int], T],
    *,
    optional: Callable[[str], bool] = lambda _name: False,
    may_be_empty: bool = False,
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> list[T]:
    """Return the rows of a CSV file whose columns stand in any order.

    Parameters
    ----------
    files : mapping of str to bytes
        The delivered files.
    name : str
        Which of them.
    columns : tuple of str
        Columns that must be there.
    key : tuple of str
        Columns in which no two rows are alike.
    build : callable
        Makes a row from its cells and its line number; refuses by ValueError.
    optional : callable
        Whether another column may be there.
    may_be_empty : bool
        Whether the file may have no rows.
    aliases : mapping of str to str
        Other names of columns.
    """
    text = signed_text(_bytes(files, name), name)
    head, *body = text.split("\n")
    found = (cell.strip() for cell in next(csv.reader([head]), []))
    header = tuple(aliases.get(column, column) for column in found)
    lacking = [column for column in columns if column not in header]
    strange = [c for c in header if c not in columns and not optional(c)]
    if lacking or strange or len(set(header)) != len(header):
        told = [f"without {', '.join(lacking)}"] if lacking else []
        told += [f"with {len(strange)} that are not known"] if strange else []
        raise ContractError(
            f"other columns: {' and '.join(told) or 'one stands twice'}",
            expected=",".join(columns),
            where=f"{name}:1",
        )
    numbered = [f"{line},{n}" if line.strip() else "" for n, line in enumerate(body, start=2)]
    shape = TableShape((*header, _LINE), key=key, stated=key, may_be_empty=may_be_empty)
    whole_text = "\n".join([",".join((*header, _LINE)), *numbered]) + "\n"
    return parse_table(whole_text, name, shape, lambda cells: build(cells, int(cells.pop(_LINE))))


#: A column of our own beside those of the file: the line a row stands on.
_LINE = "line of the file"


def _bytes(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise ContractError("there is no such file", where=name)
    return files[name]


def _patients(files: Mapping[str, bytes]) -> list[PatientRow]:
    return parse_rows(files, PATIENTS, _PATIENT_COLUMNS, ("subject_id",), _patient)


def _patient(cells: Cells, line: int) -> PatientRow:
    status, call = cells["run_status"], cells["patient_call"]
    if status not in (DONE, "failed", "rejected_input"):
        raise ValueError("run_status is ok, failed or rejected_input")
    if call not in CALLS:
        raise ValueError(f"patient_call is one of {', '.join(CALLS)}")
    if status != DONE and call != "no_result":
        raise ValueError("a test that was not done has the call no_result")
    score = optional_number(cells["patient_score"], "patient_score", 0, 1)
    if score is not None and call == "no_result":
        raise ValueError("patient_score beside no_result: without a result there is no score")
    seconds = optional_number(cells["inference_seconds"], "inference_seconds", 0, None)
    return PatientRow(line, cells["subject_id"], status, score, call, seconds)  # type: ignore[arg-type]


def _lesions(files: Mapping[str, bytes]) -> list[LesionRow]:
    if LESIONS not in files:
        return []
    classes = {code.code: code.code for code in read_code_lists()["reference_class"]}
    classes |= {f"p_{code}": code for code in classes} | {f"prob_{code}": code for code in classes}

    def lesion(cells: Cells, line: int) -> LesionRow:
        return _lesion(cells, line, classes)

    key = ("subject_id", "pred_lesion_no")
    known = {*classes, _MASK}
    return parse_rows(
        files,
        LESIONS,
        _LESION_COLUMNS,
        key,
        lesion,
        optional=known.__contains__,
        may_be_empty=True,
    )


def _lesion(cells: Cells, line: int, classes: Mapping[str, str]) -> LesionRow:
    probabilities = {
        classes[name]: number(value, name, 0, 1)
        for name, value in cells.items()
        if name in classes and value
    }
    if sum(probabilities.values()) > 1 + _SUM_TOLERANCE:
        raise ValueError("class probabilities that sum to more than 1")
    return LesionRow(
        line,
        cells["subject_id"],
        whole(cells["pred_lesion_no"], "pred_lesion_no", 1),
        point(cells, ("centroid_lps_x_mm", "centroid_lps_y_mm", "centroid_lps_z_mm")),
        optional_number(cells["volume_mm3"], "volume_mm3", 0, None),
        number(cells["score"], "score", 0, 1),
        probabilities,
        cells.get(_MASK, ""),
    )


def number(text: str, name: str, low: float | None, high: float | None) -> float:
    """Return a finite number within limits, or refuse it by the name of its column."""
    if not _NUMBER.fullmatch(text):  # float() also reads 1_0 and digits of other scripts
        raise ValueError(f"{name} is no number")
    value = float(text)
    inside = (low is None or value >= low) and (high is None or value <= high)
    if not inside or value in (float("inf"), float("-inf")) or value != value:
        raise ValueError(f"{name} is out of range ({low} to {'any' if high is None else high})")
    return value


def optional_number(text: str, name: str, low: float | None, high: float | None) -> float | None:
    """Return a number, None where the cell is empty."""
    return number(text, name, low, high) if text else None


def whole(text: str, name: str, least: int) -> int:
    """Return a whole number of at least `least`."""
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < least:
        raise ValueError(f"{name} is no whole number from {least}")
    return int(text)


def code(text: str, name: str) -> str:
    """Return a code of a person or session; a name would identify somebody."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", text):
        raise ValueError(f"{name} is no code of letters, digits, `_` and `-`")
    return text


def point(cells: Cells, names: tuple[str, str, str]) -> tuple[float, float, float]:
    """Return a point in LPS, mm; no scanner reaches further, so the rest are codes for none."""
    x, y, z = (number(cells[name], name, -_FURTHEST_MM, _FURTHEST_MM) for name in names)
    return x, y, z
