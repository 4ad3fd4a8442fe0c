"""Nothing a header says reaches a log, a message, a file name or the audit."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tasks.deidentify.store_folder import deidentify_folder
from tests.unit.deidentify.helpers import RING, SITE, accepted
from tests.unit.deidentify.planted import FORMS, SITUATIONS, plant


def test_no_identifier_is_printed_logged_or_written_beside_the_objects(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    src = tmp_path / "src"
    src.mkdir()
    for number, situation in enumerate(SITUATIONS.values()):
        source, _ = plant(situation)
        # The second one breaks inside a text, so that something has to be said about it.
        (src / f"{number}").write_bytes(source if number % 2 else source[:-600])
    summary = deidentify_folder(src, tmp_path / "dst", SITE, RING, subject_from="patient_id")
    assert summary.files == len(SITUATIONS)
    assert summary.states["accepted"] >= 1
    said = "".join(capfd.readouterr()) + caplog.text + repr(summary)
    written = [p for p in (tmp_path / "dst").rglob("*") if p.suffix != ".dcm"]
    said += "".join(p.name for p in written)
    said += "".join(p.read_bytes().decode("latin-1") for p in written if p.is_file())
    assert [form for form in FORMS if form in said] == []


def test_records_do_not_show_what_is_restricted() -> None:
    source, _ = plant(SITUATIONS["utf-8"])
    assert [form for form in FORMS if form in repr(accepted(source))] == []
