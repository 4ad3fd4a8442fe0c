"""Cost of a release of full size: publish, size, difference, one changed site, analyst queries.

    PYTHONPATH=. python benchmarks/publish/scale.py [--subjects 3000] [--instances 9000000]

The same tables go to Parquet (for pandas) and to SQLite, with the indexes a careful analyst
would make. A query is cold when a new process asks it first, with the file dropped from the
page cache; warm is the median of five more in that process. CPU is user + system time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.publish.made_cohort import make_facts, make_sources, make_tables
from tasks.publish.store import build_release, diff_releases

DUCKDB_QUERIES = {
    "series filter": "SELECT count(*) FROM series WHERE label = 'MR_T1_ART' "
    "AND slice_thickness_mm <= 5",
    "eligible with volumes": "SELECT s.site_code, count(DISTINCT s.subject_id), count(*) "
    "FROM subject s JOIN eligibility e USING (subject_id) JOIN series r USING (subject_id) "
    "WHERE e.status = 'eligible' GROUP BY 1 ORDER BY 1",
    "join and aggregate": "SELECT r.label, count(*), avg(i.slice_position_mm) FROM instance i "
    "JOIN series r USING (series_uid, sub_stack_digest) GROUP BY 1 ORDER BY 1",
    "slices of a series": "SELECT slice_no, sop_uid, slice_position_mm FROM instance "
    "WHERE series_uid = (SELECT max(series_uid) FROM series) ORDER BY slice_no",
    "slice gaps": "SELECT count(*) FROM (SELECT slice_position_mm - lag(slice_position_mm) OVER "
    "(PARTITION BY series_uid, sub_stack_digest ORDER BY slice_no) AS gap FROM instance) "
    "WHERE gap > 2.6",
}
#: The same questions by the views of a release, as `docs/analyst.md` puts them.
BETTER_QUERIES = {
    "join, by its view": "SELECT label, sum(n_images), sum(mean_mm * n_images) / sum(n_images) "
    "FROM sub_stack_slices GROUP BY ALL ORDER BY ALL",
    "slice gaps, by its view": "SELECT count(*) FROM slice_steps WHERE step_mm > 2.6",
    "slices by label": "SELECT label, sum(n_slices) FROM series GROUP BY ALL ORDER BY ALL",
}
ASK = """
import json, sys, time
engine, place, queries = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
def duck():
    import duckdb
    c = duckdb.connect(place + "/cohort.duckdb", read_only=True)
    return {n: (lambda q=q: c.execute(q).fetchall()) for n, q in queries.items()}
def sqlite():
    import sqlite3
    c = sqlite3.connect(place + "/cohort.sqlite")
    return {n: (lambda q=q: c.execute(q).fetchall()) for n, q in queries.items()}
def pandas_():
    import pandas as pd
    def t(name, columns): return pd.read_parquet(f"{place}/tables/{name}", columns=columns)
    key = ["series_uid", "sub_stack_digest"]
    def series():
        r = t("series", ["label", "slice_thickness_mm"])
        return int(((r.label == "MR_T1_ART") & (r.slice_thickness_mm <= 5)).sum())
    def eligible():
        s, e = t("subject", ["subject_id", "site_code"]), t("eligibility", ["subject_id", "status"])
        e = e[e.status == "eligible"]
        j = s.merge(e, on="subject_id").merge(t("series", ["subject_id"]), on="subject_id")
        return j.groupby("site_code").subject_id.agg(["nunique", "size"])
    def aggregate():
        i = t("instance", [*key, "slice_position_mm"]).merge(t("series", [*key, "label"]), on=key)
        return i.groupby("label").slice_position_mm.agg(["size", "mean"])
    def slices():
        uid = t("series", ["series_uid"]).series_uid.max()
        i = pd.read_parquet(f"{place}/tables/instance", columns=["slice_no", "sop_uid"],
                            filters=[("series_uid", "==", uid)])
        return i.sort_values("slice_no")
    def gaps():
        i = t("instance", [*key, "slice_no", "slice_position_mm"])
        i = i.sort_values([*key, "slice_no"])
        return int((i.groupby(key, sort=False).slice_position_mm.diff() > 2.6).sum())
    return dict(zip(queries, (series, eligible, aggregate, slices, gaps)))
ways = {"DuckDB": duck, "SQLite": sqlite, "pandas": pandas_}[engine]()
name = sys.argv[4]
times = []
for _ in range(int(sys.argv[5])):
    a = time.perf_counter(); ways[name](); times.append((time.perf_counter() - a) * 1000)
