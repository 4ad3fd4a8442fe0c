"""Run our de-identification over a folder: hashes, search of the output and audit included.

python benchmarks/deidentify/own_runner.py SRC DST WORKERS
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Every PatientID is a subject; the key is the benchmark's own."""
    # Here, as in the command line: a worker process imports this module anew.
    from schemas.identifiers import SiteCode
    from schemas.vault.keys import KeyRing
    from tasks.deidentify.store_folder import deidentify_folder

    src, dst, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    summary = deidentify_folder(
        src,
        dst,
        SiteCode("S91"),
        KeyRing(bytes(range(32))),
        subject_from="patient_id",
        workers=workers,
    )
    print(summary.files, dict(summary.states))


if __name__ == "__main__":
    main()
