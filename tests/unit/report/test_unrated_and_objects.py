"""Which exam is left to rate, and which series a finding is about."""

from __future__ import annotations

import dataclasses

from tasks.report.model import read_cohort
from tasks.report.objects import find_series, series_of_objects
from tasks.report.tables import QualityRow, VolumePictures
from tasks.report.unrated import exams_left, words_left
from tests.unit.report.synthetic import make_report, render_site
from tests.unit.report.test_render import unpack

CT = QualityRow("A", "ct", "adequate", (), "full_series", "R-1")


def test_only_a_rating_of_the_full_series_takes_an_exam_off_the_list() -> None:
    half = dataclasses.replace(CT, exam="mri", viewed="mosaic")
    assert exams_left([CT, half]) == {"A": ("mri",)}
    assert exams_left([CT, dataclasses.replace(CT, exam="mri")]) == {"A": ()}
    assert exams_left([]) == {}


def test_missing_evidence_names_the_exam_in_both_languages() -> None:
    english, chinese = words_left(("rating of CT and MRI", "评级"), ("mri",))
    assert english.endswith("(left to rate: MRI)")
    assert chinese.endswith("MRI）")


def test_a_finding_of_a_series_or_its_volume_has_the_title_and_picture_of_the_series() -> None:
    cohort = read_cohort(make_report(n_sites=1).tables)
    series, volume = cohort.series[0], cohort.volumes[0]
    pictures = {series.sub_stack_digest: VolumePictures("aa/x.webp", (), 20, 64, 48)}
    known = series_of_objects(cohort, pictures)
    for key in (f"{series.series_uid}/{series.sub_stack_digest}", volume.volume_id):
        shown = find_series(key, known)
        assert shown is not None
        assert (shown.mosaic, shown.digest) == ("aa/x.webp", series.sub_stack_digest)
    assert find_series(series.study_uid, known) is None


def test_worklist_rows_of_series_carry_what_a_person_knows_them_by() -> None:
    report = make_report(n_sites=1)
    (known, *_) = read_cohort(report.tables).series
    drawn = {known.sub_stack_digest: VolumePictures("aa/x.webp", (), 20, 64, 48)}
    rows = unpack(render_site(dataclasses.replace(report, pictures=drawn)), "findings")
    own = [row for row in rows if row["place"] == known.sub_stack_digest]
    assert all(row["series"] for row in rows)
    assert {row["picture"] for row in own} <= {"aa/x.webp"}
    assert {row["picture"] for row in rows if row not in own} == {""}
