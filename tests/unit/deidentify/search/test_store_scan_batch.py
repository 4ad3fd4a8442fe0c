"""The search of a batch: decided words are left out, and what was withheld stops nothing more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.handover.records import ConvertedVolumes, SettledImages
from schemas.handover.workbench import Workbench
from schemas.identifiers import BatchId, Sha256, SiteCode, SopUid
from schemas.records import FileOutcome
from schemas.run.zones import Zones
from schemas.states import FileState, ReasonCode
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.store_held_words import (
    HELD_NAME,
    held_words,
    undecided_words,
    write_held_words,
)
from tasks.deidentify.search.store_scan_batch import left_in_tables, scan_staged, withhold
from tests.builders import make_series

SITE, BATCH = SiteCode("S91"), BatchId("0123456789abcdef")
A, B = "S91-AAAA2222", "S91-BBBB2222"
WORD = Identifier(IdentifierKind.PHYSICIAN, "nightdesk")
PEOPLE = [SubjectIdentifiers(A, 700, frozenset([WORD])), SubjectIdentifiers(B, 900, frozenset())]


def accepted_image(number: int, features: InstanceFeatures, subject: str) -> FileOutcome:
    return FileOutcome(
        number,
        FileState.ACCEPTED,
        Sha256("0" * 64),
        9,
        sop_uid=SopUid(str(features.sop_uid)),
        subject_id=subject,
        features=replace(features, subject_id=subject),
    )


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A batch of two persons with one image each, before it is committed."""
    made = Workbench(Zones(tmp_path), SITE, BATCH)
    made.open()
    made.tables.mkdir()
    one, other = (read_features(data) for data in make_series(n_slices=2))
    images = (accepted_image(1, one, A), accepted_image(2, other, B))
    made.leave(SettledImages(images, {}))
    made.leave(ConvertedVolumes(()))
    return made


def write_table(bench: Workbench, **columns: list[str | None]) -> None:
    pq.write_table(pa.table(columns), bench.tables / "instance.parquet")


def reasons(images: SettledImages) -> dict[str, ReasonCode | None]:
    return {str(one.subject_id): one.reason for one in images.outcomes}


def test_a_word_in_the_row_of_its_person_holds_that_person_alone(bench: Workbench) -> None:
    write_table(bench, subject_id=[A, B], text=["nightdesk", "portal"])
    hits = scan_staged(bench, PEOPLE, 1, frozenset())
    images, _ = withhold(bench, hits)
    assert reasons(images) == {A: ReasonCode.IDENTIFIER_FOUND, B: None}


def test_a_duplicate_of_what_was_taken_back_is_held_with_it(bench: Workbench) -> None:
    """It would stand as the duplicate of something that is nowhere, and its bytes would go."""
    write_table(bench, subject_id=[A], text=["nightdesk"])
    images = bench.take(SettledImages)
    again = replace(images.outcomes[0], file_no=3, state=FileState.DUPLICATE, features=None)
    bench.leave(replace(images, outcomes=(*images.outcomes, again)))
    settled, _ = withhold(bench, scan_staged(bench, PEOPLE, 1, frozenset()))
    assert [one.reason for one in settled.outcomes] == [
        ReasonCode.IDENTIFIER_FOUND,
        None,
        ReasonCode.IDENTIFIER_FOUND,
    ]


def test_a_word_in_the_row_of_another_holds_both(bench: Workbench) -> None:
    write_table(bench, subject_id=[A, B], text=["portal", "nightdesk"])
    images, _ = withhold(bench, scan_staged(bench, PEOPLE, 1, frozenset()))
    assert set(reasons(images).values()) == {ReasonCode.IDENTIFIER_FOUND}


def test_a_decided_word_is_not_searched_for(bench: Workbench) -> None:
    write_table(bench, subject_id=[A], text=["nightdesk"])
    assert scan_staged(bench, PEOPLE, 1, frozenset({("S92", WORD)}))
    assert not scan_staged(bench, PEOPLE, 1, frozenset({("S91", WORD)}))


def test_what_stays_in_a_row_stops_the_batch_and_what_is_nobodys_does_not(
    bench: Workbench,
) -> None:
    write_table(bench, subject_id=[None, B], text=["nightdesk", "portal"])
    hits = scan_staged(bench, PEOPLE, 1, frozenset())
    assert left_in_tables(bench, hits) == hits
    images, _ = withhold(bench, hits)
    bench.leave(images)
    assert left_in_tables(bench, scan_staged(bench, PEOPLE, 1, frozenset())) == []
    write_table(bench, subject_id=[A, B], text=["nightdesk", "portal"])
    assert left_in_tables(bench, scan_staged(bench, PEOPLE, 1, frozenset()))


def test_the_data_manager_is_told_which_word_of_which_batch(bench: Workbench) -> None:
    write_table(bench, subject_id=[A], text=["nightdesk"])
    hits = scan_staged(bench, PEOPLE, 1, frozenset())
    words = held_words(SITE, BATCH, PEOPLE, hits, bench.folder)
    place = bench.zones.restricted_batch(SITE, BATCH) / HELD_NAME
    write_held_words(place, words)
    (told,) = undecided_words(bench.zones)
    assert (told.site, told.batch, told.subject_id) == (SITE, BATCH, A)
    assert (told.kind, told.value, told.file) == (
        "physician",
        "nightdesk",
        "tables/instance.parquet",
    )
    assert place.stat().st_mode & 0o777 == 0o600
