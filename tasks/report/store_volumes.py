"""Reduced volumes as classic scripts, named by content; made once for each volume.

A page opened from a file share may not read the pixels of a picture file, and may not fetch. So
a volume comes as a script that hands over its slices as one WebP picture, in base64.
"""

from __future__ import annotations

import base64
import json
from io import BytesIO

import numpy as np
from PIL import Image

from tasks.report.pictures import ByteArray, Stack
from tasks.report.reduced_volumes import LONGEST_SIDE, ReducedVolume, reduce_stack

#: Raise it when reduced volumes change: then every one is made anew.
REDUCTION_VERSION = 1
#: What a series may cost.
VOLUME_BYTES = 300_000
_PER_ROW = 8
#: Longer side of a slice and quality of the picture: the first that is small enough is taken.
_STEPS = ((LONGEST_SIDE, 88), (LONGEST_SIDE, 60), (192, 50), (128, 45), (96, 40), (64, 30))


def draw_volume(stack: Stack, *, is_ct: bool) -> bytes:
    """Return the script of a reduced volume, at most `VOLUME_BYTES` long."""
    script = b""
    reduced: ReducedVolume | None = None
    side = 0
    for longest, quality in _STEPS:
        if reduced is None or longest != side:
            reduced, side = reduce_stack(stack, is_ct=is_ct, longest=longest), longest
        script = _script(reduced, quality)
        if len(script) <= VOLUME_BYTES:
            break
    return script


def _script(volume: ReducedVolume, quality: int) -> bytes:
    n_slices, rows, columns = volume.slices.shape
    facts = {
        "size": [columns, rows, n_slices],
        "perRow": _PER_ROW,
        "toMm": [[round(float(one), 6) for one in row] for row in volume.to_mm],
        "knots": volume.knots,
        "percentiles": dict(volume.percentiles),
        "first": volume.first,
        "step": volume.step,
        "of": volume.of,
        "volume": volume.volume,
        "volumes": volume.n_volumes,
        "webp": base64.b64encode(_sprite(volume.slices, quality)).decode(),
    }
    return f"livercohort.takeVolume({json.dumps(facts, separators=(',', ':'))});\n".encode()


def _sprite(slices: ByteArray, quality: int) -> bytes:
    """Return all slices as one picture, row by row."""
    n_slices, rows, columns = slices.shape
    high = -(-n_slices // _PER_ROW)
    full = np.zeros((high * _PER_ROW, rows, columns), dtype=np.uint8)
    full[:n_slices] = slices
    tiled = full.reshape(high, _PER_ROW, rows, columns).swapaxes(1, 2)
    stream = BytesIO()
    picture = Image.fromarray(tiled.reshape(high * rows, _PER_ROW * columns))
    picture.save(stream, "WEBP", quality=quality, method=2)
    return stream.getvalue()
