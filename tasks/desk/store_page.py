"""Build the review page in `restricted/review_desk`: identifiable, mode 0600, from disk alone.

Its pictures are made of quarantined pixels and lie nowhere else. The page is made beside its
place and exchanged, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.dicom.pixel_values import decoded_values
from schemas.hospital_day import hospital_today
from schemas.run.atomic_files import make_folder, write_bytes
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.desk.held import HeldFile, Hold
from tasks.desk.page_data import DrawnHold, cases, key_of, payload
from tasks.desk.store_again import Desk
from tasks.desk.store_decide import hold_sha256
from tasks.desk.store_held import plain_bytes, quarantined_bytes

FOLDER_NAME = "review_desk"
_ASSETS = ("index.html", "desk.css", "words.js", "draw.js", "desk.js")
#: Every slice is looked at, up to this many spread over the series; the page says of how many.
MOST_SLICES = 160
_LONGEST_SIDE = 512
_QUALITY = 80
#: Slices that give the grey scale of a series.
_SAMPLED = 12
_DARK, _BRIGHT = 1.0, 99.7

_Grey = NDArray[np.float32]


@dataclass(frozen=True)
class BuiltPage:
    """Where the page is, and what it shows."""

    index: Path
    holds: int
    pictures: int


def page_folder(zones: Zones) -> Path:
    """Return where the page lies."""
    return zones.restricted / FOLDER_NAME


def write_page(
    zones: Zones,
    ring: KeyRing,
    desks: Sequence[Desk],
    *,
    at_last: Callable[[], None] = lambda: None,
) -> BuiltPage:
    """Build the page of everything that is open on these desks, in place of an earlier one.

    `at_last` is called right before the page gets its name, and raises to stop.
    """
    place = page_folder(zones)
    beside = place.with_name(f".{FOLDER_NAME}.part")
    shutil.rmtree(beside, ignore_errors=True)
    make_folder(beside)
    chosen = cases(desks)
    drawn = {
        key_of(hold): _draw(zones, hold, beside / "img")
        for _, hold in chosen
        if hold.disposition.is_about_pixels
    }
    hashes = {key_of(hold): hold_sha256(ring, hold) for _, hold in chosen}
    facts = payload(chosen, drawn, hashes, made_on=hospital_today().isoformat())
    text = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    write_bytes(beside / "data.js", f"window.desk = {text};\n".encode(), mode=0o600)
    for name in _ASSETS:
        data = (Path(__file__).parent / "assets" / name).read_bytes()
        write_bytes(beside / name, data, mode=0o600)
    at_last()
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)
    return BuiltPage(place / "index.html", len(chosen), sum(len(d.slices) for d in drawn.values()))


def _draw(zones: Zones, hold: Hold, folder: Path) -> DrawnHold:
    """Draw the slices of a hold and the projections over them; what cannot be read is left out."""
    total = sum(max(1, file.frames) for file in hold.files)
    wanted = _spread(total, MOST_SLICES)
    window = _window(list(_images(zones, hold.files, _spread(total, _SAMPLED))))
    names: list[str] = []
    least: _Grey | None = None
    most: _Grey | None = None
    for image in _images(zones, hold.files, wanted):
        name = f"{hold.hold_id}-{hold.reason.lower()}-{len(names) + 1:04d}.webp"
        _write(folder / name, image, window)
        names.append(f"img/{name}")
        if least is None or most is None or least.shape != image.shape:
            least, most = image, image
        else:
            least, most = np.minimum(least, image), np.maximum(most, image)
    projections = {}
    for kind, projected in (("minimum", least), ("maximum", most)):
        if projected is not None and len(names) > 1:
            name = f"{hold.hold_id}-{hold.reason.lower()}-{kind}.webp"
            _write(folder / name, projected, window)
            projections[kind] = f"img/{name}"
    return DrawnHold(tuple(names), n_images=total, **projections)


def _spread(total: int, most: int) -> list[int]:
    if total <= most:
        return list(range(total))
    return sorted({round(step * (total - 1) / (most - 1)) for step in range(most)})


def _images(zones: Zones, files: Sequence[HeldFile], wanted: Sequence[int]) -> Iterator[_Grey]:
    """Yield the images of these numbers, counted through all frames of all files."""
    numbers, start = set(wanted), 0
    for file in files:
        count = max(1, file.frames)
        here = [n - start for n in range(start, start + count) if n in numbers]
        start += count
        if here:
            frames = _frames(quarantined_bytes(zones, file))
            yield from (frames[n] for n in here if n < len(frames))


def _frames(path: Path) -> list[_Grey]:
    """Return the frames of a file in grey; none of one that cannot be decoded."""
    try:
        data = plain_bytes(path)
        values = decoded_values(data)
    except Exception:  # it is held, and may be anything: then there is no picture of it
        return []
    planes: NDArray[Any] = values[np.newaxis] if values.ndim == 2 else values
    return [np.asarray(plane, np.float32) for plane in planes]


def _window(images: Sequence[_Grey]) -> tuple[float, float]:
    if not images:
        return 0.0, 1.0
    low = min(float(np.percentile(image, _DARK)) for image in images)
    high = max(float(np.percentile(image, _BRIGHT)) for image in images)
    return low, max(high, low + 1.0)


def _write(path: Path, image: _Grey, window: tuple[float, float]) -> None:
    low, high = window
    grey = np.clip((image - low) / (high - low) * 255.0, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    stream = BytesIO()
    picture.save(stream, "WEBP", quality=_QUALITY, method=2)
    write_bytes(path, stream.getvalue(), mode=0o600)
