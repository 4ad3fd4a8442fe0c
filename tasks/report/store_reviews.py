"""Reviews on disk: taken in once, checked against the report they name, never changed.

Ratings of codes only lie in `warehouse/reviews/`; a sign-off, or a rating with a comment, which
is free text, in `restricted/reviews/`. Both are append-only like all that cannot be made again.
A comment is searched before it is kept and shown nowhere: no search knows every name.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.errors import BadInputError, GateBlockedError
from schemas.hospital_day import hospital_today
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.zones import Zones
from tasks.report.reviews import (
    MAX_BYTES,
    Imported,
    RatedExam,
    Rating,
    Review,
    SignOff,
    read_review,
    viewed_as,
)
from tasks.report.store_builds import MANIFEST, builds_of, hash_folder

#: As a page names what it saves; a browser adds a number when there is such a file already.
REVIEW_FILE = re.compile(
    r"(review|rating)_[A-Za-z0-9._-]+_(?P<reviewer>[A-Z]{1,5}-?[0-9]{1,6})( ?\(\d+\))?\.json"
)


def import_review(zones: Zones, path: Path, search: Callable[[str], None]) -> Imported:
    """Take in a reviewer's file.

    Parameters
    ----------
    zones : Zones
        The home.
    path : Path
        The file.
    search : callable
        Looks through free text; raises BadInputError when it says who somebody is.

    Raises
    ------
    BadInputError
        If the file is no review, was changed, is not of the reviewer it is named after, is of
        a day to come, or names a report that is not here.
    GateBlockedError
        If the report has changed since: signed is what was looked at, nothing else.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError:
        raise BadInputError("the review file cannot be read", expected="a file") from None
    review = read_review(data)
    _require_reviewer_and_day(path.name, review)
    folder = zones.reports / review.run
    manifest = _require_same_report(folder, review)
    viewed = ""
    if isinstance(review.content, SignOff):
        _require_newest(zones, review)
    else:
        viewed = viewed_as(review.content, _exam_of(manifest, review.content))
        _require_same_images(zones, review.content)
    if review.content.comment:
        search(review.content.comment)
    place = _folder_of(zones, review) / f"{review.sha256}.json"
    new = not place.is_file()
    if new:
        kept = {"review": json.loads(data.decode("utf-8-sig")), "viewed": viewed}
        write_bytes(place, canonical_json(kept), mode=0o600)
    return Imported(review, viewed, new)


def read_reviews(zones: Zones) -> tuple[Imported, ...]:
    """Return every review taken in, oldest first."""
    found = []
    for path in review_files(zones):
        kept = json.loads(path.read_text(encoding="utf-8"))
        review = read_review(json.dumps(kept["review"], ensure_ascii=False).encode())
        found.append(Imported(review, kept["viewed"], new=False))
    return tuple(sorted(found, key=lambda one: (one.review.made_on, one.review.sha256)))


def reviews_folder(zones: Zones) -> Path:
    """Return where ratings without a comment lie, and sign-offs of version 0.1."""
    return zones.warehouse / "reviews"


def review_files(zones: Zones) -> list[Path]:
    """Return the file of every review taken in."""
    places = (reviews_folder(zones), zones.restricted / "reviews")
    return sorted(path for place in places for path in place.glob("*.json"))


def _folder_of(zones: Zones, review: Review) -> Path:
    free_text = isinstance(review.content, SignOff) or bool(review.content.comment)
    return zones.restricted / "reviews" if free_text else reviews_folder(zones)


def _require_reviewer_and_day(name: str, review: Review) -> None:
    """Refuse a file named after another reviewer, or made after today.

    The newest rating of a reviewer counts: one dated in the future could not be taken back.
    """
    named = REVIEW_FILE.fullmatch(name)
    if named is not None and named["reviewer"] != review.reviewer:
        raise BadInputError(
            "the file is named after another reviewer than the one in it",
            where="the review file",
            hint="Ask the reviewer for the file as the page saved it.",
        )
    if review.made_on > hospital_today() + dt.timedelta(days=1):
        raise BadInputError(
            "the review was made after today",
            where="the review file",
            hint="Set the clock of the reviewer's computer and make the review again.",
        )


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BadInputError(
            "the report that was reviewed is not here",
            where=f"reports/{folder.name}",
            hint="Import the file where the report was built.",
        )
    facts: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _require_same_report(folder: Path, review: Review) -> Mapping[str, Any]:
    manifest = _manifest(folder)
    if review.report_sha256 != manifest["report_sha256"]:
        raise GateBlockedError(
            "the review is of another report than the one here",
            where=f"reports/{folder.name}",
            expected="the hash that the review names",
            hint="Review the report that is here.",
        )
    if isinstance(review.content, SignOff) and hash_folder(folder) != review.report_sha256:
        raise GateBlockedError(
            "the report was changed after it was built",
            where=f"reports/{folder.name}",
            hint="Remove the folder, build the report again and review it again.",
        )
    return manifest


def _require_newest(zones: Zones, review: Review) -> None:
    newest = builds_of(zones.reports, review.run.split("-build-")[0])[-1]
    if _manifest(newest)["report_sha256"] != review.report_sha256:
        raise GateBlockedError(
            f"the report was built anew as {newest.name} and says something else",
            where=f"reports/{review.run}",
            hint="Sign off the newest build.",
        )


def _exam_of(manifest: Mapping[str, Any], rating: Rating) -> RatedExam:
    facts = manifest.get("exams", {}).get(f"{rating.subject_id}/{rating.exam}")
    if facts is None:
        raise BadInputError("the report has no such exam to rate", where="the review file")
    return RatedExam(facts["exam_sha256"], facts["frames"])


def _require_same_images(zones: Zones, rating: Rating) -> None:
    """Refuse when the newest release shows other images of this exam."""
    latest = (zones.releases / "latest").resolve().name
    builds = builds_of(zones.reports, f"release-{latest}")
    if builds:
        viewed_as(rating, _exam_of(_manifest(builds[-1]), rating))
