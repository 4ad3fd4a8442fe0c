"""Run another tool over a folder, in that tool's own environment; prints its CPU seconds.

    PEERS/bin/python benchmarks/deidentify/peer_runner.py TOOL SRC DST [I/N]

TOOL is `dicom-anonymizer` (its newest table), `deid` (stock recipe, private removed),
`dicognito`, or `read-write` (pydicom, nothing done). A file that a tool cannot handle is
left out of DST. I/N takes every N-th file, from I. Files come out as their number in SRC.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

Work = Callable[[Path, Path], None]


def dicom_anonymizer() -> Work:
    """Return one call of dicom-anonymizer."""
    from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file

    return lambda src, dst: anonymize_dicom_file(str(src), str(dst), {}, True)


def deid() -> Work:
    """Return one call of deid with its stock recipe."""
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    recipe = DeidRecipe()

    def work(src: Path, dst: Path) -> None:
        made = replace_identifiers(
            [str(src)], deid=recipe, save=False, remove_private=True, strip_sequences=False
        )
        made[0].save_as(dst)

    return work


def dicognito() -> Work:
    """Return one call of dicognito."""
    import pydicom
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer(seed="benchmark")

    def work(src: Path, dst: Path) -> None:
        data = pydicom.dcmread(src)
        anonymizer.anonymize(data)
        data.save_as(dst)

    return work


def read_write() -> Work:
    """Return a read and a write, the floor of what is built on pydicom."""
    import pydicom

    def work(src: Path, dst: Path) -> None:
        data = pydicom.dcmread(src)
        data.walk(lambda _data, _element: None)
        data.save_as(dst)

    return work


TOOLS = {
    "dicom-anonymizer": dicom_anonymizer,
    "deid": deid,
    "dicognito": dicognito,
    "read-write": read_write,
}


def main() -> None:
    """Run one tool over all files below a folder."""
    tool, src, dst = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    part, parts = (int(n) for n in (sys.argv[4] if len(sys.argv) > 4 else "0/1").split("/"))
    work = TOOLS[tool]()
    found = enumerate(sorted(p for p in src.rglob("*") if p.is_file()), start=1)
    files = [(number, path) for number, path in found if number % parts == part]
    failed = 0
    start = resource.getrusage(resource.RUSAGE_SELF)
    for number, path in files:
        target = dst / f"{number:06d}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            work(path, target)
        except (Exception, SystemExit):
            failed += 1
    end = resource.getrusage(resource.RUSAGE_SELF)
    cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    sys.stderr.write("\n")
    print(json.dumps({"files": len(files), "failed": failed, "cpu_s": round(cpu, 3)}))


if __name__ == "__main__":
    main()
