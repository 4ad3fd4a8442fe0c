"""A reviewer's file on disk: taken in once, or refused with the reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import BadInputError, GateBlockedError
from schemas.hospital_day import hospital_today
from schemas.run.zones import Zones
from tasks.report.reviews import FORMAT, checksum
from tasks.report.store import WrittenReport, write_report
from tasks.report.store_pictures import PictureStore
from tasks.report.store_reviews import import_review, read_reviews
from tests.unit.report.synthetic import make_report

REPORT = make_report(n_sites=1, subjects_per_site=1, findings_per_site=3)


def found_nobody(_: str) -> None:
    """Stand for a search that finds nothing."""


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    return Zones(tmp_path)


@pytest.fixture
def written(zones: Zones) -> WrittenReport:
    return write_report(REPORT, zones.reports, PictureStore(zones.reports / ".pictures"))


def sign_off(folder: Path, report: WrittenReport, name: str = "", **changes: Any) -> Path:
    """Write what the sign-off page of a report saves."""
    facts = {
        "format": FORMAT,
        "kind": "sign_off",
        "run": report.index.parent.name,
        "report_sha256": report.report_sha256,
        "reviewer": "QC01",
        "made_on": hospital_today().isoformat(),
        "content": {"decision": "accepted", "comment": ""},
    } | changes
    path = folder / (name or f"review_{facts['run']}_{facts['reviewer']}.json")
    path.write_text(json.dumps(facts | {"sha256": checksum(facts)}), encoding="utf-8")
    return path


def test_a_sign_off_is_taken_in_once(zones: Zones, written: WrittenReport) -> None:
    path = sign_off(zones.home, written)
    assert [import_review(zones, path, found_nobody).new for _ in range(2)] == [True, False]
    assert len(read_reviews(zones)) == 1


def test_a_file_named_after_another_reviewer_is_refused(
    zones: Zones, written: WrittenReport
) -> None:
    name = f"review_{written.index.parent.name}_QC02 (1).json"
    with pytest.raises(BadInputError, match="another reviewer"):
        import_review(zones, sign_off(zones.home, written, name), found_nobody)
    assert read_reviews(zones) == ()


def test_a_review_of_a_day_to_come_is_refused(zones: Zones, written: WrittenReport) -> None:
    later = (hospital_today() + dt.timedelta(days=3)).isoformat()
    with pytest.raises(BadInputError, match="after today"):
        import_review(zones, sign_off(zones.home, written, made_on=later), found_nobody)


def test_a_sign_off_of_a_report_that_was_built_anew_is_refused(
    zones: Zones, written: WrittenReport
) -> None:
    path = sign_off(zones.home, written)
    changed = dataclasses.replace(REPORT, findings=REPORT.findings[:-1])
    write_report(changed, zones.reports, PictureStore(zones.reports / ".pictures"))
    with pytest.raises(GateBlockedError, match=r"built anew as release-1\.2\.0-build-2"):
        import_review(zones, path, found_nobody)


def test_a_sign_off_with_the_hash_of_another_report_is_refused(
    zones: Zones, written: WrittenReport
) -> None:
    with pytest.raises(GateBlockedError, match="another report"):
        import_review(zones, sign_off(zones.home, written, report_sha256="0" * 64), found_nobody)


def test_a_sign_off_of_a_report_that_is_not_here_is_refused(
    zones: Zones, written: WrittenReport
) -> None:
    with pytest.raises(BadInputError, match="is not here"):
        import_review(zones, sign_off(zones.home, written, run="release-9.9.9"), found_nobody)


def test_a_comment_is_searched_before_it_is_kept(zones: Zones, written: WrittenReport) -> None:
    said = []

    def found_somebody(text: str) -> None:
        said.append(text)
        raise BadInputError("the text holds what identifies somebody: phone")

    content = {"decision": "accepted", "comment": "call 13912345678"}
    path = sign_off(zones.home, written, content=content)
    with pytest.raises(BadInputError, match="identifies somebody"):
        import_review(zones, path, found_somebody)
    assert said == ["call 13912345678"]
    assert read_reviews(zones) == ()


def test_a_comment_stays_in_the_restricted_zone(zones: Zones, written: WrittenReport) -> None:
    content = {"decision": "accepted", "comment": "ask about lesion two"}
    import_review(zones, sign_off(zones.home, written, content=content), found_nobody)
    built = write_report(
        REPORT, zones.reports, PictureStore(zones.reports / ".pictures"), read_reviews(zones)
    )
    assert built.written
    holding = [p for p in zones.home.rglob("*") if p.is_file() and b"lesion two" in p.read_bytes()]
    outside = {p.parent.relative_to(zones.home).as_posix() for p in holding}
    assert outside == {"restricted/reviews", "."}  # the second: as the reviewer sent it
