"""What images take in a release until their rows are made: memory for each, over more sites.

    PYTHONPATH=. python benchmarks/publish/image_memory.py HOME [--sites 1 4] [--images 25000]

`HOME` is a folder that `subjects.py --homes` made. Its batch is copied under the names of several
sites, several times for each, with other UIDs and pseudonyms; only the tables, without files. One
process each reads the batches of so many sites, labels all images and makes their rows, as a
release does between collecting and judging, once with nothing kept and once with everything. The
difference between two numbers of sites is what an image takes, whatever site it is of.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.publish.made_cohort import CONTRACTS
from benchmarks.publish.swollen_home import copied_uid
from schemas.run.atomic_files import canonical_json, sha256_of_file
from schemas.run.zones import Zones
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.harmonise.exam import label_instances
from tasks.publish.store_batches import read_committed
from tasks.publish.store_image_rows import ImageRows
from tasks.publish.store_kept_images import KeptImages

RING = KeyRing(b"k" * KEY_BYTES)
_UIDS = ("sop_uid", "series_uid", "study_uid", "frame_of_reference_uid")


def write_sites(place: Path, home: Path, sites: int, images: int) -> None:
    """Write the batches of some sites, each with about so many images."""
    (path,) = (place / "home" / "warehouse" / "batches").glob("*/*/instance.parquet")
    table = pq.read_table(path)
    copies = max(1, round(images / table.num_rows))
    for number in range(sites * copies):
        site = f"X{number // copies + 1:03d}"
        copy = table
        for name in _UIDS:
            values = [copied_uid(uid, number) for uid in table[name].to_pylist()]
            at = table.schema.get_field_index(name)
            copy = copy.set_column(at, table.schema.field(at), pa.array(values, pa.string()))
        at = table.schema.get_field_index("subject_id")
        people = pc.replace_substring_regex(table["subject_id"], "^[^-]*", site)
        copy = copy.set_column(at, table.schema.field(at), people)
        folder = Zones(home).warehouse / "batches" / site / f"{number:016d}"
        folder.mkdir(parents=True)
        pq.write_table(copy, folder / "instance.parquet", store_schema=False)
        record = {
            "batch_id": folder.name,
            "site_code": site,
            "state": "committed",
            "n_files": copy.num_rows,
            "n_bytes": 1,
            "counts": {"accepted": copy.num_rows},
            "manifest_sha256": "a" * 64,
            "tables": {"instance": {"sha256": sha256_of_file(folder / "instance.parquet")}},
        }
        (folder / "batch.json").write_bytes(canonical_json(record))


def look(home: Path) -> None:
    """Read, label and make the rows of a home; print images, CPU seconds and peak MiB."""
    zones = Zones(home)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    _, images = read_committed(zones, ring=RING)
    rows = ImageRows(CONTRACTS, zones.work / "rows", KeptImages(zones, RING))
    kept = [rows.make(group, "nothing stated", label_instances) for group in images.groups]
    rows.tables()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n_series = sum(len(labels.series) for labels in kept)
    told = [images.n_images, n_series, time.process_time() - began, before / 1024, peak / 1024]
    print(json.dumps(told))


def main() -> None:
    """Print one line a number of sites, and what an image takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--sites", type=int, nargs=2, default=(1, 4))
    parser.add_argument("--images", type=int, default=25_000)
    parser.add_argument("--look", action="store_true", help="what one of the processes does")
    given = parser.parse_args()
    if given.look:
        look(given.home)
        return
    found: dict[str, list[list[float]]] = {"made": [], "kept": []}
    for sites in given.sites:
        with tempfile.TemporaryDirectory() as scratch:
            home = Path(scratch)
            write_sites(given.home, home, sites, given.images)
            for what, told in found.items():
                command = [sys.executable, __file__, scratch, "--look"]
                ended = subprocess.run(command, check=True, capture_output=True, text=True)
                told.append(json.loads(ended.stdout))
                images, series, cpu, before, peak = told[-1]
                print(
                    f"{sites} sites, {images} images in {series} series, {what}: {cpu:.1f} s CPU,"
                    f" peak {peak:.0f} MiB ({before:.0f} before)",
                    flush=True,
                )
    for what, (few, many) in found.items():
        each = (many[4] - few[4]) * (1 << 20) / (many[0] - few[0])
        print(f"{what}: {each:.0f} bytes an image, {(many[0] / many[1]):.1f} images a series")


if __name__ == "__main__":
    main()
