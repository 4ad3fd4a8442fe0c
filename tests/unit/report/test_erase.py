"""An erased subject leaves the reports: folders that name it, their pictures, its reviews."""

from __future__ import annotations

from pathlib import Path

from schemas.zones import Zones
from tasks.report.store import write_report
from tasks.report.store_builds import ERASED, erased_names
from tasks.report.store_erase import erase_from_reports
from tasks.report.store_pictures import PictureStore
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
    assert [path.name for path in zones.reports.rglob("*") if path.is_file()] == [ERASED]
    assert subject not in (zones.reports / ERASED).read_text(encoding="utf-8")
    assert (review.exists(), other.exists()) == (False, True)


def test_the_name_of_an_erased_report_is_not_given_to_another(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    given = make_report(n_sites=1, subjects_per_site=1, findings_per_site=2)
    store = PictureStore(zones.reports / ".pictures")
    old = write_report(given, zones.reports, store)
    erase_from_reports(zones, str(given.tables["subject"]["subject_id"][0]))
    other = make_report(n_sites=1, subjects_per_site=1, findings_per_site=2, seed=8)
    new = write_report(other, zones.reports, store)
    assert old.index.parent.name == "release-1.2.0"
    assert new.index.parent.name == "release-1.2.0-build-2"
    assert erased_names(zones.reports) == ["release-1.2.0"]
