"""One picture of a subject's series: a middle slice of each phase side by side, with its label.

python benchmarks/simulate/contact_sheet.py sheet.png --site 0 --subject 0 --seed 7 --full
"""

from __future__ import annotations

import argparse
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.simulate.exports import Export, ExportFile, plan_images
from tasks.simulate.faults.fault_tools import frame_of, template_of
from tasks.simulate.images.drawn_text import TextStyle, text_pixels
from tasks.simulate.images.pixels import frame_label, frame_pixels
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.protocols import SeriesPlan
from tasks.simulate.people.subjects import make_subjects
from tasks.simulate.people.views import View

Picture = NDArray[np.uint8]

_TILE = 192
_CAPTION = 20
_INK = 255
_CAPTION_STYLE = TextStyle("caption", 11.0, 0.2, 0.02)
_ROW_TILES = 10
_PAPER = "DOSE_REPORT"
# Stored values shown from black to white: CT 50 +- 175 HU. T1 images share a window, so that
# phases can be compared; any other image fills its own.
_SHARING = ("MR_T1", "MR_BOLUS")
_CT_WINDOW, _T1_WINDOW = (899.0, 1249.0), (0.0, 1500.0)


def contact_sheet(export: Export, subject_no: str, seed: int) -> Picture:
    """Return the sheet of one subject: exams one below the other, sub-stacks in order of time.

    Each exam starts a row and fills as many as it needs; the tiles are the middle slices,
    windowed, enlarged by repetition.
    """
    rows: dict[str, list[Picture]] = {}
    for label, file in _middle_slices(export, subject_no):
        context = template_of(file).context
        rows.setdefault(context.exam.study_uid, []).append(_tile(file, label, seed))
    width = min(_ROW_TILES, max(map(len, rows.values())))
    pieces = [
        tiles[at : at + width] for tiles in rows.values() for at in range(0, len(tiles), width)
    ]
    return np.vstack([_row(piece, width) for piece in pieces])


def png_bytes(picture: Picture) -> bytes:
    """Return a grey picture as a PNG (ISO/IEC 15948)."""
    height, width = picture.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = b"".join(b"\x00" + line.tobytes() for line in picture)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _middle_slices(export: Export, subject_no: str) -> list[tuple[str, ExportFile]]:
    found: list[tuple[str, ExportFile]] = []
    for file in export.files:
        if file.template is None or file.fault is not None:
            continue
        context, frame = file.template.context, frame_of(file)
        if context.plan.name_key == _PAPER:
            continue
        b_last = context.plan.b_values[-1] if context.plan.b_values else None
        middle = 0 if context.plan.tiles else context.plan.n_slices // 2
        shown = (middle, context.subject.subject_no, b_last)
        if shown == (frame.slice_index, subject_no, frame.b_value):
            found.append((frame_label(context.plan, frame), file))
    return found


def _tile(file: ExportFile, label: str, seed: int) -> Picture:
    template = template_of(file)
    stored = _shown(file, seed)
    low, high = _window(label, template.context.plan, stored)
    grey = (np.clip((stored - low) / (high - low), 0.0, 1.0) * _INK).astype(np.uint8)
    times = math.floor(_TILE / max(grey.shape))
    large = np.kron(grey, np.ones((times, times), dtype=np.uint8))
    tile = np.zeros((_TILE + _CAPTION, _TILE + 4), dtype=np.uint8)
    top, left = (_TILE - large.shape[0]) // 2, (_TILE - large.shape[1]) // 2
    tile[_CAPTION + top : _CAPTION + top + large.shape[0], left : left + large.shape[1]] = large
    caption = text_pixels(label.replace("_", " "), (_CAPTION, _TILE), _CAPTION_STYLE)
    tile[:_CAPTION, :_TILE][caption] = _INK
    return tile


def _shown(file: ExportFile, seed: int) -> NDArray[np.float64]:
    """Return the stored values of the middle slice; of tiles, the one in the middle."""
    template = template_of(file)
    plan = template.context.plan
    stored = frame_pixels(template, frame_of(file), seed).astype(np.float64)
    if plan.tiles is None:
        return stored
    down, across = divmod(plan.n_slices // 2, stored.shape[1] // plan.columns)
    top, left = down * plan.rows, across * plan.columns
    return stored[top : top + plan.rows, left : left + plan.columns]


def _window(label: str, plan: SeriesPlan, stored: NDArray[np.float64]) -> tuple[float, float]:
    if plan.view is View.SCOUT:
        return float(stored.min()), float(stored.max())
    if plan.modality == "CT":
        return _CT_WINDOW
    return _T1_WINDOW if label.startswith(_SHARING) else (0.0, float(np.percentile(stored, 99.5)))


def _row(tiles: Sequence[Picture], width: int) -> Picture:
    empty = np.zeros_like(tiles[0])
    return np.hstack([*tiles, *[empty] * (width - len(tiles))])


def main() -> None:
    """Read the options and write the picture."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("--site", type=int, default=0, help="0 for S91, 8 for S99")
    options.add_argument("--subject", type=int, default=0)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--full", action="store_true", help="every series of the exams")
    chosen = options.parse_args()
    hospital = HOSPITALS[chosen.site]
    subjects = make_subjects(
        hospital, site_index=chosen.site, per_site=chosen.subject + 1, seed=chosen.seed
    )[-1:]
    export = plan_images(hospital, subjects, 1, chosen.seed, full=chosen.full)
    picture = contact_sheet(export, subjects[0].subject_no, chosen.seed)
    chosen.out.write_bytes(png_bytes(picture))
    print(f"{chosen.out}: {picture.shape[1]} x {picture.shape[0]} pixels")


if __name__ == "__main__":
    main()
