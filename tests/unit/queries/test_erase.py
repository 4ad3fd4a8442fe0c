"""An erased subject leaves the register of queries and the files to and from sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.run.zones import Zones
from tasks.queries.store import (
    changing_queries,
    keep_answer_file,
    read_queries,
    require_new_answer_file,
    write_outgoing,
)
from tasks.queries.store_erase import erase_from_queries
from tasks.queries.sync import plan_sync
from tests.unit.queries.builders import about, night

SUBJECT = "S91-7K3QF2ZN"


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A home with one query about the subject and one about somebody else."""
    zones = Zones(tmp_path)
    with changing_queries(zones) as register:
        both = (about("f1", subject_id=SUBJECT), about("f2", subject_id="S91-ABCDEFGH"))
        register.add(plan_sync({}, night(1, *both)))
    return zones


def test_events_about_the_subject_go_and_the_others_stay(zones: Zones) -> None:
    assert erase_from_queries(zones, SUBJECT, {"0012"}) == 1
    (left,) = read_queries(zones).values()
    assert left.about.subject_id == "S91-ABCDEFGH"
    register = (zones.operations / "queries" / "000001.json").read_bytes()
    assert SUBJECT.encode() not in register
    assert erase_from_queries(zones, SUBJECT, {"0012"}) == 0


def test_files_that_name_the_subject_are_emptied_at_every_site(zones: Zones) -> None:
    own = write_outgoing(zones.outgoing("S91"), "queries_1", [{"a": "Q-1", "b": "0012"}])
    other = write_outgoing(zones.outgoing("S91"), "queries_2", [{"a": "Q-2", "b": "0120"}])
    answers = [b"query_id,no\nQ-1,0012\n", b"query_id,no\nQ-2,0120\n", b"\xff\xfe\x00"]
    for site, data in zip(("S92", "S91", "S91"), answers, strict=True):
        keep_answer_file(zones, site, data, require_new_answer_file(zones, site, data))
    erase_from_queries(zones, SUBJECT, {"0012"})
    assert [path.stat().st_size for path in own] == [0, 0]
    assert all(path.stat().st_size for path in other)
    kept = [p.read_bytes() for p in sorted((zones.restricted / "answers").glob("*/*"))]
    assert sorted(kept) == sorted([b"", b"", answers[1]])
    with pytest.raises(Exception, match="imported before"):
        require_new_answer_file(zones, "S92", answers[0])
