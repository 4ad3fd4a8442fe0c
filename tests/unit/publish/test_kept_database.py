"""A database begins with kept rows of images only where every one of them stays as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.publish import store_kept_database
from tasks.publish.diff.content import table_hash
from tasks.publish.store import build_release
from tasks.publish.store_kept_database import KeptDatabase
from tasks.publish.store_kept_images import forget_images
from tasks.publish.store_tables import write_parquet
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import CONTRACTS, make_cohort, make_facts, make_sources
from tests.unit.publish.test_release import SIGNER, files_below
from tests.unit.publish.test_reuse import OWN, in_parts

IMAGES = CONTRACTS["instance"]
RING = KeyRing(bytes(range(32)))
Parts = Mapping[str, pa.Table]


def images(site: str, first: int, series: int, slices: int = 100) -> pa.Table:
    """Return the rows of some series of a site, sorted by key."""
    of = np.repeat(np.arange(first, first + series), slices)
    number = np.tile(np.arange(slices), series) + 1
    uids = [f"2.25.{site[1:]}{one:07d}" for one in of]
    made = {
        "series_uid": uids,
        "sub_stack_digest": [f"{site}{one:08x}" for one in of],
        "slice_no": number,
        "subject_id": [f"{site}-{chr(65 + one % 26)}AAAAAAA" for one in of],
        "sop_uid": [f"{uid}.{slice_no}" for uid, slice_no in zip(uids, number, strict=True)],
        "slice_position_mm": number * 2.5,
        "batch_id": [f"b-{site}"] * len(of),
    }
    rows = [pa.array(made[f.name], f.type) if f.name in made else pa.nulls(len(of), f.type)
            for f in IMAGES.arrow_schema()]  # fmt: skip
    return pa.table(rows, schema=IMAGES.arrow_schema())


def with_value(rows: pa.Table, column: str, at: int, value: object) -> pa.Table:
    place = rows.schema.get_field_index(column)
    values = rows[column].to_pylist()
    values[at] = value
    return rows.set_column(place, rows.schema.field(place), pa.array(values, rows[column].type))


def in_order(*tables: pa.Table) -> pa.Table:
    return pa.concat_tables(tables).sort_by([(key, "ascending") for key in IMAGES.primary_key])


FIRST: Parts = {"X001": images("X001", 0, 60), "X002": images("X002", 0, 40)}
MORE = images("X001", 60, 3)


def begin(kept: KeptDatabase, path: Path, parts: Parts) -> bool:
    """Begin a database, and require that it says what its parts do, as a reader needs it."""
    files, hashes = {}, {}
    path.unlink(missing_ok=True)
    for site, rows in parts.items():
        name = f"tables/instance/{site}.parquet"
        files[name], hashes[name] = path.parent / f"{site}.parquet", str(table_hash(rows))
        write_parquet(rows, files[name])
    is_continued = kept.begin(path, IMAGES, files, hashes)
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.sql("SELECT * FROM instance").to_arrow_table()
        keys = connection.execute(
            "SELECT constraint_column_names FROM duckdb_constraints()"
            " WHERE constraint_type = 'PRIMARY KEY'"
        ).fetchall()
    found = found.cast(IMAGES.arrow_schema())
    assert in_order(found) == in_order(*parts.values())
    assert keys == [([*IMAGES.primary_key],)]
    # The images of a series lie beside each other, in their order: the views need that.
    starts = np.flatnonzero(found["slice_no"].to_numpy() == 1)
    assert len(starts) == len(pc.unique(found["series_uid"]))
    assert np.all(
        np.diff(found["slice_no"].to_numpy())[np.setdiff1d(np.arange(1, len(found)), starts) - 1]
        == 1
    )
    return is_continued


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptDatabase:
    """What a first release left. A few blocks more are much of so small a file."""
    monkeypatch.setattr(store_kept_database, "GROWTH", 2.0)
    made = KeptDatabase(Zones(home=tmp_path), RING)
    assert not begin(made, tmp_path / "first.duckdb", FIRST)
    made.keep()
    return made


ADDED: Mapping[str, Parts] = {
    "nothing": FIRST,
    "series of a known person": {**FIRST, "X001": in_order(FIRST["X001"], MORE)},
    "series that sort before the others": {
        **FIRST, "X001": in_order(FIRST["X001"], images("X000", 0, 2))
    },
    "a site": {**FIRST, "X003": images("X003", 0, 2)},
}  # fmt: skip
OTHERS: Mapping[str, Parts] = {
    "a value corrected": {**FIRST, "X001": with_value(FIRST["X001"], "slice_position_mm", 7, 1.0)},
    "zero became minus zero": {
        **FIRST, "X001": with_value(FIRST["X001"], "slice_position_mm", 7, -0.0)
    },
    "an object exchanged": {**FIRST, "X002": with_value(FIRST["X002"], "sop_uid", 7, "2.25.9")},
    "an image gone": {**FIRST, "X001": FIRST["X001"].slice(0, 5999)},
    "somebody withdrew": {
        **FIRST,
        "X001": FIRST["X001"].filter(pc.not_equal(FIRST["X001"]["subject_id"], "X001-BAAAAAAA")),
    },
    "a site gone": {"X001": FIRST["X001"]},
    "an image of a known series": {
        **FIRST, "X002": in_order(FIRST["X002"], images("X002", 0, 1, 101).slice(100))
    },
    "a series more and one corrected": {
        **FIRST, "X001": in_order(with_value(FIRST["X001"], "batch_id", 0, "b"), MORE)
    },
    "a series that changed its site": {
        "X001": FIRST["X001"].slice(0, 5900),
        "X002": in_order(FIRST["X002"], FIRST["X001"].slice(5900)),
    },
}  # fmt: skip


@pytest.mark.parametrize("what", ADDED)
def test_rows_are_added_where_all_others_stay(
    kept: KeptDatabase, tmp_path: Path, what: str
) -> None:
    if what == "series that sort before the others":
        assert ADDED[what]["X001"]["series_uid"][0].as_py() < FIRST["X001"]["series_uid"][0].as_py()
    assert begin(kept, tmp_path / "next.duckdb", ADDED[what])
    kept.keep()
    assert begin(kept, tmp_path / "next.duckdb", ADDED[what])


@pytest.mark.parametrize("what", OTHERS)
def test_it_is_made_anew_where_anything_else_changed(
    kept: KeptDatabase, tmp_path: Path, what: str
) -> None:
    """What was corrected or withdrawn would otherwise stay in its blocks."""
    assert not begin(kept, tmp_path / "next.duckdb", OTHERS[what])
    kept.keep()
    assert begin(kept, tmp_path / "next.duckdb", OTHERS[what])


def test_a_release_that_was_not_published_changes_nothing_of_what_is_kept(
    kept: KeptDatabase, tmp_path: Path
) -> None:
    more = ADDED["series of a known person"]
    assert begin(kept, tmp_path / "next.duckdb", more)
    kept.discard()  # somebody is held: again, without that person
    assert not list((tmp_path / "restricted" / "images").glob(".*"))
    assert begin(kept, tmp_path / "next.duckdb", FIRST)
    killed = KeptDatabase(Zones(home=tmp_path), RING)
    begin(killed, tmp_path / "next.duckdb", more)
    assert begin(KeptDatabase(Zones(home=tmp_path), RING), tmp_path / "next.duckdb", FIRST)


def test_a_key_that_is_there_twice_is_told_as_ever(kept: KeptDatabase, tmp_path: Path) -> None:
    twice = {**FIRST, "X003": pa.concat_tables([MORE, MORE])}
    with pytest.raises(duckdb.ConstraintException):
        begin(kept, tmp_path / "next.duckdb", twice)
    assert begin(kept, tmp_path / "next.duckdb", ADDED["a site"])


def test_a_release_is_made_though_nothing_can_be_kept(
    kept: KeptDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = store_kept_database._copy

    def full_disk(source: Path, target: Path) -> None:
        if target.name.startswith("."):
            target.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        plain(source, target)

    monkeypatch.setattr(store_kept_database, "_copy", full_disk)
    assert begin(kept, tmp_path / "next.duckdb", ADDED["a site"])
    kept.keep()
    monkeypatch.undo()
    monkeypatch.setattr(store_kept_database, "GROWTH", 2.0)
    assert not list((tmp_path / "restricted" / "images").glob(".*"))
    assert begin(kept, tmp_path / "next.duckdb", FIRST)  # what is kept is that of the first


def test_a_published_release_does_not_fail_for_what_it_leaves_the_next(
    kept: KeptDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be there, and the home would not remember it as its own."""

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_kept_database, "write_kept", full_disk)
    assert begin(kept, tmp_path / "next.duckdb", ADDED["a site"])
    kept.keep()
    monkeypatch.undo()
    assert not begin(kept, tmp_path / "next.duckdb", ADDED["a site"])


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut_in_half, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("name", ["instance.duckdb", "database.kept"])
def test_what_is_damaged_or_gone_is_made_anew(
    kept: KeptDatabase, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / "restricted" / "images" / name)
    assert not begin(kept, tmp_path / "next.duckdb", FIRST)
    kept.keep()
    assert begin(kept, tmp_path / "next.duckdb", FIRST)


