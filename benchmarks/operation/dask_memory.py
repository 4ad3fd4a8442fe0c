"""Whether a Dask scheduler keeps what nights give it: its memory over 100 small batches.

    PYTHONPATH=. python benchmarks/operation/dask_memory.py [--batches 100] [--files 60]

A real scheduler and two workers; every batch has a connection of its own, as every night has, and
is de-identified and converted, which is all of a night that goes to the workers at this size. With
`--files 0` a batch is two numbers: what a night costs the scheduler whatever it holds.
"""

from __future__ import annotations

import argparse
import operator
import os
import shutil
import tempfile
from pathlib import Path

import dask.config

from schemas.run.dask_pool import dask_workers
from schemas.run.pool import run_isolated
from schemas.run.settings import Settings
from schemas.run.work import spread_over
from tasks.convert.store_folder import convert_folder
from tests.builders import make_series, write_files
from tests.dask_cluster import running_cluster
from tests.unit.deidentify.helpers import RING, assignment, deidentify_files, deliver, linkage

_LINKS = linkage(assignment("LC-001", "PID000001"))


def resident_mib(process: int) -> float:
    """Return how much memory a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    """Run the batches, print the memory after every tenth of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--files", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "home").mkdir()
        half = options.files // 2
        paths = []
        for series in (1, 2) if half else ():
            made = make_series(n_slices=half, series=series)
            paths += write_files(root / "in" / str(series), made)
        files = deliver(paths)
        with running_cluster(root, workers=2) as cluster:
            os.environ |= {k: v for k, v in cluster.environment.items() if k.startswith("DASK_")}
            dask.config.refresh()
            for number in range(options.batches):
                out = root / f"out{number}"
                with (
                    dask_workers(Settings(home=root / "home"), cluster.url) as executor,
                    spread_over(executor),
                ):
                    if files:
                        done = deidentify_files(files, _LINKS, RING, out, workers=2)
                        convert_folder(out, root / f"nifti{number}", workers=2)
                        assert len(done) == len(files)
                        shutil.rmtree(out)
                        shutil.rmtree(root / f"nifti{number}")
                    else:
                        assert len(dict(run_isolated(operator.neg, [1, 2], workers=2))) == 2
                if number % max(1, options.batches // 10) == 0 or number == options.batches - 1:
                    workers = [f"{resident_mib(one.pid):.1f}" for one in cluster.workers]
                    print(
                        f"after {number + 1}: scheduler {resident_mib(cluster.scheduler.pid):.1f} "
                        f"MiB, workers {', '.join(workers)} MiB",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
