"""The files of a reader study: `design.json`, `reads.csv`, `marks.csv`. Pure."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.rule_tables import Cells
from tasks.evaluate.cohort import TWICE, Cohort, counts_somebody_twice
from tasks.evaluate.problems import Problem, require_none
from tasks.evaluate.run_files import (
    CALLS,
    attempt,
    code,
    number,
    optional_number,
    parse_json,
    parse_rows,
    point,
    require_name,
    whole,
)

DESIGN, READS, MARKS = "design.json", "reads.csv", "marks.csv"
UNAIDED, AIDED = "unaided", "ai_aided"
_READ_COLUMNS = (
    *("reader_id", "subject_id", "session_id", "arm", "position_in_session", "started", "ended"),
    *("idle_seconds", "call", "score"),
)
_READ_EXTRAS = frozenset({"blinded_to_reference", "blinded_to_ai", "experience_years"})
_MARK_COLUMNS = (
    *("reader_id", "subject_id", "session_id", "lps_x_mm", "lps_y_mm", "lps_z_mm", "score"),
)
_ALIASES = {
    "reader": "reader_id",
    "case": "subject_id",
    "case_id": "subject_id",
    "session": "session_id",
    "position": "position_in_session",
    **{name: f"lps_{name[0]}_mm" for name in ("x", "y", "z", "x_mm", "y_mm", "z_mm")},
}
#: Washout below which a memory of the case is likely; in days.
LEAST_WASHOUT_DAYS = 28
SHORT_WASHOUT = f"a washout shorter than {LEAST_WASHOUT_DAYS} days"
NOT_RANDOMISED = "all readers have one order of the arms: the aid is mixed up with the period"
SEQUENTIAL = "aided reads that follow unaided ones within the washout: flatters the aided arm"
Arm = Literal["unaided", "ai_aided"]


class Design(BaseModel):
    """What `design.json` says; `order` gives each reader's arms in their order.

    `unblinded_at` is when reference or AI results were shown to readers; `index_run` the run,
    evaluated on the same release, that stands beside the readers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    arms: tuple[Arm, ...] = Field(min_length=1)
    order: dict[str, tuple[Arm, ...]] = Field(min_length=1)
    washout_days: int = Field(ge=0)
    randomisation_seed: int
    release: str = Field(min_length=1)
    unblinded_at: dt.datetime | None = None
    index_run: str | None = None

    @property
    def version(self) -> str:
        """The release without its prefix."""
        return self.release.removeprefix("livercohort:")


@dataclass(frozen=True)
class Read:
    """A line of `reads.csv`.

    `minutes` without pauses, `washout_days` since the read before; `zoned` whether its times
    were given with a time zone.
    """

    line: int
    reader: str
    subject_id: str
    session: str
    arm: str
    position: int
    started: dt.datetime
    ended: dt.datetime
    minutes: float
    call: str
    score: float | None
    blinded: bool
    zoned: bool
    washout_days: float | None = None


@dataclass(frozen=True)
class Mark:
    """A line of `marks.csv`; the place in LPS, mm; score 0-100."""

    line: int
    reader: str
    subject_id: str
    session: str
    place: tuple[float, float, float]
    score: float


@dataclass(frozen=True)
class StudyFiles:
    """A reader study as delivered, each file well formed in itself.

    `marks_given` is False without `marks.csv`: then nobody was asked to mark anything.
    """

    name: str
    design: Design
    reads: tuple[Read, ...]
    marks: tuple[Mark, ...]
    marks_given: bool


def parse_study(name: str, files: Mapping[str, bytes]) -> StudyFiles:
    """Return a reader study from its files.

    Raises
    ------
    RefusedError
        With every problem of every file, by name and line.
    """
    problems: list[Problem] = require_name(name)
    design = attempt(lambda: parse_json(files, DESIGN, Design), problems)
    key = ("reader_id", "subject_id", "session_id")
    reads = attempt(
        lambda: parse_rows(
            files,
            READS,
            _READ_COLUMNS,
            key,
            _read,
            optional=_READ_EXTRAS.__contains__,
            aliases=_ALIASES,
        ),
        problems,
    )
    marks = attempt(lambda: _marks(files), problems) if MARKS in files else []
    require_none(problems)
    assert design is not None
    placed = _with_washout(reads or ())
    return StudyFiles(name, design, placed, tuple(marks or ()), MARKS in files)


def admit_study(study: StudyFiles, cohort: Cohort) -> tuple[str, ...]:
    """Return why a study is exploratory, () when nothing makes it so.

    Raises
    ------
    RefusedError
        With every reason to keep it out, by file and line.
    """
    design = study.design
    problems = []
    if design.version != cohort.version:
        problems.append(Problem(f"{DESIGN}: release", f"release {design.version}", cohort.version))
    for read in study.reads:
        problems += _read_problems(read, study, cohort)
    problems += [*_mark_problems(study), *_repeated(study.reads), *_mixed_zones(study)]
    require_none(problems)
    reasons = []
    if design.washout_days < LEAST_WASHOUT_DAYS and len(design.arms) > 1:
        reasons.append(SHORT_WASHOUT)
    if len(design.arms) > 1 and len({order[:1] for order in design.order.values()}) == 1:
        reasons.append(NOT_RANDOMISED)
    if any(_too_soon(read, design) for read in study.reads):
        reasons.append(SEQUENTIAL)
    if counts_somebody_twice(cohort, (read.subject_id for read in study.reads)):
        reasons.append(TWICE)
    return tuple(reasons)


