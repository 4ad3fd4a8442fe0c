"""Analysts' queries over nine million images: warm, in several rounds, wall and CPU.

    PYTHONPATH=. python benchmarks/publish/queries.py [--instances 9000000] [--rounds 9]
    PYTHONPATH=. python benchmarks/publish/queries.py --database RELEASE/cohort.duckdb

`scale.py` asks each query in a process of its own and tells cold and warm medians; on a shared
machine those are of its neighbours as well. Here each query is asked again and again in turn, and
the least and the median are told, with the CPU time of the median round: wall time on a quiet
machine of two cores lies between half of that and all of it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.publish.made_cohort import CONTRACTS, make_tables
from benchmarks.publish.scale import BETTER_QUERIES, DUCKDB_QUERIES
from tasks.publish.diff.content import split_by_site
from tasks.publish.store_database import DATABASE, write_database
from tasks.publish.store_tables import write_parquet

ASKED = {
    name: {**DUCKDB_QUERIES, **BETTER_QUERIES}[name]
    for name in (
        "join and aggregate",
        "join, by its view",
        "slice gaps, by its view",
        "slices of a series",
    )
}


def cpu_seconds() -> float:
    """Return CPU seconds of this process and its threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def made_as_released(folder: Path, subjects: int, instances: int) -> Path:
    """Write a database as a release has it: the rows of a site beside each other, from its file."""
    path, files = folder / DATABASE, []
    tables = make_tables(subjects, instances=instances, volumes=False)
    tables["release"] = CONTRACTS["release"].arrow_schema().empty_table()
    for site, rows in split_by_site(tables.pop("instance"), CONTRACTS["instance"]).items():
        files.append(folder / f"{site}.parquet")
        write_parquet(rows, files[-1])
    before = cpu_seconds()
    write_database(path, {**tables, "instance": files}, CONTRACTS)
    print(f"database written: {cpu_seconds() - before:.1f} s CPU")
    return path


def main() -> None:
    """Print one line a query."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=9_000_000)
    parser.add_argument("--subjects", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--database", type=Path, help="ask this one, and make none")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = given.database or made_as_released(Path(scratch), given.subjects, given.instances)
        print(f"{path.stat().st_size / 1e6:.0f} MB")
        ask(path, given.rounds)


def ask(path: Path, rounds: int) -> None:
    """Ask each query in turn, and tell what it took."""
    wall: dict[str, list[float]] = {name: [] for name in ASKED}
    cpu: dict[str, list[float]] = {name: [] for name in ASKED}
    with duckdb.connect(str(path), read_only=True) as connection:
        for _ in range(rounds + 1):
            for name, query in ASKED.items():
                started, used = time.perf_counter(), cpu_seconds()
                connection.execute(query).fetchall()
                wall[name].append((time.perf_counter() - started) * 1000)
                cpu[name].append((cpu_seconds() - used) * 1000)
    print("load", *(f"{one:.1f}" for one in os.getloadavg()))
    print(f"{'ms':28}{'least':>8}{'median':>8}{'CPU':>8}")
    for name in ASKED:
        warm = wall[name][1:]
        used_ms = statistics.median(cpu[name][1:])
        print(f"{name:28}{min(warm):8.0f}{statistics.median(warm):8.0f}{used_ms:8.0f}")


if __name__ == "__main__":
    main()
