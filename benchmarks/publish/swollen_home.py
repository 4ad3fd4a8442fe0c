"""What a release holds in memory for each image, over homes whose exams were copied many times.

    PYTHONPATH=. python benchmarks/publish/swollen_home.py HOME --images 20000 --into FOLDER
    PYTHONPATH=. python benchmarks/publish/swollen_home.py FOLDER/20000 FOLDER/100000
        [--tree ../other]

`HOME` is a folder that `subjects.py --homes` made: a home of one simulated site after one night.
Each copy of its batch is a batch of its own, committed and anchored as any: the same people have
the same exams once more under other UIDs, whose files are second names of the first. Copies have
no volumes. With several folders each is released twice, the second time after one subject was
given a role; the largest process counts, and the difference between two sizes is what an image
takes.
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


def swell(place: Path, images: int, into: Path) -> None:
    """Copy a home and its one batch, until it has about so many images."""
    made = into / f"{images}.part"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(place, made, symlinks=True)
    zones = Zones(home=made / "home")
    ring = read_key_file(made / "home" / "restricted" / "key")
    (record,) = (zones.warehouse / "batches").glob("*/*/batch.json")
    whole = json.loads(record.read_bytes())["counts"]["accepted"]
    with changing_anchors(zones, ring) as change:
        for number in range(1, round(images / whole)):
            site, batch, digest = _copy(zones, record.parent, number)
            change.batch(site, batch, digest)
    made.rename(into / f"{images}")


def _copy(zones: Zones, source: Path, number: int) -> tuple[str, str, str]:
    site, name = source.parent.name, hashlib.sha256(f"{number}".encode()).hexdigest()[:16]
    folder = source.parent / name
    folder.mkdir()
    notes = {}
    for stem, columns in _COPIED.items():
        table = pq.read_table(source / f"{stem}.parquet")
        for column in columns:
            values = pa.array([copied_uid(uid, number) for uid in table[column].to_pylist()])
            table = table.set_column(
                table.schema.get_field_index(column), column, values.cast(pa.string())
            )
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
    for row in images.to_pylist():
        place = zones.warehouse / "dicom" / site
        target = (
            place
            / str(copied_uid(row["series_uid"], number))
            / f"{copied_uid(row['sop_uid'], number)}.dcm"
        )
        target.parent.mkdir(exist_ok=True)
        os.link(place / row["series_uid"] / f"{row['sop_uid']}.dcm", target)
    record = json.loads((source / "batch.json").read_bytes())
    n_files = images.num_rows
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


def copied_uid(uid: str | None, number: int) -> str | None:
    """Return the UID of a copy."""
    if uid is None:
        return None
    digest = hashlib.sha256(f"{number} {uid}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def released(place: Path, tree: Path) -> list[Cost]:
    """Return the cost of a first release of a copy of a home, and of one after it."""
    command = (sys.executable, "-m", "flows.cli", "release")
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
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout that releases")
    given = parser.parse_args()
    if given.images:
        swell(given.homes[0], given.images, given.into)
        return
    peaks = []
    print(f"{'images':>10}{'first, CPU s':>14}{'MiB':>8}{'one changed':>14}{'MiB':>8}")
    for home in given.homes:
        first, again = released(home.resolve(), given.tree.resolve())
        peaks.append((int(home.name), first.peak_mib, again.peak_mib))
        print(
            f"{home.name:>10}{first.cpu_s:14.1f}{first.peak_mib:8.0f}"
            f"{again.cpu_s:14.1f}{again.peak_mib:8.0f}",
            flush=True,
        )
    for few, many in pairwise(peaks):
        each = [(b - a) * (1 << 20) / (many[0] - few[0]) for a, b in zip(few, many, strict=True)]
        print(f"bytes an image: first {each[1]:.0f}, one changed {each[2]:.0f}")


if __name__ == "__main__":
    main()
