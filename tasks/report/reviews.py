"""What a reviewer sends back: a rating of one exam, or the sign-off of a report. Pure.

A review is a JSON file that a page of the report made. Its own checksum shows damage and
careless edits; whether it fits the report it names is checked against that report. It proves
no person's identity: who may import is a matter of rights on the machine.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from schemas.errors import BadInputError
from schemas.identifiers import Sha256
from schemas.reviewer_codes import REVIEWER
from schemas.run.atomic_files import sha256_of_bytes

FORMAT = "livercohort-review/1"
MAX_BYTES = 1_000_000
RATING, SIGN_OFF = "image_quality", "sign_off"
_RUN = re.compile(r"release-\d+\.\d+\.\d+(-build-\d+)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"format", "kind", "run", "report_sha256", "reviewer", "made_on", "content", "sha256"}
_CONTENT = {
    RATING: {"subject_id", "exam", "exam_sha256", "assessable", "series"},
    SIGN_OFF: {"decision", "comment"},
}
#: What a rating may say besides; pages of older reports do not ask for it.
_OPTIONAL = {RATING: {"reasons", "comment"}, SIGN_OFF: set[str]()}
#: What may limit an exam, as the rating page asks for it.
REASONS = (
    *("motion", "noise", "metal", "fold_over", "coverage"),
    *("timing", "fat_suppression", "slices_missing", "other"),
)
DECISIONS = ("accepted", "returned")
_MAX_COMMENT = 2000


@dataclass(frozen=True)
class SeriesSeen:
    """How much of one series was on the screen."""

    series: str
    n_frames: int
    n_seen: int


@dataclass(frozen=True)
class Rating:
    """Whether the lesion is assessable on one exam, by one reviewer.

    `reasons` are codes of `REASONS`, sorted; `comment` is free text.
    """

    subject_id: str
    exam: str
    exam_sha256: str
    assessable: bool
    series: tuple[SeriesSeen, ...]
    reasons: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True)
class SignOff:
    """The decision on a report."""

    decision: str
    comment: str


@dataclass(frozen=True)
class Review:
    """One file of a reviewer; `sha256` is its own checksum."""

    run: str
    report_sha256: str
    reviewer: str
    made_on: dt.date
    content: Rating | SignOff
    sha256: Sha256


@dataclass(frozen=True)
class Imported:
    """A review that was taken in; `new` is False when it was there already.

    `viewed` says how a rated exam was viewed, and is empty for a sign-off.
    """

    review: Review
    viewed: str
    new: bool


class KeptRating(NamedTuple):
    """A rating as it counts: the newest of one reviewer on one exam."""

    review: Review
    rating: Rating
    viewed: str


@dataclass(frozen=True)
class RatedExam:
    """What a report's rating page of one exam showed: frames per series."""

    exam_sha256: str
    frames: Mapping[str, int]


def read_review(data: bytes) -> Review:
    """Return the review in a file.

    Raises
    ------
    BadInputError
        If it is no review, was changed after it was made, or says something impossible.
    """
    if len(data) > MAX_BYTES:
        _refuse("the file is too large for a review")
    try:
        facts = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        _refuse("the file is not JSON")
    if not isinstance(facts, dict) or set(facts) != _KEYS or facts["format"] != FORMAT:
        _refuse("the file is not a review")
    if facts["sha256"] != checksum(facts):
        _refuse("the review was changed after it was made", "Ask the reviewer for the file anew.")
    return _typed(facts)


def checksum(facts: Mapping[str, Any]) -> Sha256:
    """Return the checksum of a review: of its canonical JSON without the checksum itself."""
    rest = {name: value for name, value in facts.items() if name != "sha256"}
    text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256_of_bytes(text.encode("utf-8", "surrogatepass"))


