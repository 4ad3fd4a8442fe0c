"""Readers get a list of lesions that says nothing of what anybody thinks they are."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

import pytest

from schemas.adjudication import AdjudicationCase
from schemas.clinical_rows import ClinicalRow
from schemas.run.zones import Zones
from tasks.eligibility.assemble import assemble_cohort
from tasks.eligibility.store_cases import write_cases
from tasks.reference.judge import judge_subject
from tests.unit.clinical.forms import read_text
from tests.unit.eligibility.cohort import plain_images, plain_rows, row

CONTRADICTED = row("diagnosis", reference_class="FNH")


def cases(*changed: ClinicalRow) -> list[AdjudicationCase]:
    forms = {one.form for one in changed}
    rows = [*(one for one in plain_rows() if one.form not in forms), *changed]
    return list(assemble_cohort(rows, plain_images(), judge_subject).cases)


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    return Zones(tmp_path)


def test_a_proven_lesion_is_no_case_and_a_contradicted_one_is() -> None:
    assert cases() == []
    (case,) = cases(CONTRADICTED)
    assert (case.site, case.subject_no, case.lesion_no) == ("S91", "LC-1", 1)


def test_a_route_that_is_not_accepted_is_no_case() -> None:
    imaging = row("diagnosis", reference_route="imaging")
    assert cases(imaging, row("pathology", pathology_done="no", specimen_no=0)) == []


@pytest.mark.parametrize("status", ["withdrawn", "unknown"])
def test_a_person_who_did_not_consent_is_shown_to_nobody(status: str) -> None:
    assert cases(CONTRADICTED, row("demographics", consent_status=status)) == []


def test_the_list_is_the_form_begun_and_reads_as_one_when_filled_in(zones: Zones) -> None:
    write_cases(zones, cases(CONTRADICTED), ["S91"])
    path = zones.outgoing("S91") / "adjudication_S91.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (line,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    assert "FNH" not in line.values()
    assert not any(line[name] for name in ("role", "reader_id", "reference_class", "decided_on"))
    filled = line | {
        "subject_no": "LC-0001",
        "role": "阅片者",
        "reader_id": "R01",
        "reference_class": "HCC",
        "decided_on": "2026-03-01",
    }
    text = f"# export_as_of: 2026-11-20\n{','.join(filled)}\n{','.join(filled.values())}\n"
    form, findings = read_text("adjudication", text)
    assert findings == []
    (entered,) = form.rows
    assert entered.values["evidence_digest"] == line["evidence_digest"]
    assert entered.values["role"] == "reader"


def test_a_list_whose_cases_are_settled_is_emptied_and_no_list_is_made_for_nothing(
    zones: Zones,
) -> None:
    write_cases(zones, cases(CONTRADICTED), ["S91", "S92"])
    write_cases(zones, [], ["S91", "S92"])
    lines = (zones.outgoing("S91") / "adjudication_S91.csv").read_text(encoding="utf-8-sig")
    assert len(lines.splitlines()) == 1
    assert not zones.outgoing("S92").exists()
