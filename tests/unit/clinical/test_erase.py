"""An erased person's rows leave the sealed forms, and a later export does not bring them back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from schemas.identifiers import BatchId, Sha256, SiteCode, SubjectNo
from schemas.keys import KeyRing
from schemas.suppression import Scope, Withdrawal, record_withdrawal
from schemas.zones import Zones
from tasks.clinical.form_rows import ClinicalIntake, FormRow, FormRows
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