def viewed_as(rating: Rating, exam: RatedExam) -> str:
    """Return `full_series` when every slice of every series was seen, else `mosaic`.

    Raises
    ------
    BadInputError
        If the rating is of other images, or counts slices the exam does not have.
    """
    if rating.exam_sha256 != exam.exam_sha256:
        _refuse(
            "the images of this exam have changed since they were rated",
            "Rate the exam again in the newest report.",
        )
    seen = {one.series: one for one in rating.series}
    fits = set(seen) == set(exam.frames) and len(seen) == len(rating.series)
    if not fits or any(
        one.n_frames != exam.frames[one.series] or not 0 <= one.n_seen <= one.n_frames
        for one in rating.series
    ):
        _refuse("the review counts series or slices that its report does not have")
    full = all(one.n_seen == one.n_frames for one in rating.series)
    return "full_series" if full else "mosaic"


def ratings_in_force(reviews: Iterable[Imported]) -> tuple[KeptRating, ...]:
    """Return the newest rating of each reviewer on each exam, with how it was viewed."""
    newest: dict[tuple[str, str, str], KeptRating] = {}
    for one in reviews:
        if isinstance(one.review.content, Rating):
            rating = one.review.content
            key = (rating.subject_id, rating.exam, one.review.reviewer)
            newest[key] = KeptRating(one.review, rating, one.viewed)
    return tuple(newest[key] for key in sorted(newest))


def sign_offs_of(reviews: Iterable[Imported], report_sha256: Sha256) -> tuple[Review, ...]:
    """Return the sign-offs of exactly this report: the newest of each reviewer."""
    newest = {
        one.review.reviewer: one.review
        for one in reviews
        if isinstance(one.review.content, SignOff) and one.review.report_sha256 == report_sha256
    }
    return tuple(newest[name] for name in sorted(newest))


def _typed(facts: Mapping[str, Any]) -> Review:
    try:
        made_on = dt.date.fromisoformat(facts["made_on"])
        named = {"run": _RUN, "report_sha256": _SHA256, "reviewer": REVIEWER}
        texts = {name: _text(facts[name], pattern) for name, pattern in named.items()}
        kind = facts["kind"]
        content = _content(kind, facts["content"])
    except (KeyError, TypeError, ValueError, AttributeError):
        # A value of the file is not quoted: nobody knows what somebody typed into it.
        _refuse("a field of the review is missing or malformed")
    return Review(made_on=made_on, content=content, sha256=Sha256(facts["sha256"]), **texts)


def _content(kind: str, content: Mapping[str, Any]) -> Rating | SignOff:
    if not _CONTENT[kind] <= set(content) <= _CONTENT[kind] | _OPTIONAL[kind]:
        raise ValueError(kind)
    return _rating(content) if kind == RATING else _sign_off(content)


def _rating(content: Mapping[str, Any]) -> Rating:
    if content["exam"] not in ("ct", "mri") or not isinstance(content["assessable"], bool):
        raise ValueError("rating")
    return Rating(
        subject_id=_text(content["subject_id"], re.compile(r"[A-Z0-9-]{5,20}")),
        exam=content["exam"],
        exam_sha256=_text(content["exam_sha256"], _SHA256),
        assessable=content["assessable"],
        series=tuple(
            SeriesSeen(str(one["series"]), _count(one["n_frames"]), _count(one["n_seen"]))
            for one in content["series"]
        ),
        reasons=_reasons(content.get("reasons", [])),
        comment=_comment(content.get("comment", "")),
    )


def _reasons(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or len(set(given)) != len(given) or set(given) - set(REASONS):
        raise ValueError("reasons")
    return tuple(sorted(given))


def _comment(given: object) -> str:
    if not isinstance(given, str) or len(given) > _MAX_COMMENT:
        raise ValueError("comment")
    return given


def _sign_off(content: Mapping[str, Any]) -> SignOff:
    decision = content["decision"]
    if decision not in DECISIONS:
        raise ValueError("sign-off")
    return SignOff(decision, _comment(content["comment"]))


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError(pattern.pattern)
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("count")
    return value


def _refuse(
    found: str, hint: str = "Import the file that the report's page downloaded."
) -> NoReturn:
    raise BadInputError(found, where="the review file", hint=hint)