def _read_problems(read: Read, study: StudyFiles, cohort: Cohort) -> Iterator[Problem]:
    where, design = f"{READS}:{read.line}", study.design
    if read.subject_id not in cohort.subjects:
        yield Problem(where, "a subject that the release does not have")
    if read.reader not in design.order:
        yield Problem(where, "a reader without an order in design.json")
    if read.arm not in design.arms:
        yield Problem(where, "an arm that the design does not have", ", ".join(design.arms))
    if not read.blinded:
        yield Problem(where, "a read after unblinding", "a reader who is blinded")
    elif design.unblinded_at is not None and _comparable(read.ended) > _comparable(
        design.unblinded_at
    ):
        yield Problem(where, "a read after unblinding", f"ended before {design.unblinded_at}")
    elif read.arm == UNAIDED and _too_soon(read, design) and _aided_before(read, study.reads):
        told = "a read after unblinding: the reader saw the AI result of this case"
        yield Problem(where, told, f"{design.washout_days} days later at least")


def _repeated(reads: Iterable[Read]) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], int] = {}
    for read in reads:
        line = first.setdefault((read.reader, read.subject_id, read.arm), read.line)
        if line != read.line:
            told = f"the same reader, subject and arm as in line {line}"
            yield Problem(f"{READS}:{read.line}", told, "one read of each case in each arm")


def _mixed_zones(study: StudyFiles) -> Iterator[Problem]:
    """Yield the reads whose order among the others is not known: only some times have a zone."""
    moment = study.design.unblinded_at
    zoned = _has_zone(moment) if moment else study.reads[0].zoned
    as_there = f"{DESIGN}: unblinded_at" if moment else f"line {study.reads[0].line}"
    for read in study.reads:
        if read.zoned != zoned:
            told = f"times {'with' if read.zoned else 'without'} a time zone"
            yield Problem(f"{READS}:{read.line}", told, f"as in {as_there}")


def _has_zone(moment: dt.datetime) -> bool:
    return moment.tzinfo is not None


def _too_soon(read: Read, design: Design) -> bool:
    return read.washout_days is not None and read.washout_days < design.washout_days


def _aided_before(read: Read, reads: Sequence[Read]) -> bool:
    return any(
        (one.reader, one.subject_id, one.arm) == (read.reader, read.subject_id, AIDED)
        and one.started < read.started
        for one in reads
    )


def _mark_problems(study: StudyFiles) -> Iterator[Problem]:
    known = {(read.reader, read.subject_id, read.session) for read in study.reads}
    for mark in study.marks:
        if (mark.reader, mark.subject_id, mark.session) not in known:
            yield Problem(f"{MARKS}:{mark.line}", f"a mark without a read in {READS}")


def _comparable(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _with_washout(reads: Iterable[Read]) -> tuple[Read, ...]:
    found: dict[tuple[str, str], list[Read]] = defaultdict(list)
    for read in reads:
        found[read.reader, read.subject_id].append(read)
    placed = []
    for ours in found.values():
        last: dt.datetime | None = None
        for read in sorted(ours, key=lambda one: one.started):
            days = (read.started - last).total_seconds() / 86_400 if last else None
            placed.append(replace(read, washout_days=days))
            last = read.ended
    return tuple(sorted(placed, key=lambda one: one.line))


def _read(cells: Cells, line: int) -> Read:
    if cells["arm"] not in (UNAIDED, AIDED):
        raise ValueError(f"arm is {UNAIDED} or {AIDED}")
    if cells["call"] not in CALLS:
        raise ValueError(f"call is one of {', '.join(CALLS)}")
    started, ended = _moment(cells["started"], "started"), _moment(cells["ended"], "ended")
    if _has_zone(started) != _has_zone(ended):
        raise ValueError("started and ended: one with a time zone and one without")
    zoned, started, ended = _has_zone(started), _comparable(started), _comparable(ended)
    idle = number(cells["idle_seconds"] or "0", "idle_seconds", 0, None)
    net = (ended - started).total_seconds() - idle
    if net <= 0:
        raise ValueError("ended, without pauses, is not after started")
    blinded = all(
        _flag(cells.get(name, ""), name)
        for name in ("blinded_to_reference", "blinded_to_ai")
        if not (name == "blinded_to_ai" and cells["arm"] == AIDED)
    )
    return Read(
        line=line,
        reader=code(cells["reader_id"], "reader_id"),
        subject_id=cells["subject_id"],
        session=code(cells["session_id"], "session_id"),
        arm=cells["arm"],
        position=whole(cells["position_in_session"], "position_in_session", 1),
        started=started,
        ended=ended,
        minutes=net / 60,
        call=cells["call"],
        score=optional_number(cells["score"], "score", 0, 100),
        blinded=blinded,
        zoned=zoned,
    )


def _flag(text: str, name: str) -> bool:
    if text.lower() not in ("", "true", "false", "yes", "no", "1", "0"):
        raise ValueError(f"{name} is true or false")
    return text.lower() not in ("false", "no", "0")


def _moment(text: str, name: str) -> dt.datetime:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        pass
    else:
        raise ValueError(f"{name} is a day without a time")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} is no date and time (ISO 8601)") from None


def _marks(files: Mapping[str, bytes]) -> list[Mark]:
    return parse_rows(files, MARKS, _MARK_COLUMNS, (), _mark, may_be_empty=True, aliases=_ALIASES)


def _mark(cells: Cells, line: int) -> Mark:
    return Mark(
        line,
        code(cells["reader_id"], "reader_id"),
        cells["subject_id"],
        code(cells["session_id"], "session_id"),
        point(cells, ("lps_x_mm", "lps_y_mm", "lps_z_mm")),
        number(cells["score"], "score", 0, 100),
    )
