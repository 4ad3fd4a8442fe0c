"""The database of a release, made anew or from the one before, holds the same."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tasks.publish import store_write
from tasks.publish.diff.content import split_by_site
from tasks.publish.store_database import update_database, write_database
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import CONTRACTS, make_cohort, make_row, make_table
from tests.unit.publish.test_release import release

RELEASE = make_table("release", [make_row("release")])


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(path), read_only=True) as cohort:
        return {
            name: cohort.execute(f'SELECT * FROM "{name}" ORDER BY ALL').fetchall()
            for name in CONTRACTS
        }


def changed_parts(
    old: dict[str, pa.Table], new: dict[str, pa.Table]
) -> dict[str, dict[str, pa.Table]]:
    found: dict[str, dict[str, pa.Table]] = {}
    for name, table in new.items():
        before, after = (split_by_site(t, CONTRACTS[name]) for t in (old[name], table))
        for stem in before.keys() | after.keys():
            part = after.get(stem, table.slice(0, 0))
            if stem not in before or not part.equals(before[stem]):
                found.setdefault(name, {})[stem] = part
    return found


@pytest.mark.parametrize("change", [{"age": 61.0}, {"extra_subject": "S92-DDDD5555"}])
def test_an_updated_copy_holds_what_a_new_file_would(
    tmp_path: Path, change: dict[str, object]
) -> None:
    old = make_cohort() | {"release": RELEASE}
    new = make_cohort(**change) | {"release": RELEASE}  # type: ignore[arg-type]  # named cases
    write_database(tmp_path / "old.duckdb", old, CONTRACTS)
    write_database(tmp_path / "whole.duckdb", new, CONTRACTS)
    changed = changed_parts(old, new)
    assert changed
    update_database(tmp_path / "old.duckdb", tmp_path / "new.duckdb", changed, CONTRACTS)
    assert rows_of(tmp_path / "new.duckdb") == rows_of(tmp_path / "whole.duckdb")
    assert rows_of(tmp_path / "old.duckdb") != rows_of(tmp_path / "new.duckdb")
    header = (tmp_path / "new.duckdb").read_bytes()[:20]
    assert int.from_bytes(header[12:20], "little") == 64


@pytest.mark.parametrize(("removed", "anew"), [(False, False), (True, True)])
def test_the_file_is_made_anew_when_somebody_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool, anew: bool
) -> None:
    extra = "S92-DDDD5555"
    release(tmp_path, make_cohort(extra_subject=extra if removed else None))
    made: list[Path] = []

    def noted(path: Path, *arguments: object) -> None:
        made.append(path)
        write_database(path, *arguments)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(store_write, "UPDATE_UP_TO", 1.0)
    monkeypatch.setattr(store_write, "write_database", noted)
    result = release(tmp_path, make_cohort() if removed else make_cohort(age=61.0))
    assert bool(made) is anew
    assert result.path is not None
    assert verify_release(result.path) == []
