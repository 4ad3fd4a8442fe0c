"""An erased subject leaves the reports: folders that name it, their pictures, its reviews."""

from __future__ import annotations

from pathlib import Path

from schemas.zones import Zones
from tasks.report.store import write_report
from tasks.report.store_erase import erase_from_reports
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
    assert [path for path in zones.reports.rglob("*") if path.is_file()] == []
    assert (review.exists(), other.exists()) == (False, True)
