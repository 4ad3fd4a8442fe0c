"""An erased person's rows leave the sealed forms, and a later export does not bring them back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from schemas.identifiers import BatchId, Sha256, SiteCode, SubjectNo
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from schemas.vault.suppression import Scope, Withdrawal, record_withdrawal
from tasks.clinical.form_rows import ClinicalIntake, FormRow, FormRows
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.reconcile import check_rows
from tasks.clinical.store import read_sealed, write_sealed
from tasks.clinical.store_erase import erase_from_forms, keep_out_erased

RING, SITE = KeyRing(bytes(range(32))), SiteCode("S91")
ERASE = Withdrawal(scope=Scope.ERASE, reason="r", document="E-1", by="Li", approved_by="Wang")


def intake() -> ClinicalIntake:
    rows = tuple(FormRow(n, SubjectNo(f"P{n}"), (f"P{n}",), {"sex": "F"}) for n in (1, 2, 3))
    form = FormRows(
        form="demographics",
        file_no=1,
        source_sha256=Sha256("a" * 64),
        export_as_of=dt.date(2026, 11, 20),
        encoding="utf-8",
        rows=rows,
    )
    return ClinicalIntake((form,))


def people(forms: ClinicalIntake) -> list[str]:
    return [row.person for form in forms.forms for row in form.rows]


def test_only_the_rows_of_the_person_leave_the_sealed_forms(tmp_path: Path) -> None:
    zones, batch = Zones(home=tmp_path), BatchId("b1")
    folder = zones.restricted_batch(SITE, batch)
    write_sealed(folder, intake(), RING, site=SITE, batch_id=batch)
    subject = RING.subject_id(SITE, SubjectNo("P2"))
    assert erase_from_forms(zones, RING, SITE, subject) == 1
    assert people(read_sealed(folder, RING, site=SITE, batch_id=batch)) == ["P1", "P3"]
    assert erase_from_forms(zones, RING, SITE, subject) == 0


def test_a_later_export_brings_an_erased_person_not_back(tmp_path: Path) -> None:
    zones = Zones(home=tmp_path)
    assert people(keep_out_erased(intake(), zones, RING, SITE)) == ["P1", "P2", "P3"]
    subject = RING.subject_id(SITE, SubjectNo("P2"))
    record_withdrawal(zones.restricted, RING, subject, ERASE)
    assert people(keep_out_erased(intake(), zones, RING, SITE)) == ["P1", "P3"]


def test_nobody_is_asked_for_the_screening_number_of_an_erased_person(tmp_path: Path) -> None:
    zones, batches = Zones(home=tmp_path), [BatchId("b1"), BatchId("b2")]
    log = replace(
        intake().forms[0],
        form="screening_log",
        rows=tuple(
            FormRow(n, SubjectNo(f"P{n}"), (f"SCR-{n}",), {"enrolled": "yes"}) for n in (1, 2, 4)
        ),
    )
    folders = [zones.restricted_batch(SITE, batch) for batch in batches]
    write_sealed(folders[0], ClinicalIntake((log,)), RING, site=SITE, batch_id=batches[0])
    subject = RING.subject_id(SITE, SubjectNo("P2"))
    record_withdrawal(zones.restricted, RING, subject, ERASE)
    assert erase_from_forms(zones, RING, SITE, subject) == 1
    later = replace(log, export_as_of=dt.date(2026, 11, 21))
    again = keep_out_erased(ClinicalIntake((later,)), zones, RING, SITE)
    write_sealed(folders[1], again, RING, site=SITE, batch_id=batches[1])
    for known in (folders[:1], folders):
        forms = [
            BatchForms(SITE, batch, read_sealed(folder, RING, site=SITE, batch_id=batch))
            for folder, batch in zip(known, batches, strict=False)
        ]
        merged = merge_batches(forms, RING)
        assert [row.key[0] for row in merged.rows] == ["SCR-1", "SCR-4"]
        (gap,) = [
            f for f in check_rows(merged.rows, merged.erased) if f.rule_id == "CLIN_SCREENING_GAP"
        ]
        assert gap.observed == "1"
