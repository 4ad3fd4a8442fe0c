"""What a release holds in memory for each image, over homes whose exams were copied many times.

    PYTHONPATH=. python benchmarks/publish/swollen_home.py HOME --images 20000 --into FOLDER
        [--long 20]
    PYTHONPATH=. python benchmarks/publish/swollen_home.py FOLDER/20000 FOLDER/100000
        [--tree ../other] [--large]

`HOME` is a folder that `subjects.py --homes` made: a home of one simulated site after one night.
Each copy of its batch is a batch of its own, committed and anchored as any: the same people have
the same exams once more under other UIDs, whose files are second names of the first. Copies have
no volumes. With several folders each is released twice, the second time after one subject was
given a role; the largest process counts, and the difference between two sizes is what an image
takes.

A series of the simulator has 7.7 images, so with plain copies most of what an image takes is what
its series takes. With `--long` that many copies of a series lie behind each other as one. `--large`
writes no table of images for Excel, which a cohort of more than a million has none of.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.processes import Cost, cost_of
from benchmarks.publish.subjects import environment_of, give_role
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from schemas.run.zones import Zones
from schemas.vault.anchors import changing_anchors
from schemas.vault.keys import read_key_file

ROOT = Path(__file__).resolve().parents[2]
#: Tables of a batch that are copied, and their columns with UIDs.
_COPIED = {
    "instance": ("sop_uid", "series_uid", "study_uid", "frame_of_reference_uid"),
    "file": ("sop_uid", "study_uid"),
    "inspection": ("series_uid",),
    "volume": (),  # without rows
}


#: A release that takes a table of some thousand rows for too long for Excel.
_AS_LARGE = """
import tasks.publish.store_write as store_write
store_write.EXCEL_ROWS = 20_000
from flows.cli import main
main()
"""


def swell(place: Path, images: int, into: Path, long: int) -> None:
    """Copy a home and its one batch, until it has about so many images."""
    made = into / f"{images}.part"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(place, made, symlinks=True)
    zones = Zones(home=made / "home")
    ring = read_key_file(made / "home" / "restricted" / "key")
    (record,) = (zones.warehouse / "batches").glob("*/*/batch.json")
    whole = json.loads(record.read_bytes())["counts"]["accepted"]
    with changing_anchors(zones, ring) as change:
        for number in range(1, 1 + round((images / whole - 1) / long)):
            site, batch, digest = _copy(zones, record.parent, number, long)
            change.batch(site, batch, digest)
    made.rename(into / f"{images}")


def _copy(zones: Zones, source: Path, number: int, long: int) -> tuple[str, str, str]:
    site, name = source.parent.name, hashlib.sha256(f"{number}".encode()).hexdigest()[:16]
    folder = source.parent / name
    folder.mkdir()
    notes = {}
    for stem, columns in _COPIED.items():
        table = pq.read_table(source / f"{stem}.parquet")
        many = long if "sop_uid" in columns else 1
        table = pa.concat_tables([_renamed(table, columns, number, n) for n in range(many)])
        if stem == "file":
            table = table.filter(pc.is_valid(table["sop_uid"]))
        if stem == "volume":
            table = table.slice(0, 0)
        pq.write_table(table, folder / f"{stem}.parquet", store_schema=False)
        notes[stem] = {
            "rows": table.num_rows,
            "sha256": sha256_of_file(folder / f"{stem}.parquet"),
        }
    images = pq.read_table(source / "instance.parquet", columns=["sop_uid", "series_uid"])
    place = zones.warehouse / "dicom" / site
    for row in images.to_pylist():
        folder_of_series = place / str(copied_uid(row["series_uid"], number))
        folder_of_series.mkdir(exist_ok=True)
        for n in range(long):
            target = folder_of_series / f"{copied_uid(row['sop_uid'], number, n)}.dcm"
            os.link(place / row["series_uid"] / f"{row['sop_uid']}.dcm", target)
    record = json.loads((source / "batch.json").read_bytes())
    n_files = images.num_rows * long
    record |= {
        "batch_id": name,
        "manifest_sha256": sha256_of_bytes(name.encode()),
        "counts": {**dict.fromkeys(record["counts"], 0), "accepted": n_files},
        "n_files": n_files,
        "sidecars": {},
        "tables": notes,
    }
    data = canonical_json(record)
    (folder / "batch.json").write_bytes(data)
    return site, name, sha256_of_bytes(data)


def _renamed(table: pa.Table, columns: tuple[str, ...], number: int, n: int) -> pa.Table:
    """Return the rows of a copy: the n-th part of a series lies behind the one before."""
    for column in columns:
        part = n if column == "sop_uid" else 0
        values = pa.array([copied_uid(uid, number, part) for uid in table[column].to_pylist()])
        table = table.set_column(
            table.schema.get_field_index(column), column, values.cast(pa.string())
        )
    place = table.schema.get_field_index("position_lps")
    if n == 0 or place < 0:
        return table
    rows = table.select(["series_uid", "position_lps"]).to_pylist()
    lies: dict[str, list[float]] = {}
    for row in rows:
        lies.setdefault(row["series_uid"], []).extend((row["position_lps"] or [])[2:])
    moved = []
    for row in rows:
        own, at = sorted({*lies[row["series_uid"]]}), row["position_lps"]
        extent = (own[-1] - own[0]) * len(own) / max(1, len(own) - 1) if len(own) > 1 else 5.0
        moved.append([*at[:2], at[2] + n * extent] if at else at)
    return table.set_column(
        place, table.schema.field(place), pa.array(moved, table.schema.field(place).type)
    )


def copied_uid(uid: str | None, number: int, part: int = 0) -> str | None:
    """Return the UID of a copy."""
    if uid is None:
        return None
    told = f"{number} {uid}" if part == 0 else f"{number} {part} {uid}"
    digest = hashlib.sha256(told.encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def released(place: Path, tree: Path, *, large: bool) -> list[Cost]:
    """Return the cost of a first release of a copy of a home, and of one after it."""
    command = (sys.executable, "-m", "flows.cli", "release")
    if large:
        command = (sys.executable, "-c", _AS_LARGE, "release")
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(place, copy, symlinks=True, copy_function=os.link)
        # Files that are changed in place are no second names.
        for path in (copy / "home" / "restricted").rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                path.unlink()
                path.write_bytes(data)
                path.chmod(0o600)
        at = {
            **os.environ,
            **environment_of(copy),
            "PYTHONPATH": str(tree),
            "LIVERCOHORT_WORKERS": "1",
        }
        first = cost_of([command], cwd=tree, environment=at)
        give_role(copy / "home", "phase2_development")
        return [first, cost_of([command], cwd=tree, environment=at)]


def main() -> None:
    """Make a home, or measure some."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("homes", type=Path, nargs="+")
    parser.add_argument("--images", type=int)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--long", type=int, default=1, help="copies that lie in one series")
    parser.add_argument("--large", action="store_true", help="as a cohort too long for Excel")
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout that releases")
    given = parser.parse_args()
    if given.images:
        swell(given.homes[0], given.images, given.into, given.long)
        return
    peaks, cpu = [], []
    print(f"{'images':>10}{'first, CPU s':>14}{'MiB':>8}{'one changed':>14}{'MiB':>8}")
    for home in given.homes:
        first, again = released(home.resolve(), given.tree.resolve(), large=given.large)
        cpu.append((first.cpu_s, again.cpu_s))
        peaks.append((int(home.name), first.peak_mib, again.peak_mib))
        print(
            f"{home.name:>10}{first.cpu_s:14.1f}{first.peak_mib:8.0f}"
            f"{again.cpu_s:14.1f}{again.peak_mib:8.0f}",
            flush=True,
        )
    for few, many in pairwise(peaks):
        each = [(b - a) * (1 << 20) / (many[0] - few[0]) for a, b in zip(few, many, strict=True)]
        print(f"bytes an image: first {each[1]:.0f}, one changed {each[2]:.0f}")
    for (few, many), (one, other) in zip(pairwise(peaks), pairwise(cpu), strict=True):
        own = [(b - a) * 1e6 / (many[0] - few[0]) for a, b in zip(one, other, strict=True)]
        print(f"µs an image: first {own[0]:.0f}, one changed {own[1]:.0f}")


if __name__ == "__main__":
    main()
