"""How often text in pixels is found, by size, contrast, direction, place and standing.

Texts in Han and Latin are drawn on real and simulated slices and looked at by the product's own
worker; clean series are looked at for false alarms. The pen is a font that no part of the product
knows (Noto Sans CJK through Pillow), so that drawing and finding share nothing.

Usage: python benchmarks/burned_in/detection.py --data FOLDER [--data FOLDER] --texts 2000 \
    [--seed 1] [--log FILE] [--half 2]

`--half 1` takes the first half of the slices of each real series, on which thresholds may be
tried; `--half 2` the other, for what is reported. Simulated series are told apart by their seed.
With `--log` each result is appended to a file of JSON lines, and a run that was stopped goes on.
Some texts in a row are drawn, each for itself, on the same slices, which are decoded once: other
words, place, size and contrast each. Few slices are the harder case: less tells what stands still.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRLittleEndian

from tasks.inspect.records import ImageFile, InspectJob, Looked
from tasks.inspect.rules import load_rules
from tasks.inspect.store_models import read_models
from tasks.inspect.store_worker import look, start_worker

FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
SIMPLIFIED = 2
SIZES_PX = (8, 10, 12, 16, 24)
CONTRASTS = ("white", "grey", "black", "+60", "+30")
TURNS_DEG = (0, 90, 270)
PLACES = ("corner", "anatomy")
STANDING = ("every slice", "some slices")
WORDS = (
    *("张伟明", "欧阳淑珍", "王丽华", "李建国", "陈晓东", "上官文博", "姓名:赵敏"),
    "复旦大学附属中山医院",
    *("ZHANG WEI", "LI XIAOLONG", "CHEN^JIANGUO", "ID 00482913", "M 1956-03-12", "20231107"),
    "WANG LIHUA",
)  # fmt: skip
MOST_SLICES, FEWEST_SLICES, SMALLEST_PX = 8, 6, 64
#: Texts in a row on the same slices, and which of these rows is on real ones: they cost most.
IN_A_ROW, REAL_EVERY = 10, 3
REACH_PX = 8


@dataclass(frozen=True)
class Text:
    """What is drawn, how and on what."""

    number: int
    words: str
    size_px: int
    contrast: str
    turn_deg: int
    place: str
    standing: str
    series: int

    @property
    def row(self) -> int:
        """Which run of texts on the same slices it belongs to."""
        return self.number // IN_A_ROW


@dataclass(frozen=True)
class Slices:
    """Neighbouring slices of one series."""

    name: str
    files: tuple[Path, ...]
    real: bool


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    z, share = 1.959964, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def series_below(folder: Path, half: int = 0) -> list[Slices]:
    """Return the series of single-frame 16-bit images, by their first file; of real ones a half."""
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            header = dcmread(path, stop_before_pixels=True)
            if min(header.Rows, header.Columns) < SMALLEST_PX or header.BitsAllocated != 16:
                continue
            if header.get("NumberOfFrames") or "MOSAIC" in header.ImageType:
                continue
            key = f"{header.SeriesInstanceUID} {header.Rows} {header.Columns}"
            found[key].append((int(header.get("InstanceNumber") or 0), path))
        except Exception:
            continue
    real = "sim" not in folder.name
    series = []
    for key, members in sorted(found.items()):
        files = tuple(path for _, path in sorted(members))
        if real and half:
            cut = len(files) // 2
            files = files[:cut] if half == 1 else files[cut:]
        if len(files) >= FEWEST_SLICES:
            series.append(Slices(key[-24:], files, real))
    return series


def plan(
    n_texts: int, series: list[Slices], seed: int, *, clear_only: bool = False
) -> Iterator[Text]:
    """Yield texts so that every cell gets as many, in rows on real or on simulated slices.

    With `clear_only` those cells alone for which a bar is set.
    """
    kinds = [[i for i, one in enumerate(series) if one.real is real] for real in (True, False)]
    turns = [kinds[0], *[kinds[1]] * (REAL_EVERY - 1)]
    turns = [kind for kind in turns if kind]
    rng = random.Random(seed)
    cells = list(itertools.product(SIZES_PX, CONTRASTS, TURNS_DEG, PLACES, STANDING))
    if clear_only:
        clear = ("white", "grey")
        cells = [c for c in cells if c[0] >= 10 and c[1] in clear and c[4] == "every slice"]
    # As many upright as turned ones.
    cells += [cell for cell in cells if cell[2] == 0]
    order: list[tuple[int, str, int, str, str]] = []
    while len(order) < n_texts:
        rng.shuffle(cells)
        order += cells
    for number, cell in enumerate(order[:n_texts]):
        row = number // IN_A_ROW
        chosen = random.Random(f"{seed} series {row}").choice(turns[row % len(turns)])
        yield Text(number, rng.choice(WORDS), *cell, chosen)


def pen(words: str, size_px: int, turn_deg: int) -> NDArray[np.float64]:
    """Return the coverage of a text, cut to its ink; `size_px` is the height of a Han character."""
    font = ImageFont.truetype(str(FONT), size_px, index=SIMPLIFIED)
    left, top, right, bottom = font.getbbox(words)
    sheet = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(sheet).text((2 - left, 2 - top), words, 255, font=font)
    ink = np.asarray(sheet) / 255.0
    rows, columns = np.nonzero(ink.max(axis=1))[0], np.nonzero(ink.max(axis=0))[0]
    return np.rot90(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], turn_deg // 90)


def display(images: NDArray[Any], data: FileDataset) -> tuple[float, float]:
    """Return the stored values that a screen shows black and white: abdomen of CT, MR by range."""
    if data.Modality == "CT":
        slope, shift = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
        return (-160 - shift) / slope, (240 - shift) / slope
    low, high = np.percentile(images, [1, 99.5])
    return float(low), float(high)


def drawn(
    images: NDArray[Any], data: FileDataset, text: Text, rng: random.Random
) -> tuple[NDArray[Any], tuple[int, int, int, int]] | None:
    """Return the slices with the text, and where it stands (x, y, width, height)."""
    ink = pen(text.words, text.size_px, text.turn_deg)
    rows, columns = images.shape[1:]
    height, width = ink.shape
    if height > rows - 8 or width > columns - 8:
        return None
    if text.place == "corner":
        y, x = rng.choice((4, rows - height - 4)), rng.choice((4, columns - width - 4))
    else:
        y = rng.randint(min(rows // 3, rows - height - 4), max(rows // 3, 2 * rows // 3 - height))
        x = rng.randint(
            min(columns // 4, columns - width - 4), max(columns // 4, 3 * columns // 4 - width)
        )
        y, x = min(y, rows - height - 4), min(x, columns - width - 4)
    low, high = display(images, data)
    out = images.astype(np.float64)
    on = range(len(images))
    if text.standing == "some slices":
        first = rng.randrange(len(images))
        on = range(first, min(len(images), first + max(1, len(images) // 4)))
    for number in on:
        part = out[number, y : y + height, x : x + width]
        out[number, y : y + height, x : x + width] = part * (1 - ink) + ink * _level(
            text.contrast, part, images, low, high
        )
    least, most = np.iinfo(images.dtype).min, np.iinfo(images.dtype).max
    return np.clip(np.rint(out), least, most).astype(images.dtype), (x, y, width, height)


def _level(
    contrast: str, part: NDArray[np.float64], images: NDArray[Any], low: float, high: float
) -> NDArray[np.float64]:
    if contrast == "white":
        return np.full_like(part, max(float(images.max()), high))
    if contrast == "black":
        return np.full_like(part, min(float(images.min()), low))
    if contrast == "grey":
        return np.full_like(part, low + 0.75 * (high - low))
    return part + float(contrast) / 255 * (high - low)


def looked_at(folder: Path, headers: list[FileDataset], images: NDArray[Any]) -> Looked:
    """Return what the product sees in these slices."""
    files = []
    for number, (data, image) in enumerate(zip(headers, images, strict=True)):
        data.PixelData = image.tobytes()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data["PixelData"].VR = "OW"
        path = folder / f"{number}.dcm"
        data.save_as(path)
        files.append(ImageFile(str(number), path))
    return look(InspectJob(tuple(files), 12345, every_frame=False))


@lru_cache(maxsize=1)
def decoded(slices: Slices, draw: str) -> tuple[list[FileDataset], NDArray[Any]]:
    """Return headers and images of neighbouring slices, drawn from a series."""
    start = random.Random(draw).randrange(max(1, len(slices.files) - MOST_SLICES))
    headers = [dcmread(path) for path in slices.files[start : start + MOST_SLICES]]
    return headers, np.stack([data.pixel_array for data in headers])


def run_text(one: Text, series: list[Slices], seed: int) -> dict[str, Any]:
    """Draw and look; say whether a box lies on the text, and whether one lies elsewhere."""
    rng = random.Random(f"{seed} {one.number}")
    slices = series[one.series]
    headers, images = decoded(slices, f"{seed} slices {one.row}")
    made = drawn(images, headers[0], one, rng)
    facts = {**vars(one), "real": slices.real, "n_slices": len(headers)}
    if made is None:
        return {**facts, "found": None}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        looked = looked_at(Path(folder), headers, made[0])
        cpu_s = time.process_time() - begun
    x, y, width, height = made[1]
    here = [
        box
        for box in looked.boxes
        if box.x < x + width + REACH_PX
        and x - REACH_PX < box.x + box.width
        and box.y < y + height + REACH_PX
        and y - REACH_PX < box.y + box.height
    ]
    return {
        **facts,
        "found": bool(here),
        "elsewhere": len(looked.boxes) - len(here),
        "cpu_s": cpu_s,
    }


def clean_runs(series: list[Slices]) -> Iterator[tuple[Slices, Looked, float]]:
    """Yield what is seen in each series as it stands, and the CPU seconds it took."""
    for one in series:
        job = InspectJob(tuple(ImageFile(p.name, p) for p in one.files), 12345, every_frame=False)
        begun = time.process_time()
        try:
            looked = look(job)
        except Exception as error:
            print(f"not looked at: {one.name} {type(error).__name__}")
            continue
        yield one, looked, time.process_time() - begun


def table(results: Iterable[dict[str, Any]]) -> None:
    """Print the shares found with their intervals, from the whole to the cells."""
    done = [r for r in results if r["found"] is not None]

    def line(name: str, rows: list[dict[str, Any]]) -> None:
        hits = sum(r["found"] for r in rows)
        low, high = wilson(hits, len(rows))
        share = 100 * hits / len(rows) if rows else 0
        print(
            f"{name:58} {hits:5}/{len(rows):<5} {share:6.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        )

    clear = [r for r in done if r["contrast"] in ("white", "grey") and r["size_px"] >= 10]
    standing = [r for r in clear if r["standing"] == "every slice"]
    line("upright, standing, white or grey, >= 10 px", [r for r in standing if not r["turn_deg"]])
    line("turned, standing, white or grey, >= 10 px", [r for r in standing if r["turn_deg"]])
    line("on some slices, white or grey, >= 10 px", [r for r in clear if r not in standing])
    of = (("size_px", SIZES_PX), ("contrast", CONTRASTS), ("turn_deg", TURNS_DEG))
    for name, value in (*of, ("place", PLACES), ("standing", STANDING)):
        for one in value:
            line(f"{name} {one}", [r for r in done if r[name] == one])
    for real in (True, False):
        line("real slices" if real else "simulated slices", [r for r in done if r["real"] is real])
    for cell in itertools.product(SIZES_PX, CONTRASTS, (False, True), PLACES, STANDING):
        rows = [
            r
            for r in done
            if (r["size_px"], r["contrast"], bool(r["turn_deg"]), r["place"], r["standing"]) == cell
        ]
        if rows:
            size, contrast, turned, place, where = cell
            line(
                f"  {size} px {contrast} {'turned' if turned else 'upright'} {place} {where}", rows
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1, 2), default=0, help="of real series")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after, keep the log")
    parser.add_argument("--clear", action="store_true", help="only texts that a bar is set for")
    parser.add_argument("--clean", action="store_true", help="clean series only")
    arguments = parser.parse_args()
    if not FONT.is_file():
        sys.exit(f"no font at {FONT}: install fonts-noto-cjk; nothing was measured")
    rules = load_rules()
    start_worker(rules, read_models(rules))
    series = [one for folder in arguments.data for one in series_below(folder, arguments.half)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if arguments.clean:
        _clean(series)
    else:
        _texts(arguments, series)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"rules {rules.rules_id}; memory {before >> 10} MB at the start, {after >> 10} at the end"
    )


def _clean(series: list[Slices]) -> None:
    held, cpu, images, seen = 0, 0.0, 0, 0
    for one, looked, seconds in clean_runs(series):
        held += bool(looked.boxes)
        seen += 1
        cpu += seconds
        images += len(one.files)
        if looked.boxes:
            print(f"held though clean: {one.name} {[b.confidence for b in looked.boxes]}")
    low, high = wilson(held, seen)
    each = max(1, seen)
    print(f"clean series held: {held} of {seen} [{100 * low:.1f}, {100 * high:.1f}] %")
    print(f"{cpu / each:.2f} CPU s a series of {images / each:.0f} images")


def _texts(arguments: argparse.Namespace, series: list[Slices]) -> None:
    log: Path | None = arguments.log
    lines = log.read_text(encoding="utf-8").splitlines() if log and log.is_file() else []
    results = [json.loads(text) for text in lines]
    known = {r["number"] for r in results}
    begun = time.process_time()
    clear_only = arguments.clear
    for one in plan(arguments.texts, series, arguments.seed, clear_only=clear_only):
        if one.number in known:
            continue
        if time.process_time() - begun > arguments.seconds:
            break
        results.append(run_text(one, series, arguments.seed))
        if log:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(results[-1], ensure_ascii=False) + "\n")
    table(results)
    seconds = [r["cpu_s"] for r in results if r["found"] is not None]
    print(f"{len(seconds)} texts on {len(series)} series; {np.mean(seconds):.2f} CPU s a series")


if __name__ == "__main__":
    main()
