"""Files: each delivered form ends in one state; what is sealed opens with the key alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import BatchId
from schemas.records import DeliveredFile, FileKind
from schemas.run.atomic_files import sha256_of_bytes
from schemas.states import FileState, ReasonCode
from schemas.vault.keys import KeyRing
from tasks.clinical import store
from tasks.clinical.pseudonymise import tables_for_batch
from tests.unit.clinical.forms import ROWS, SITE, form_row, form_text, intake_of, read_rows

BATCH = BatchId("0123456789abcdef")


def delivered(folder: Path, number: int, name: str, data: bytes) -> DeliveredFile:
    path = folder / f"{number}"
    path.write_bytes(data)
    return DeliveredFile(
        file_no=number,
        relative_path=f"clinical/{name}",
        place=str(path),
        size_bytes=len(data),
        sha256=sha256_of_bytes(data),
        kind=FileKind.CLINICAL,
    )


def test_every_clinical_file_ends_in_one_state_and_one_bad_form_stops_nothing(
    tmp_path: Path,
) -> None:
    good = form_text("pathology", [form_row("pathology")])
    named = form_text("treatment", [form_row("treatment")], more=["姓名"])
    undated = form_text("diagnosis", [form_row("diagnosis")], as_of="")
    files = [
        delivered(tmp_path, 4, "notes.csv", b"a,b"),
        delivered(tmp_path, 1, "病理.csv", good.encode("gb18030")),
        delivered(tmp_path, 2, "treatment.csv", named.encode()),
        delivered(tmp_path, 3, "diagnosis.csv", undated.encode()),
    ]
    intake = store.read_forms(files, site=SITE)
    assert [form.form for form in intake.forms] == ["pathology"]
    assert intake.forms[0].encoding == "gb18030"
    assert [(o.file_no, o.state, o.reason) for o in intake.outcomes] == [
        (1, FileState.CLINICAL, None),
        (2, FileState.QUARANTINED, ReasonCode.DIRECT_IDENTIFIER_COLUMN),
        (3, FileState.QUARANTINED, ReasonCode.NO_EXPORT_DATE),
        (4, FileState.QUARANTINED, ReasonCode.UNKNOWN_FORM),
    ]
    assert [finding.rule_id for finding in intake.findings] == ["CLIN_FORM_REFUSED"] * 3


def test_what_was_sealed_is_read_back_whole(tmp_path: Path, ring: KeyRing) -> None:
    intake = intake_of(*[read_rows(form, form_row(form))[0] for form in sorted(ROWS)])
    path = store.write_sealed(tmp_path, intake, ring, site=SITE, batch_id=BATCH)
    assert store.read_sealed(tmp_path, ring, site=SITE, batch_id=BATCH) == intake
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"LC-0001" not in path.read_bytes()


def test_a_seal_opens_for_its_key_and_its_batch_alone(tmp_path: Path, ring: KeyRing) -> None:
    store.write_sealed(tmp_path, intake_of(), ring, site=SITE, batch_id=BATCH)
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        store.read_sealed(tmp_path, KeyRing(bytes(32)), site=SITE, batch_id=BATCH)
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        store.read_sealed(tmp_path, ring, site=SITE, batch_id=BatchId("f" * 16))


def test_a_batch_without_forms_has_nothing_sealed(tmp_path: Path, ring: KeyRing) -> None:
    assert store.read_sealed(tmp_path, ring, site=SITE, batch_id=BATCH).forms == ()


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, ring: KeyRing) -> None:
    rows = [form_row("diagnosis", lesion_no=str(number)) for number in (1, 2, 3)]
    for name, order in (("a", rows), ("b", rows)):
        intake = intake_of(read_rows("diagnosis", *order)[0])
        store.write_tables(tmp_path / name, tables_for_batch(intake, ring, SITE))
    first, second = (tmp_path / name / "clinical_diagnosis.parquet" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert pq.read_table(first).num_rows == 3
