"""What the stages of a release hand over stays in memory, and goes when the release ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import LivercohortError
from schemas.handover.records import HeldSubjects
from schemas.handover.release_bench import ReleaseBench
from schemas.identifiers import BatchId, SiteCode
from schemas.run.zones import Zones


def bench_of(home: Path) -> ReleaseBench:
    """Return a bench as each stage makes its own."""
    return ReleaseBench(Zones(home), SiteCode("release"), BatchId("current"))


def test_what_one_stage_leaves_another_takes_itself_and_nothing_is_written(tmp_path: Path) -> None:
    bench_of(tmp_path).open()
    left = HeldSubjects(frozenset({"S91-AAAAAAAA"}))
    bench_of(tmp_path).leave(HeldSubjects())
    bench_of(tmp_path).leave(left)
    assert bench_of(tmp_path).take(HeldSubjects) is left
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("end", ["close", "open"])
def test_it_is_gone_when_the_release_ends_or_the_next_begins(tmp_path: Path, end: str) -> None:
    bench_of(tmp_path).open()
    bench_of(tmp_path).leave(HeldSubjects())
    getattr(bench_of(tmp_path), end)()
    with pytest.raises(LivercohortError, match="no held subjects were handed over"):
        bench_of(tmp_path).take(HeldSubjects)
    assert bench_of(tmp_path).folder.exists() is (end == "open")


def test_two_homes_do_not_meet(tmp_path: Path) -> None:
    bench_of(tmp_path / "a").leave(HeldSubjects())
    with pytest.raises(LivercohortError):
        bench_of(tmp_path / "b").take(HeldSubjects)
    bench_of(tmp_path / "a").close()
