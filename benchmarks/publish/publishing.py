"""Publishing at full size as a release does it: images in parts on the disk, each step a process.

    PYTHONPATH=. python benchmarks/publish/publishing.py [--subjects 3000] [--instances 9000000]

`scale.py` gives all tables from memory, so its peak is that of making them. Here they are made by a
process of their own and written as a release keeps them; then one process each publishes the first
release, one with nothing changed, and one in which the rows of one site of 28 are others. CPU is
user + system time of the process, start-up included; the peak is its largest memory.

`--trials` measures besides what the database alone takes: as it is, without the primary key of
`instance`, without `instance` (as if it lay in files beside), and the views over such files.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.processes import cost_of
from benchmarks.publish.made_cohort import CONTRACTS, make_facts, make_sources, make_tables
from benchmarks.publish.scale import BETTER_QUERIES
from schemas.run.zones import Zones
from schemas.tables.parted_tables import PartedTable, TablePart
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.publish.diff.content import split_by_site, table_hash
from tasks.publish.store import build_release
from tasks.publish.store_database import Rows, write_database
from tasks.publish.store_kept_database import KeptDatabase
from tasks.publish.store_tables import write_parquet

IMAGES = "instance"
CHANGED = "X004"
#: Images that a site sends in one night: ten patients.
A_NIGHT = 25_000
#: Which files of images a step has in stead of those of the first.
OTHERS = {"a night of one site": "more", "one site changed": "newer/images"}


def make(folder: Path, subjects: int, instances: int) -> None:
    """Write all tables, those of images in a file a site, and a changed one of one site."""
    for name, newer in (("tables", None), ("newer", 3)):
        made = make_tables(subjects, instances=instances, volumes=False, newer_site=newer)
        images = made.pop(IMAGES)
        for table, rows in made.items():
            write_parquet(rows, folder / name / f"{table}.parquet")
        for site, rows in split_by_site(images, CONTRACTS[IMAGES]).items():
            if newer is None:
                _write_part(rows, folder / IMAGES / f"{site}.parquet")
            elif site == CHANGED:
                _write_part(_with_a_night(rows), folder / "more" / f"{site}.parquet")
                place = rows.schema.get_field_index("slice_position_mm")
                moved = pc.add(rows["slice_position_mm"], 1.0)
                rows = rows.set_column(place, rows.schema.field(place), moved)
                _write_part(rows, folder / "newer" / "images" / f"{site}.parquet")


def _with_a_night(rows: pa.Table) -> pa.Table:
    """Return the rows of a site and of new series, that are copies of some under other names."""
    new = rows.slice(0, A_NIGHT)
    for name in ("series_uid", "sub_stack_digest", "sop_uid"):
        place = new.schema.get_field_index(name)
        other = pc.replace_substring_regex(new[name], "^(....)", r"\19")
        new = new.set_column(place, new.schema.field(place), other)
    keys = [(key, "ascending") for key in CONTRACTS[IMAGES].primary_key]
    return pa.concat_tables([rows, new]).sort_by(keys)


def _write_part(rows: pa.Table, path: Path) -> None:
    write_parquet(rows, path)
    path.with_suffix(".json").write_text(json.dumps([rows.num_rows, str(table_hash(rows))]))


def read(folder: Path, others: str | None = None) -> dict[str, pa.Table | PartedTable]:
    """Return what a release hands to the step that publishes."""
    place = folder / ("newer" if others else "tables")
    tables: dict[str, pa.Table | PartedTable] = {
        path.stem: pq.read_table(path).cast(CONTRACTS[path.stem].arrow_schema())
        for path in sorted(place.glob("*.parquet"))
    }
    files = {path.stem: path for path in sorted((folder / IMAGES).glob("*.parquet"))}
    if others:
        files |= {path.stem: path for path in (folder / others).glob("*.parquet")}
    parts = {}
    for site, path in files.items():
        rows, content = json.loads(path.with_suffix(".json").read_text())
        parts[site] = TablePart(path, rows, content)
    tables[IMAGES] = PartedTable(CONTRACTS[IMAGES].arrow_schema(), parts)
    return tables


def publish(folder: Path, others: str | None) -> None:
    """Publish once."""
    tables = read(folder, others)
    kept = KeptDatabase(Zones(home=folder), KeyRing(bytes(range(KEY_BYTES))))
    build_release(
        tables,
        releases_dir=folder / "releases",
        nifti_sources=make_sources(folder / "warehouse", {"nifti_volume": tables["nifti_volume"]}),
        facts=make_facts(),
        previous_is_proven=True,
        kept=kept,
    )


def database(folder: Path, kind: str) -> None:
    """Write the database alone, in one of several ways, and ask the views where they are there."""
    tables = read(folder)
    images = tables[IMAGES]
    assert isinstance(images, PartedTable)
    files = [part.path for part in images.parts.values()]
    rows: dict[str, Rows] = {
        name: table for name, table in tables.items() if not isinstance(table, PartedTable)
    }
    rows["release"] = CONTRACTS["release"].arrow_schema().empty_table()
    rows[IMAGES] = CONTRACTS[IMAGES].arrow_schema().empty_table() if kind == "without" else files
    contracts = dict(CONTRACTS)
    if kind == "no key":
        plain = replace(CONTRACTS[IMAGES], primary_key=())
        contracts[IMAGES] = _WithoutKey(**vars(plain))
    path = folder / f"{kind}.duckdb"
    path.unlink(missing_ok=True)
    write_database(path, rows, contracts)
    print(f"{kind}: {path.stat().st_size / 1e6:.0f} MB")


class _WithoutKey(type(CONTRACTS[IMAGES])):  # type: ignore[misc]  # a trial
    def ddl(self) -> str:
        return str(super().ddl()).replace(",\n  PRIMARY KEY ()", "")


def ask_views(folder: Path) -> None:
    """Ask the two slow views, of the table and of files beside the database."""
    listed = ", ".join(f"'{path}'" for path in sorted((folder / IMAGES).glob("*.parquet")))
    for kind in ("as it is", "files"):
        name = "as it is" if kind == "as it is" else "without"
        with duckdb.connect(str(folder / f"{name}.duckdb"), read_only=kind == "as it is") as base:
            if kind == "files":
                base.execute("DROP VIEW sub_stack_slices; DROP VIEW slice_steps")
                views = _views_of(folder / "as it is.duckdb")
                base.execute("DROP TABLE instance")
                base.execute(f"CREATE VIEW instance AS SELECT * FROM read_parquet([{listed}])")
                for view in views:
                    base.execute(view)
            for query in ("join, by its view", "slice gaps, by its view"):
                times = []
                for _ in range(6):
                    began = time.perf_counter()
                    base.execute(BETTER_QUERIES[query]).fetchall()
                    times.append((time.perf_counter() - began) * 1000)
                print(f"{kind:10} {query:26} least of five warm {min(times[1:]):6.0f} ms wall")


def _views_of(path: Path) -> list[str]:
    wanted = "('sub_stack_slices', 'slice_steps')"
    with duckdb.connect(str(path), read_only=True) as base:
        found = base.execute(f"SELECT sql FROM duckdb_views() WHERE view_name IN {wanted}")
        return [sql for (sql,) in found.fetchall()]


def main() -> None:
    """Print one line a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=3000)
    parser.add_argument("--instances", type=int, default=9_000_000)
    parser.add_argument("--trials", action="store_true")
    parser.add_argument("--step", default="", help="what one of the processes does")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.step:
        step(given)
        return
    with tempfile.TemporaryDirectory() as scratch:
        steps = ["make", "first", "nothing changed", *OTHERS]
        if given.trials:
            steps = ["make", "as it is", "no key", "without", "views"]
        for name in steps:
            again = [sys.executable, __file__, "--step", name, "--folder", scratch]
            size = ["--subjects", str(given.subjects), "--instances", str(given.instances)]
            cost = cost_of([[*again, *size]])
            print(
                f"{name:20} {cost.cpu_s:7.1f} s CPU {cost.wall_s:7.1f} s wall"
                f" {cost.peak_mib:7.0f} MiB",
                flush=True,
            )
        for path in sorted(Path(scratch).glob("*.duckdb")):
            print(f"{path.name:20} {path.stat().st_size / 1e6:7.0f} MB")
        if given.trials:
            print((Path(scratch) / "views.txt").read_text())


def step(given: argparse.Namespace) -> None:
    """Do what one process does."""
    if given.step == "make":
        make(given.folder, given.subjects, given.instances)
    elif given.step in ("first", "nothing changed", *OTHERS):
        publish(given.folder, OTHERS.get(given.step))
    elif given.step == "views":
        sys.stdout = (given.folder / "views.txt").open("w")
        ask_views(given.folder)
        sys.stdout.close()
        sys.stdout = sys.__stdout__
    else:
        database(given.folder, given.step)


if __name__ == "__main__":
    main()
