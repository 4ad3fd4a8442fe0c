"""Reader sessions over a release, with known truth: skill, aid, learning, carry-over."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from tasks.simulate.outcomes.index_runs import Place, Row, Target, to_csv
from tasks.simulate.random_streams import stream

_ARMS = ("unaided", "ai_aided")
_BEGIN = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
_READS = (
    *("reader_id", "subject_id", "session_id", "arm", "position_in_session", "started", "ended"),
    *("idle_seconds", "call", "score"),
)
_MARKS = ("reader_id", "subject_id", "session_id", "lps_x_mm", "lps_y_mm", "lps_z_mm", "score")
_BETWEEN_CASES = dt.timedelta(minutes=2)


@dataclass(frozen=True)
class ReaderTruth:
    """What was planted in a reader study.

    `separation` is the distance of malignant and benign on the latent scale, `aid` what the aid
    adds; `reader_sd` the spread of readers, `case_icc` what readers share of a case. Times: the
    ratio aided / unaided, what each position saves (learning), and what an earlier read of the
    same case saves (carry-over).
    """

    readers: int = 4
    separation: float = 1.6
    aid: float = 0.5
    reader_sd: float = 0.15
    case_icc: float = 0.4
    detection: float = 0.8
    minutes_median: float = 6.0
    time_ratio: float = 0.85
    learning_per_case: float = 0.002
    carry_over: float = 0.95
    washout_days: int = 35


def session_files(
    people: Sequence[Target],
    places: Mapping[str, Place],
    truth: ReaderTruth,
    release: str,
    seed: int,
    index_run: str | None,
) -> dict[str, bytes]:
    """Return `design.json`, `reads.csv` and `marks.csv`; every reader reads everybody twice."""
    readers = [f"R{number + 1:02d}" for number in range(truth.readers)]
    order = {name: _ARMS[:: 1 if number % 2 == 0 else -1] for number, name in enumerate(readers)}
    design = {
        "arms": list(_ARMS),
        "order": {name: list(arms) for name, arms in order.items()},
        "washout_days": 28,
        "randomisation_seed": seed,
        "release": release,
        **({"index_run": index_run} if index_run else {}),
    }
    reads: list[Row] = []
    marks: list[Row] = []
    for reader in readers:
        skill = truth.reader_sd * stream(seed, "skill", reader).normal()
        for period, arm in enumerate(order[reader]):
            moment = _BEGIN + dt.timedelta(days=period * truth.washout_days)
            queue = list(people)
            stream(seed, "queue", reader, arm).shuffle(queue)
            for position, person in enumerate(queue, start=1):
                draw = stream(seed, "read", reader, arm, person.subject_id)
                minutes = _minutes(truth, draw, arm, position, period)
                ended = moment + dt.timedelta(minutes=minutes, seconds=30)
                read, found = _read(person, places, truth, draw, arm, skill, seed)
                own: Row = {"reader_id": reader, "subject_id": person.subject_id}
                session = {**own, "session_id": f"{reader}-{period + 1}"}
                times = {"started": moment.isoformat(), "ended": ended.isoformat()}
                place = {"arm": arm, "position_in_session": position, "idle_seconds": 30}
                reads.append({**session, **place, **times, **read})
                marks += [{**session, **mark} for mark in found]
                moment = ended + _BETWEEN_CASES
    return {
        "design.json": (json.dumps(design, indent=2) + "\n").encode(),
        "reads.csv": to_csv(reads, _READS),
        "marks.csv": to_csv(marks, _MARKS),
    }


def _minutes(
    truth: ReaderTruth, draw: np.random.Generator, arm: str, position: int, period: int
) -> float:
    ratio = truth.time_ratio if arm == _ARMS[1] else 1.0
    earlier = truth.carry_over if period else 1.0
    learnt = np.exp(-truth.learning_per_case * position)
    return float(truth.minutes_median * ratio * earlier * learnt * np.exp(0.25 * draw.normal()))


def _read(
    person: Target,
    places: Mapping[str, Place],
    truth: ReaderTruth,
    draw: np.random.Generator,
    arm: str,
    skill: float,
    seed: int,
) -> tuple[Row, list[Row]]:
    case = stream(seed, "case", person.subject_id).normal()
    noise = np.sqrt(truth.case_icc) * case + np.sqrt(1 - truth.case_icc) * draw.normal()
    half = (truth.separation + skill + (truth.aid if arm == _ARMS[1] else 0.0)) / 2
    deviate = (half if person.malignant else -half) + noise
    score = f"{100 * float(norm.cdf(deviate / 2)):.3f}"
    call = "positive" if deviate >= 0 else "negative"
    found = []
    for lesion, _ in person.lesions:
        if draw.random() < truth.detection:
            x, y, z = np.array(places[lesion]) + draw.uniform(-4, 4, 3)
            found.append(_mark(x, y, z, float(draw.uniform(40, 100))))
    if draw.random() < 0.2:
        found.append(_mark(500.0, 500.0, 500.0, float(draw.uniform(0, 60))))
    return {"call": call, "score": score}, found


def _mark(x: float, y: float, z: float, score: float) -> Row:
    place = {f"lps_{axis}_mm": f"{v:.2f}" for axis, v in zip("xyz", (x, y, z), strict=True)}
    return {**place, "score": f"{score:.3f}"}