print(json.dumps(times))
"""


def measured(what: str, work: Callable[[], object]) -> object:
    """Run, print wall and CPU seconds and the peak memory of the process so far, and return."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = work()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - started
    print(f"{what:44} {wall:8.2f} s wall {cpu:8.2f} s CPU  peak {used.ru_maxrss / 1024:7.0f} MiB")
    return result


def size_mb(path: Path) -> float:
    """Return the size of a file or folder in MB."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files) / 1e6


def own_mb(path: Path) -> float:
    """Return the size of the files of a release that no earlier one shares."""
    files = [p for p in path.rglob("*") if p.is_file() and p.stat().st_nlink == 1]
    return sum(p.stat().st_size for p in files) / 1e6


def write_sqlite(tables: dict[str, pa.Table], path: Path) -> None:
    """Write the tables the queries need, with their indexes."""
    with sqlite3.connect(path) as database:
        for name in ("subject", "eligibility", "series", "instance"):
            kept = [f.name for f in tables[name].schema if not pa.types.is_list(f.type)]
            marks = ",".join("?" * len(kept))
            database.execute(f"CREATE TABLE {name} ({', '.join(kept)})")
            for batch in tables[name].select(kept).to_batches(200_000):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        database.execute("CREATE INDEX si ON instance(series_uid, sub_stack_digest, slice_no)")
        database.execute("CREATE INDEX ss ON series(series_uid, sub_stack_digest)")
        database.execute("CREATE INDEX sl ON series(label)")
        database.execute("CREATE INDEX su ON series(subject_id)")


def drop_cache(folder: Path) -> None:
    """Ask the kernel to forget the files."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def ask(engine: str, place: Path, name: str) -> tuple[float, float]:
    """Return cold and warm milliseconds of one query."""
    drop_cache(place)
    asked = BETTER_QUERIES if name in BETTER_QUERIES else DUCKDB_QUERIES
    command = [sys.executable, "-c", ASK, engine, str(place), json.dumps(asked), name]
    ended = subprocess.run([*command, "6"], check=True, capture_output=True, text=True)
    times = json.loads(ended.stdout.splitlines()[-1])  # DuckDB draws a bar when it takes long
    return times[0], statistics.median(times[1:])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=3000)
    parser.add_argument("--instances", type=int, default=9_000_000)
    parser.add_argument("--volumes", action="store_true", help="with a file for each series")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    shutil.rmtree(folder, ignore_errors=True)

    def made(newer_site: int | None = None) -> dict[str, pa.Table]:
        return make_tables(
            given.subjects,
            instances=given.instances,
            volumes=given.volumes,
            newer_site=newer_site,
        )

    def publish(tables: dict[str, pa.Table]) -> Path:
        result = build_release(
            tables,
            releases_dir=folder / "releases",
            nifti_sources=sources,
            facts=make_facts(),
            previous_is_proven=True,
        )
        return result.path or folder

    tables = made()
    sources = make_sources(folder / "warehouse", tables)
    print({name: table.num_rows for name, table in tables.items() if table.num_rows})
    one = measured("publish 1.0.0", lambda: publish(tables))
    assert isinstance(one, Path)
    measured("publish again, nothing changed", lambda: publish(tables))
    tables.clear()  # a real release has one set in memory
    tables.update(made(newer_site=3))
    other = measured("publish with one site of 28 changed", lambda: publish(tables))
    assert isinstance(other, Path)
    found = measured("diff of the two", lambda: diff_releases(one, other).rows.num_rows)
    print(f"changes: {found}")
    print(
        f"tables/ {size_mb(one / 'tables'):.0f} MB, cohort.duckdb "
        f"{size_mb(one / 'cohort.duckdb'):.0f} MB, release {size_mb(one):.0f} MB; "
        f"{other.name} adds {own_mb(other):.0f} MB, of it tables {own_mb(other / 'tables'):.1f}"
    )
    measured("SQLite of the same", lambda: write_sqlite(tables, folder / "cohort.sqlite"))
    print(f"SQLite {size_mb(folder / 'cohort.sqlite'):.0f} MB")
    lite = folder / "lite"
    lite.mkdir()
    (folder / "cohort.sqlite").rename(lite / "cohort.sqlite")
    print(f"{'ms, cold / warm':24}{'DuckDB':>20}{'pandas':>20}{'SQLite':>20}")
    for name in DUCKDB_QUERIES:
        cells = []
        for engine, place in (("DuckDB", one), ("pandas", one), ("SQLite", lite)):
            cold, warm = ask(engine, place, name)
            cells.append(f"{cold:9.0f} /{warm:9.1f}")
        print(f"{name:24}" + "".join(f"{cell:>20}" for cell in cells))
    for name in BETTER_QUERIES:
        cold, warm = ask("DuckDB", one, name)
        print(f"{name:24}{cold:9.0f} /{warm:9.1f}")
    if given.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
