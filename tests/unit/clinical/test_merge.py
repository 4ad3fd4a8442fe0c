"""Many exports to one state: the newest valid row wins, nobody vanishes unnoticed."""

from __future__ import annotations

import itertools

import pytest

from schemas.clinical_rows import digest_of_content
from schemas.finding_texts import make_finding
from schemas.identifiers import BatchId, SiteCode, SubjectNo
from schemas.vault.keys import KeyRing
from tasks.clinical.form_rows import ClinicalIntake, FormRows
from tasks.clinical.linkage_checks import check_linkage
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import SITE, form_row, form_text, intake_of, read_rows, read_text


def export(as_of: str, *rows: dict[str, str], form: str = "diagnosis") -> FormRows:
    comment = f"# export_as_of: {as_of}\n"
    return read_text(form, form_text(form, rows, as_of=comment))[0]


def batch(name: str, *forms: FormRows) -> BatchForms:
    return BatchForms(SITE, BatchId(name), intake_of(*forms))


OLD = batch("b1", export("2026-11-20", form_row("diagnosis", reference_class="pending")))
NEW = batch("a2", export("2026-11-21", form_row("diagnosis", reference_class="HCC")))


@pytest.mark.parametrize("order", list(itertools.permutations([OLD, NEW])))
def test_the_newest_export_wins_in_whatever_order_the_batches_come(
    order: tuple[BatchForms, ...], ring: KeyRing
) -> None:
    (row,) = merge_batches(order, ring).rows
    assert row.text("reference_class") == "HCC"
    assert row.batch_id == "b1", "the batch that delivered the key first"


def test_an_old_export_that_arrives_late_changes_nothing(ring: KeyRing) -> None:
    late = batch("z9", export("2026-11-01", form_row("diagnosis", reference_class="ICC")))
    (row,) = merge_batches([OLD, NEW, late], ring).rows
    assert row.text("reference_class") == "HCC"


def test_a_subject_missing_from_a_newer_export_is_a_finding_and_stays(ring: KeyRing) -> None:
    newer = batch("c3", export("2026-11-22", form_row("diagnosis", subject_no="LC-0002")))
    merged = merge_batches([NEW, newer], ring)
    assert len(merged.rows) == 2
    (finding,) = merged.findings
    assert finding.rule_id == "CLIN_SUBJECT_GONE"
    assert finding.object_id == ring.subject_id(SITE, SubjectNo("LC-0001"))
    assert "LC-0001" not in repr(finding)


def test_an_export_that_lacks_many_subjects_is_one_finding_about_the_export(ring: KeyRing) -> None:
    numbers = [f"LC-{n:04}" for n in range(1, 28)]
    full = batch("a", export("2026-11-20", *(form_row("diagnosis", subject_no=n) for n in numbers)))
    newer = batch("b", export("2026-11-22", form_row("diagnosis", subject_no="LC-0099")))
    merged = merge_batches([full, newer], ring)
    assert len(merged.rows) == 28
    (finding,) = merged.findings
    assert (finding.rule_id, finding.observed) == ("CLIN_EXPORT_LACKS_SUBJECTS", "27")
    assert finding.object_id == "diagnosis"


def test_a_row_missing_from_a_newer_export_is_a_finding_and_stays(ring: KeyRing) -> None:
    two = batch("b", export("2026-11-20", *(form_row("diagnosis", lesion_no=n) for n in "12")))
    merged = merge_batches([two, NEW], ring)
    assert len(merged.rows) == 2
    assert [finding.rule_id for finding in merged.findings] == ["CLIN_ROW_GONE"]


def test_a_row_without_its_number_counts_until_a_newer_full_export(ring: KeyRing) -> None:
    unnumbered = form_row("diagnosis", lesion_no="")
    two = batch("b", export("2026-11-20", form_row("diagnosis"), unnumbered))
    assert len(merge_batches([two], ring).rows) == 2
    mended = merge_batches([two, NEW], ring)
    assert len(mended.rows) == 1
    assert mended.findings == ()


def test_a_form_that_did_not_come_again_misses_nobody(ring: KeyRing) -> None:
    other = batch("c3", export("2026-11-22", form_row("treatment"), form="treatment"))
    assert merge_batches([NEW, other], ring).findings == ()


def test_rows_carry_pseudonym_and_shift_of_their_person(ring: KeyRing) -> None:
    (row,) = merge_batches([NEW], ring).rows
    assert row.subject_id == ring.subject_id(SITE, SubjectNo("LC-0001"))
    assert row.shift_days == ring.date_shift_days(SITE, SubjectNo("LC-0001"))


def test_readers_and_screenings_get_keyed_codes(ring: KeyRing) -> None:
    ratings = export("2026-11-20", form_row("image_quality"), form="image_quality")
    log = export("2026-11-20", form_row("screening_log"), form="screening_log")
    rows = {row.form: row for row in merge_batches([batch("b", ratings, log)], ring).rows}
    assert str(rows["image_quality"].text("rater_id")).startswith("R-")
    assert str(rows["screening_log"].text("screening_no")).startswith("SCR-")
    assert "001" not in str(rows["screening_log"].text("screening_no"))


def test_the_same_subject_number_at_two_sites_is_two_subjects(ring: KeyRing) -> None:
    other = BatchForms(SiteCode("S92"), BatchId("b"), NEW.intake)
    assert len({row.subject_id for row in merge_batches([NEW, other], ring).rows}) == 2


