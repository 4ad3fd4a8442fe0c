"""Files a minute that the simulator writes, at the size of a load test.

    python benchmarks/simulate/throughput.py [--sites 28] [--subjects 2] [--workers 2]

Prints one line: files, MB, seconds, files a minute. The aim is 10 000 files a minute on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tasks.simulate.store import simulate


def main() -> None:
    """Write the exports of one night into a temporary folder and print the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=28)
    parser.add_argument("--subjects", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        summary = simulate(
            Path(folder),
            sites=options.sites,
            subjects=options.subjects,
            nights=1,
            faults=(),
            scale=True,
            workers=options.workers,
        )
        seconds = time.perf_counter() - start
    load = os.getloadavg()[0]
    print(
        f"{summary.n_files} files, {summary.n_bytes / 1e6:.0f} MB, {seconds:.1f} s, "
        f"{summary.n_files / seconds * 60:.0f} files a minute, {options.workers} processes "
        f"(load average {load:.1f})"
    )


if __name__ == "__main__":
    main()
