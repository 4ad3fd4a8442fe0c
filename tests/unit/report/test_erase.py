"""An erased subject leaves the reports: folders that name it, their pictures, its reviews."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BusyError
from schemas.run.zones import Zones
from tasks.report.store import write_report
from tasks.report.store_erase import erase_from_reports, reports_naming
from tasks.report.store_reviews import reviews_folder
from tests.unit.report.drawn import with_pictures
from tests.unit.report.synthetic import make_report


def test_reports_that_name_the_subject_go_with_pictures_and_reviews(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    drawn, store = with_pictures(make_report(subjects_per_site=1), zones.reports / ".pictures")
    written = write_report(drawn, zones.reports, store)
    subject = str(drawn.tables["subject"]["subject_id"][0])
    review, other = (reviews_folder(zones) / f"{name}.json" for name in ("own", "other"))
    review.parent.mkdir(parents=True)
    review.write_text(f'{{"subject_id": "{subject}"}}', encoding="utf-8")
    other.write_text('{"subject_id": "S91-ZZZZZZZZ"}', encoding="utf-8")

    assert erase_from_reports(zones, "S99-AAAAAAAA") == 0
    assert written.index.is_file()
    assert erase_from_reports(zones, subject) == 1
    (left,) = [path for path in zones.reports.rglob("*") if path.is_file()]
    assert (left.name, left.stat().st_size) == ("release-1.2.0.erased", 0)
    assert (review.exists(), other.exists()) == (False, True)


def test_the_name_of_an_erased_report_is_not_given_again(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    report = make_report(subjects_per_site=1)
    subject = str(report.tables["subject"]["subject_id"][0])
    names = []
    for _ in range(3):
        drawn, store = with_pictures(report, zones.reports / ".pictures")
        names.append(write_report(drawn, zones.reports, store).index.parent.name)
        erase_from_reports(zones, subject)
    assert names == ["release-1.2.0", "release-1.2.0-build-2", "release-1.2.0-build-3"]


def test_a_build_that_lost_its_lease_publishes_nothing(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    drawn, store = with_pictures(make_report(subjects_per_site=1), zones.reports / ".pictures")

    def lost() -> None:
        raise BusyError("another run has taken withdrawals over from this one")

    with pytest.raises(BusyError):
        write_report(drawn, zones.reports, store, at_last=lost)
    assert [path.name for path in zones.reports.iterdir()] == [".pictures"]
    written = write_report(drawn, zones.reports, store)
    subject = str(drawn.tables["subject"]["subject_id"][0])
    assert reports_naming(zones, subject) == [written.index.parent]
    assert reports_naming(zones, "S99-AAAAAAAA") == []


def test_what_a_killed_build_left_goes_too(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    drawn, store = with_pictures(make_report(subjects_per_site=1), zones.reports / ".pictures")
    written = write_report(drawn, zones.reports, store).index.parent
    written.rename(zones.reports / f".{written.name}.0123abcd.part")
    (zones.reports / f".{written.name}.0123abcd.part" / "report.json").unlink()
    assert erase_from_reports(zones, str(drawn.tables["subject"]["subject_id"][0])) == 0
    assert [path for path in zones.reports.rglob("*") if path.is_file()] == []