def test_a_subject_without_linkage_is_a_finding_by_pseudonym(ring: KeyRing) -> None:
    form, _ = read_rows("diagnosis", form_row("diagnosis"), form_row("diagnosis", lesion_no="2"))
    rows = merge_batches([batch("b", form)], ring).rows
    (finding,) = check_linkage(rows, {SITE: set()})
    assert finding.rule_id == "CLIN_NOT_LINKED"
    assert "LC-0001" not in repr(finding)
    assert check_linkage(rows, {SITE: {SubjectNo("LC-0001")}}) == []


def incremental(as_of: str, *rows: dict[str, str]) -> FormRows:
    comment = f"# export_as_of: {as_of}\n# export_kind: 增量\n"
    return read_text("diagnosis", form_text("diagnosis", rows, as_of=comment))[0]


def rules_of(ring: KeyRing, *batches: BatchForms) -> list[str]:
    return sorted(finding.rule_id for finding in merge_batches(batches, ring).findings)


TWO = batch("b1", export("2026-11-20", *(form_row("diagnosis", lesion_no=n) for n in "12")))


def test_an_incremental_export_misses_nobody(ring: KeyRing) -> None:
    only = batch("c2", incremental("2026-11-21", form_row("diagnosis", subject_no="LC-0002")))
    merged = merge_batches([TWO, only], ring)
    assert len(merged.rows) == 3
    assert merged.findings == ()


def test_an_incremental_row_replaces_its_key(ring: KeyRing) -> None:
    row = form_row("diagnosis", lesion_no="2", reference_class="ICC")
    merged = merge_batches([TWO, batch("c2", incremental("2026-11-21", row))], ring)
    assert [r.text("reference_class") for r in merged.rows] == ["HCC", "ICC"]


def test_a_full_export_after_an_incremental_one_misses_who_is_not_in_it(ring: KeyRing) -> None:
    more = batch("c2", incremental("2026-11-21", form_row("diagnosis", subject_no="LC-0002")))
    full = batch("d3", export("2026-11-22", *(form_row("diagnosis", lesion_no=n) for n in "12")))
    assert rules_of(ring, TWO, more, full) == ["CLIN_SUBJECT_GONE"]


BAD = export("2026-11-20", form_row("diagnosis", diameter_mm="big"))


def test_what_reading_found_stands_until_that_form_comes_again(ring: KeyRing) -> None:
    other = export("2026-11-22", form_row("treatment"), form="treatment")
    assert rules_of(ring, batch("b1", BAD), batch("c2", other)) == ["CLIN_VALUE_UNREADABLE"]
    assert rules_of(ring, batch("b1", BAD), NEW) == []


def test_an_incremental_export_mends_the_rows_it_repeats_and_no_other(ring: KeyRing) -> None:
    same = batch("c2", incremental("2026-11-21", form_row("diagnosis")))
    other = batch("c2", incremental("2026-11-21", form_row("diagnosis", lesion_no="2")))
    assert rules_of(ring, batch("b1", BAD), same) == []
    assert rules_of(ring, batch("b1", BAD), other) == ["CLIN_VALUE_UNREADABLE"]


def test_a_refused_form_stands_until_it_is_taken_in_from_a_later_export(ring: KeyRing) -> None:
    refusal = make_finding(
        "site_delivery", "CLIN_FORM_REFUSED", SITE, object_type="file", object_id="3"
    )
    treatment = export("2026-11-20", form_row("treatment"), form="treatment")
    refused = BatchForms(
        SITE, BatchId("b1"), ClinicalIntake((treatment,), refusals=(("diagnosis", refusal),))
    )
    assert rules_of(ring, refused) == ["CLIN_FORM_REFUSED"]
    later = export("2026-11-21", form_row("treatment"), form="treatment")
    assert rules_of(ring, refused, batch("c2", later)) == ["CLIN_FORM_REFUSED"]
    assert rules_of(ring, refused, NEW) == []


@pytest.mark.parametrize("kind", ["sometimes", "全量\n# export_kind: 增量"])
def test_a_kind_of_export_that_is_unknown_or_two_refuses_the_form(kind: str) -> None:
    comment = f"# export_as_of: 2026-11-20\n# export_kind: {kind}\n"
    with pytest.raises(FormRefusedError, match="export_kind"):
        read_text("diagnosis", form_text("diagnosis", [form_row("diagnosis")], as_of=comment))


def test_the_kind_may_stand_in_a_column() -> None:
    text = form_text("diagnosis", [form_row("diagnosis")], more=["导出类型"])
    form, findings = read_text("diagnosis", text.rstrip("\r\n") + "incremental\r\n")
    assert (form.incremental, findings) == (True, [])


def test_what_a_row_says_has_one_digest_in_every_export_and_another_under_another_day(
    ring: KeyRing,
) -> None:
    first = batch("a", export("2026-11-20", form_row("diagnosis")))
    again = batch("b", export("2026-11-22", form_row("diagnosis")))
    changed = batch("c", export("2026-11-22", form_row("diagnosis", reference_class="FNH")))
    digests = [merge_batches([one], ring).rows[0].content_digest for one in (first, again, changed)]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_a_row_is_keyed_so_that_no_date_is_found_by_trying(ring: KeyRing) -> None:
    (row,) = merge_batches([OLD], ring).rows
    plain = digest_of_content(row.form, row.subject_id, row.key, row.values)
    assert row.content_digest == ring.keyed_digest(plain) != plain


def test_adjudicators_get_keyed_codes(ring: KeyRing) -> None:
    form = export("2026-11-20", form_row("adjudication"), form="adjudication")
    (row,) = merge_batches([batch("a", form)], ring).rows
    assert str(row.text("reader_id")).startswith("R-")