def test_of_another_home_or_after_an_erasure_nothing_counts(
    kept: KeptDatabase, tmp_path: Path
) -> None:
    other = KeptDatabase(Zones(home=tmp_path), KeyRing(bytes(32)))
    assert not begin(other, tmp_path / "next.duckdb", FIRST)
    forget_images(Zones(home=tmp_path))
    assert not list(tmp_path.glob("restricted/**/*.duckdb"))
    assert not begin(kept, tmp_path / "next.duckdb", FIRST)


def test_a_file_that_grew_is_made_anew(
    kept: KeptDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_kept_database, "GROWTH", 0.9)
    assert not begin(kept, tmp_path / "next.duckdb", FIRST)


def test_releases_say_the_same_whether_they_began_with_it_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody comes and values are corrected; then somebody is kept out: all tables and views."""
    monkeypatch.setattr(store_kept_database, "GROWTH", 99.0)  # of a few rows it says nothing
    more = make_cohort(extra_subject="S92-DDDD5555", age=61.0)
    steps: list[tuple[dict[str, pa.Table], dict[str, str]]] = [
        (make_cohort(), {}),
        (more, {}),
        (more, {"S92-DDDD5555": "suppressed"}),
    ]
    begun = []
    plain = KeptDatabase.begin

    def noted(kept: KeptDatabase, *given: object) -> bool:
        begun.append(plain(kept, *given))  # type: ignore[arg-type]
        return begun[-1]

    def released(home: Path, tables: object, kept_out: object, *, keep: bool) -> Path:
        made = build_release(
            tables,  # type: ignore[arg-type]
            releases_dir=home / "releases",
            nifti_sources=make_sources(tmp_path / "warehouse", more),
            facts=make_facts(kept_out=kept_out),
            signer=SIGNER,
            previous_is_proven=True,
            kept=KeptDatabase(Zones(home=tmp_path), RING) if keep else None,
        )
        assert made.path is not None
        return made.path

    monkeypatch.setattr(KeptDatabase, "begin", noted)
    for number, (tables, kept_out) in enumerate(steps):
        if number:
            shutil.copytree(tmp_path / "home", tmp_path / f"copy{number}", symlinks=True)
        given = in_parts(tables, tmp_path / f"{number}")
        one = released(tmp_path / "home", given, kept_out, keep=True)
        if number:
            same_but_the_database(
                one, released(tmp_path / f"copy{number}", given, kept_out, keep=False)
            )
            assert verify_release(one) == []
    assert begun == [False, True, False]


def same_but_the_database(one: Path, other: Path) -> None:
    first, second = files_below(one), files_below(other)
    assert {name for name in first if first[name] != second.get(name)} <= {*OWN}
    assert first.keys() == second.keys()
    said = []
    for release in (one, other):
        with duckdb.connect(str(release / "cohort.duckdb"), read_only=True) as connection:
            names = connection.execute(
                "SELECT table_name FROM information_schema.tables ORDER BY table_name"
            ).fetchall()
            said.append(
                {
                    name: sorted(
                        map(repr, connection.execute(f'SELECT * FROM "{name}"').fetchall())
                    )
                    for (name,) in names
                }
            )
    assert said[0] == said[1]
    assert said[0]["slice_steps"]
