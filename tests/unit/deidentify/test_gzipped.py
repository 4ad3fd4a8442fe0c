"""Images that were packed one by one are read; what cannot be unpacked says what it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from schemas.states import FileState, ReasonCode
from tasks.deidentify.gzipped import unpacked
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.store import deidentify_batch
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, assignment, deliver, linkage

LINKS = linkage(assignment("LC-001", "PID000001"))
IMAGE = to_bytes(make_instance())


def outcome(tmp_path: Path, data: bytes) -> tuple[FileState, ReasonCode | None, str | None]:
    source = tmp_path / "IM0001.dcm.gz"
    source.write_bytes(data)
    batch = deidentify_batch(deliver([source]), LINKS, RING, tmp_path / "out", 1)
    (one,) = batch.outcomes
    return one.state, one.reason, one.detail


def test_a_packed_image_gives_what_the_plain_one_gives(tmp_path: Path) -> None:
    assert outcome(tmp_path, gzip.compress(IMAGE)) == (FileState.ACCEPTED, None, None)
    (packed,) = (tmp_path / "out").rglob("*.dcm")
    plain = tmp_path / "IM0001.dcm"
    plain.write_bytes(IMAGE)
    deidentify_batch(deliver([plain]), LINKS, RING, tmp_path / "plain", 1)
    (alike,) = (tmp_path / "plain").rglob("*.dcm")
    assert packed.read_bytes() == alike.read_bytes()


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (gzip.compress(b"name,id\n"), "a gzip file that holds no DICOM"),
        (gzip.compress(IMAGE)[:-20], "a gzip file that ends too early"),
        (gzip.compress(IMAGE)[:60] + bytes(200), "a gzip file"),
    ],
    ids=["no DICOM", "cut off", "damaged"],
)
def test_a_packed_file_that_is_no_image_is_named_as_what_it_is(
    tmp_path: Path, data: bytes, detail: str
) -> None:
    state, reason, said = outcome(tmp_path, data)
    assert (state, reason) == (FileState.QUARANTINED, ReasonCode.ARCHIVE_UNREADABLE)
    assert said == detail


def test_what_grows_beyond_the_limit_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(1 << 20))
    assert unpacked(bomb, most_bytes=1 << 16) == Refusal(
        ReasonCode.ARCHIVE_TOO_LARGE, "a gzip file"
    )
