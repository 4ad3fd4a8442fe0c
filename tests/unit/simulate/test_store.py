"""What `simulate` writes: the same bytes for the same seed, and nothing twice."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import Counter
from pathlib import Path

import pytest

from schemas.errors import BadInputError
from tasks.simulate.store import simulate
from tests.unit.simulate.conftest import Delivered


def bytes_below(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_two_runs_with_one_seed_write_identical_bytes(tmp_path: Path, three_sites: Path) -> None:
    simulate(tmp_path, sites=3, subjects=1, nights=1)
    assert bytes_below(tmp_path) == bytes_below(three_sites)


def test_another_seed_writes_other_persons(tmp_path: Path, one_night: Path) -> None:
    simulate(tmp_path, sites=1, subjects=1, nights=1, seed=2)
    first, second = bytes_below(one_night), bytes_below(tmp_path)
    key = "answer_key/identifiers.parquet"
    assert first[key] != second[key]


def test_nights_written_one_by_one_equal_nights_written_together(tmp_path: Path) -> None:
    together, apart = tmp_path / "together", tmp_path / "apart"
    simulate(together, sites=1, subjects=1)
    for night in (1, 2):
        simulate(apart, sites=1, subjects=1, only_nights=(night,))
    assert bytes_below(apart) == bytes_below(together)


def test_an_export_that_is_there_is_never_overwritten(tmp_path: Path, one_night: Path) -> None:
    shutil.copytree(one_night, tmp_path, dirs_exist_ok=True)
    before = bytes_below(tmp_path)
    with pytest.raises(BadInputError, match="there already"):
        simulate(tmp_path, sites=1, subjects=1, nights=1, seed=9)
    assert bytes_below(tmp_path) == before


def test_one_export_that_is_there_stops_all_sites_before_the_first_byte(
    tmp_path: Path, one_night: Path
) -> None:
    shutil.copytree(one_night, tmp_path, dirs_exist_ok=True)
    before = bytes_below(tmp_path)
    (tmp_path / "S91").rename(tmp_path / "S92")  # what the second site would write
    with pytest.raises(BadInputError, match="Nothing was written"):
        simulate(tmp_path, sites=2, subjects=1, nights=1)
    moved = {name.replace("S91/", "S92/"): data for name, data in before.items()}
    assert bytes_below(tmp_path) == moved


@pytest.mark.parametrize("wrong", [{"sites": 0}, {"sites": 10}, {"subjects": 0}, {"nights": 0}])
def test_counts_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(BadInputError, match=next(iter(wrong))):
        simulate(tmp_path, **wrong)  # type: ignore[arg-type]  # one keyword of several
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fault_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="unknown fault gremlin"):
        simulate(tmp_path, faults=("gremlin",))


def test_every_file_stands_in_the_answer_key_and_every_row_has_its_file(
    delivered: Delivered,
) -> None:
    rows = [(row["site"], row["export"], row["path"]) for row in delivered.key("files")]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(delivered.files)


def test_the_summary_counts_what_a_reader_of_the_exports_sees(delivered: Delivered) -> None:
    assert delivered.summary.n_files == len(delivered.files)
    assert delivered.summary.n_bytes == sum(map(len, delivered.files.values()))
    kinds = Counter(row["kind"] for row in delivered.key("identifiers"))
    assert delivered.summary.planted_by_kind == dict(kinds)
    assert delivered.summary.n_planted == sum(kinds.values())


def test_the_demo_stays_small(delivered: Delivered) -> None:
    assert 1500 <= delivered.summary.n_files <= 2500
    assert delivered.summary.n_bytes < 120_000_000


def test_every_night_of_every_site_is_closed_with_ready_and_linkage(delivered: Delivered) -> None:
    exports = {(site, export) for site, export, _ in delivered.files}
    assert len(exports) == 6
    for site, export in exports:
        assert (site, export, "READY") in delivered.files
        assert (site, export, "linkage.csv") in delivered.files


def test_a_manifest_states_hash_and_size_of_every_other_file(delivered: Delivered) -> None:
    manifests = [place for place in delivered.files if place[2] == "manifest.csv"]
    assert manifests
    for site, export, path in manifests:
        text = delivered.files[site, export, path].decode("utf-8")
        stated = {row["path"]: row for row in csv.DictReader(text.splitlines())}
        others = {
            name: data
            for (s, e, name), data in delivered.files.items()
            if (s, e) == (site, export) and name not in ("manifest.csv", "READY")
        }
        assert set(stated) == set(others)
        for name, data in others.items():
            assert stated[name]["sha256"] == hashlib.sha256(data).hexdigest()
            assert int(stated[name]["bytes"]) == len(data)


def test_one_person_has_several_hospital_numbers_at_some_sites(delivered: Delivered) -> None:
    text = delivered.files["S91", "2026-11-20", "linkage.csv"].decode("utf-8")
    numbers = Counter(row["study_subject_no"] for row in csv.DictReader(text.splitlines()))
    assert max(numbers.values()) == 2
