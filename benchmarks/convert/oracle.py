"""Volumes published from each folder against an oracle that shares no code with the pipeline.

    python -m benchmarks.convert.oracle FOLDER [FOLDER ...]

Each folder is converted as it is; the oracle (`tests/oracle`) reads the delivered files by
pydicom, numpy and nibabel alone and compares voxel, affine, b-value and direction of every
published volume. The last column must be 0.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tasks.convert.codes import ConversionVerdict
from tasks.convert.store_folder import convert_folder
from tests.oracle.compare import differences
from tests.oracle.frames import delivered_planes

_HEAD = ("folder", "planes", "OK", "REPAIRABLE", "QUARANTINE", "differ")


def measure(folder: Path) -> tuple[object, ...]:
    """Convert one folder and return its row of the table."""
    with tempfile.TemporaryDirectory() as scratch:
        result = convert_folder(folder, Path(scratch) / "out", workers=2)
        planes = delivered_planes(folder)
        volumes = sorted((Path(scratch) / "out").glob("*.nii.gz"))
        differing = sum(bool(differences(planes, volume)) for volume in volumes)
    verdicts = Counter(volume.verdict for volume in result.volumes)
    return (folder.name, len(planes), *(verdicts[v.value] for v in ConversionVerdict), differing)


def main() -> None:
    """Print one row a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    rows = [measure(folder) for folder in parser.parse_args().folders if folder.is_dir()]
    for row in (_HEAD, ("---",) * len(_HEAD), *rows):
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
