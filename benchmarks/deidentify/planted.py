"""Planted identifiers left by each tool in one CT, in six character-set situations.

    python benchmarks/deidentify/planted.py [--peers PEERS/bin/python]

Every planted value is counted in every encoding outside the pixels, before and after; what
a tool leaves is printed per situation, ours first.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from pydicom.tag import Tag

from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.parse import PIXEL_DATA, ScanError, scan_file
from tests.unit.deidentify.helpers import run
from tests.unit.deidentify.planted import (
    BIRTH_DATE,
    LATIN_NAME,
    REAL_DATE,
    SITUATIONS,
    VALUES,
    Situation,
    plant,
)

RUNNER = Path(__file__).with_name("peer_runner.py")
PEERS = ("dicom-anonymizer", "deid", "dicognito")
CODECS = ("utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be")
VALUES_PLANTED = (*VALUES, LATIN_NAME, BIRTH_DATE, REAL_DATE)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="Python of the peers' environment")
    options = parser.parse_args()
    tools = ("livercohort", *(PEERS if options.peers else ()))
    print(f"{'situation':<22}{'planted':>8}" + "".join(f"{t:>18}" for t in tools))
    for name, situation in SITUATIONS.items():
        source, _ = plant(situation)
        left = [_left(_output(tool, source, options.peers), situation) for tool in tools]
        cells = "".join(f"{'no output' if n is None else n:>18}" for n in left)
        print(f"{name:<22}{_count(source, situation):>8}{cells}")
    print(f"group 7FE0 is not counted: {Tag(PIXEL_DATA)}")


def _output(tool: str, source: bytes, peers: Path | None) -> bytes | None:
    if tool == "livercohort":
        done = run(source)
        return done.output if isinstance(done, DeidentifiedObject) else None
    with tempfile.TemporaryDirectory() as folder:
        src, dst = Path(folder, "src"), Path(folder, "dst")
        src.mkdir()
        dst.mkdir()
        (src / "planted.dcm").write_bytes(source)
        command = [str(peers), str(RUNNER), tool, str(src), str(dst)]
        subprocess.run(command, capture_output=True, check=False)
        made = sorted(dst.iterdir())
        return made[0].read_bytes() if made else None


def _left(output: bytes | None, situation: Situation) -> int | None:
    return None if output is None else _count(output, situation)


def _count(data: bytes, situation: Situation) -> int:
    try:
        pixels = scan_file(data).get(PIXEL_DATA)
        data = data.replace(pixels, b"") if pixels else data
    except ScanError:
        pass
    total = 0
    for value in VALUES_PLANTED:
        forms = {situation.encode(value)}
        for codec in CODECS:
            try:
                forms.add(value.encode(codec))
            except UnicodeEncodeError:
                continue
        # A longer form that holds a shorter one would count twice.
        alone = [f for f in forms if not any(f != g and f in g and g in data for g in forms)]
        total += sum(data.count(form) for form in alone)
    return total


if __name__ == "__main__":
    main()
