"""A night of series with a name in the picture, each packed otherwise: held, masked, released.

    python -m benchmarks.burned_in.packed_night FOLDER [--seed 11]

Simulates a site, draws the name of the header into series of it and packs their images: JPEG 2000
(by another encoder than the product has), RLE, JPEG lossless, JPEG-LS, plain. One more series says
that it is JPEG 2000 and cannot be decoded. Takes them in; masks every hold for text by
`livercohort quarantine mask` where text was seen; takes in again, twice; releases. Then no image
that was drawn on may have ink left, nothing may be read in what was let go, and the series that
cannot be decoded must not be there.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from benchmarks.burned_in.detection import Text, drawn, series_below
from benchmarks.burned_in.reviewed_night import Inked, cli, ink_left, pictures, states
from tasks.simulate.images.packing import add_pixels
from tasks.simulate.people.hospitals import Packing
from tests.jpeg_2000 import in_jpeg_2000

#: Masked is looked at again; what is then read beside the mask is masked too.
_MOST_ROUNDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    home = asked.folder / "home"
    sizes = ("--sites", 1, "--subjects", 3, "--nights", 1, "--seed", asked.seed)
    cli("simulate", home / "inbox", *sizes, "--faults", "none")
    (site,) = (p for p in (home / "inbox").iterdir() if re.fullmatch(r"S\d\d", p.name))
    inked, broken = packed(site, asked.seed)
    print("packed", {name: len(images) for name, images in inked.items()})
    cli("key", "create", "--home", home)
    print("first night", states(cli("ingest", "--all", "--home", home, "--json")))
    for number in range(1, _MOST_ROUNDS + 1):
        held = cli("quarantine", "list", "--home", home, "--json")
        print(f"round {number}: held", dict(Counter(row["reason_code"] for row in held)))
        if not masked(home, held):
            break
        print("next night", states(cli("ingest", "--all", "--home", home, "--json")))
    print("release", cli("release", "--home", home, "--json")["version"])
    dicom = home / "warehouse" / "dicom"
    for name, images in inked.items():
        print(name, ink_left(dicom, [images]), "of", len(images))
    looked = cli("inspect", dicom, "--json")
    print("read again: series", dict(Counter(row["outcome"] for row in looked)))
    print("pictures", pictures(home))
    sizes_let_go = {(d.Rows, d.Columns) for d in map(dcmread, dicom.rglob("*.dcm"))}
    print("not decodable, let go:", broken in sizes_let_go)


def packed(site: Path, seed: int) -> tuple[dict[str, list[Inked]], tuple[int, int]]:
    """Draw into a series for each way of packing; return the images, and the size of the broken."""
    inked: dict[str, list[Inked]] = {}
    ways: dict[str, Callable[[FileDataset], None]] = {
        "JPEG 2000": in_jpeg_2000,
        "RLE": lambda data: data.compress(RLELossless, generate_instance_uid=False),
        "JPEG lossless": in_jpeg_lossless,
        "JPEG-LS": lambda data: data.compress(JPEGLSLossless, generate_instance_uid=False),
        "plain": lambda _: None,
    }
    left = iter(series_below(site))
    for number, (name, pack) in enumerate(ways.items()):
        made = None
        while made is None:
            slices = next(left)
            headers = [plainly(path) for path in slices.files]
            images = np.stack([header.pixel_array for header in headers])
            words = str(headers[0].PatientName.ideographic or headers[0].PatientName).strip()
            text = Text(number, words.replace("^", " "), 12, "white", 0, "corner", "every slice", 0)
            made = drawn(images, headers[0], text, random.Random(f"{seed} {name}"))
        for path, header, image in zip(slices.files, headers, made[0], strict=True):
            header.PixelData = image.tobytes()
            pack(header)
            header.save_as(path)
        inked[name] = [Inked(new, new != old) for new, old in zip(made[0], images, strict=True)]
    return inked, spoilt(next(left).files)


def plainly(path: Path) -> FileDataset:
    """Return a file with its pixels as they are stored without packing."""
    data = dcmread(path)
    if data.file_meta.TransferSyntaxUID.is_encapsulated:
        data.decompress(generate_instance_uid=False)
    return data


def in_jpeg_lossless(data: FileDataset) -> None:
    """Encode anew by GDCM, as an archive does."""
    frame: Any = data.pixel_array
    add_pixels(data, [frame], Packing.JPEG_LOSSLESS)
    data.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def spoilt(files: tuple[Path, ...]) -> tuple[int, int]:
    """Write a series that no decoder takes, of a size that no other has; return the size."""
    for path in files:
        data = dcmread(path)
        data.Rows, data.Columns = data.Rows + 1, data.Columns + 3
        data.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(512)])
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
        data.save_as(path)
    return int(data.Rows), int(data.Columns)


def masked(home: Path, held: list[dict[str, Any]]) -> int:
    """Mask what is held for text where it was seen; return how many holds were decided."""
    n_masked = 0
    for row in held:
        if row["reason_code"] != "TEXT_IN_PIXELS":
            continue
        case = cli("quarantine", "show", row["hold_id"], "--home", home, "--json")
        places = sorted({seen["box"] for seen in case["seen"]})
        boxes = [part for place in places for part in ("--box", place)]
        words = ("--reviewer", "QC01", "--reason", "a name in the corner")
        cli("quarantine", "mask", row["hold_id"], *boxes, *words, "--home", home, "--json")
        n_masked += 1
    return n_masked


if __name__ == "__main__":
    main()
