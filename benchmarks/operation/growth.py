"""What a night costs over ever larger warehouses, and ever larger nights over the same.

    PYTHONPATH=. python benchmarks/operation/growth.py [--times 1 10 100] [--new 1 2 4]
        [--before ANOTHER_CHECKOUT]

A simulated site delivers one subject but the last exam, which it delivers the night after. The
first night is taken in; then the tables of its batch are committed again and again under other
batch ids, with other UIDs, so that the warehouse holds `--times` as many images by every table
that a night reads. The second night is what is measured over each. With `--new` first nights of
so many subjects are measured, each over an empty home. CPU is of the whole tree of processes,
one worker.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.deliveries import new_home
from benchmarks.processes import Cost, cost_of, machine_facts
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from schemas.tables.warehouse_index import update_index
from tests.flows.exports import write_key

ROOT = Path(__file__).parents[2]
SITE = "S91"
_UIDS = ("sop_uid", "study_uid", "series_uid")


def main() -> None:
    """Print one line per night."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--new", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--before", type=Path, help="another checkout to measure beside this one")
    options = parser.parse_args()
    trees = {"now": ROOT} | ({"before": options.before.absolute()} if options.before else {})
    with tempfile.TemporaryDirectory() as scratch:
        print(machine_facts(Path(scratch)), flush=True)
        write_key(Path(scratch, "key"))
        if options.times:
            over_larger_warehouses(Path(scratch), trees, options.times, options.rounds)
        for n_subjects in options.new:
            larger_night(Path(scratch, f"new{n_subjects}"), trees, n_subjects)


def over_larger_warehouses(
    scratch: Path, trees: Mapping[str, Path], times: Sequence[int], rounds: int
) -> None:
    """Measure one small night over warehouses of several sizes."""
    made = scratch / "made"
    _simulate(made / "inbox", subjects=1)
    (export,) = (made / "inbox" / SITE).iterdir()
    home = new_home(scratch / "home", scratch / "key")
    first = shutil.copytree(export, home / "inbox" / SITE / "2026-11-20")
    *_, last = sorted(first.glob("dicom/*/*"), key=lambda exam: exam.name)
    shutil.rmtree(last)
    _ingest(ROOT, home)
    second = home / "inbox" / SITE / "2026-11-21"
    shutil.copytree(export / last.relative_to(first), second / last.relative_to(first))
    for name in ("linkage.csv", "READY"):
        shutil.copy2(export / name, second / name)
    for n_times in times:
        larger = shutil.copytree(home, scratch / f"home{n_times}", symlinks=True)
        n_images = commit_again(larger, n_times)
        for _ in range(rounds):
            for name, tree in trees.items():
                here = shutil.copytree(larger, scratch / "here", symlinks=True)
                # As each of the nights that brought them would have left it.
                update_index(Zones(here), SiteCode(SITE))
                n_before = _rows(here)
                cost = _ingest(tree, here)
                _tell(f"{_rows(here) - n_before} new over {n_images}", name, cost)
                shutil.rmtree(here)


def larger_night(place: Path, trees: Mapping[str, Path], n_subjects: int) -> None:
    """Measure the first night of a site that delivers so many subjects."""
    _simulate(place / "inbox", subjects=n_subjects)
    for name, tree in trees.items():
        home = new_home(place / name, place.parent / "key")
        shutil.copytree(place / "inbox" / SITE, home / "inbox" / SITE)
        cost = _ingest(tree, home)
        _tell(f"{_rows(home)} new over 0", name, cost)


def commit_again(home: Path, n_times: int) -> int:
    """Make a home's one batch into so many; return how many images the warehouse tells of."""
    (folder,) = (home / "warehouse" / "batches" / SITE).iterdir()
    for number in range(1, n_times):
        other = shutil.copytree(folder, folder.with_name(f"{folder.name[:-6]}{number:06d}"))
        record = json.loads((other / "batch.json").read_bytes())
        record["batch_id"] = other.name
        (other / "batch.json").write_text(json.dumps(record, sort_keys=True, indent=2))
        for path in other.glob("*.parquet"):
            table = pq.read_table(path)
            for column in [name for name in _UIDS if name in table.column_names]:
                place = table.column_names.index(column)
                renamed = pc.binary_join_element_wise(table[column], str(number), ".")
                table = table.set_column(place, table.schema.field(column), renamed)
            pq.write_table(table, path, compression="zstd", store_schema=False)
    return _rows(home)


def _rows(home: Path) -> int:
    tables = (home / "warehouse" / "batches" / SITE).glob("*/instance.parquet")
    return sum(pq.read_metadata(path).num_rows for path in tables)


def _simulate(inbox: Path, *, subjects: int) -> None:
    options = ["--sites", "1", "--subjects", str(subjects), "--nights", "1"]
    command = [sys.executable, "-m", "flows.cli", "simulate", str(inbox), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command += ["--faults", "none"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def _ingest(tree: Path, home: Path) -> Cost:
    command = [sys.executable, "-m", "flows.cli", "ingest", SITE, "--home", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return cost_of([[*command, "--workers", "1"]], cwd=home, environment=environment)


def _tell(what: str, name: str, cost: Cost) -> None:
    print(f"{what:28}{name:>8}{cost.cpu_s:8.2f} CPU s{cost.peak_mib:8.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
