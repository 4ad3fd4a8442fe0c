"""Who is kept when a person's dates do not fit together."""

from __future__ import annotations

from pathlib import Path

from schemas.states import ReasonCode
from tests.builders import make_instance, write_files
from tests.unit.deidentify.helpers import RING, assignment, deidentify_files, deliver, linkage


def test_a_person_whose_dates_moved_by_different_days_is_held_whole_and_alone(
    tmp_path: Path,
) -> None:
    links = linkage(
        assignment("LC-001", "PID000001", shift_days=400),
        assignment("LC-001", "OUT98765", shift_days=401),
        assignment("LC-002", "PID000002"),
    )
    slices = [
        make_instance(study=1),
        make_instance(study=2, PatientID="OUT98765"),
        make_instance(subject=2),
    ]
    files = deliver(write_files(tmp_path / "in", slices))
    outcomes = deidentify_files(files, links, RING, tmp_path / "out", workers=1)
    mismatch = ReasonCode.INTERVAL_MISMATCH
    assert [o.reason for o in outcomes] == [mismatch, mismatch, None]
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1
