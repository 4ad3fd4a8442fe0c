"""Pictures of volumes as WebP files, made once and shared by every report that shows them.

A picture is named by its content; an index entry, named by what went in (volumes, label,
version of the drawing), says which pictures came out. A volume that has not changed costs a
look into the index. The reduced volume for scrolling has an entry of its own: it shares no grey
scale, so the volume's own hash says all of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Image
from PIL import Image, ImageDraw, ImageFont

from schemas.run.atomic_files import canonical_json, sha256_of_bytes, write_bytes
from tasks.report import pictures
from tasks.report.picture_plan import PictureGroup, PicturePlan, PlannedVolume
from tasks.report.store_volumes import REDUCTION_VERSION, draw_volume
from tasks.report.tables import VolumePictures

#: Raise it when the drawing changes: then every picture is made anew.
DRAWING_VERSION = 3
MOSAIC_BYTES = 40_000
_TILE = 176
_BAND = 22
_MOSAIC_COLUMNS = 2
_SHEET_SIDE = 4
_SLICE_PIXELS = 512
_QUALITIES = (80, 70, 60, 50, 40, 30, 20)
_SHEET_QUALITY = 75


@dataclass(frozen=True)
class PictureStore:
    """The folder of all pictures, `reports/.pictures`, and how many threads make them."""

    folder: Path
    workers: int = 2

    def path_of(self, name: str) -> Path:
        """Return where the bytes of a picture are."""
        return self.folder / "files" / name

    def make(self, plan: PicturePlan, release: Path) -> dict[str, VolumePictures]:
        """Return the pictures of every volume of a plan by sub-stack digest; draw new ones.

        Parameters
        ----------
        plan : PicturePlan
            Which volumes, in groups that share one grey scale.
        release : Path
            Folder of the release that holds the volumes.
        """
        with ThreadPoolExecutor(self.workers) as pool:
            parts = pool.map(lambda group: self._make_group(group, release), plan.groups)
            return {digest: made for part in parts for digest, made in part.items()}

    def _make_group(self, group: PictureGroup, release: Path) -> dict[str, VolumePictures]:
        places = {one.digest: release / one.rel_path for one in group.volumes}
        stack_of = cache(lambda digest: _read_stack(places[digest]))
        known = {one.digest: self._read(self._key(group, one.digest)) for one in group.volumes}
        drawn = {digest: entry for digest, entry in known.items() if entry is not None}
        if len(drawn) < len(known):
            drawn = self._draw_group(group, stack_of)
        return {
            one.digest: replace(drawn[one.digest], volume=self._volume(one, stack_of))
            for one in group.volumes
        }

    def _draw_group(
        self, group: PictureGroup, stack_of: Callable[[str], pictures.Stack]
    ) -> dict[str, VolumePictures]:
        made: dict[str, VolumePictures] = {}
        stacks = {one.digest: stack_of(one.digest) for one in group.volumes}
        window = pictures.value_window(list(stacks.values()), is_ct=group.is_ct)
        held = pictures.CT_SHEET_HU if group.is_ct else window
        for one in group.volumes:
            stack = stacks[one.digest]
            drawn, levels = draw_mosaic(stack, window, one.title, is_ct=group.is_ct)
            mosaic = self._write(drawn)
            sheets: tuple[str, ...] = ()
            if one.for_rating:
                sheets = tuple(self._write(sheet) for sheet in draw_sheets(stack, held))
            width, height = _slice_size(stack)
            made[one.digest] = VolumePictures(
                mosaic, sheets, stack.n_frames, width, height, levels=levels
            )
            entry = canonical_json(asdict(made[one.digest]))
            write_bytes(self._entry(self._key(group, one.digest)), entry)
        return made

    def _volume(self, one: PlannedVolume, stack_of: Callable[[str], pictures.Stack]) -> str:
        """Return the script of a reduced volume; made when this volume has none yet."""
        facts = ["reduced", REDUCTION_VERSION, one.sha256, one.in_hu]
        entry = self._entry(sha256_of_bytes(canonical_json(facts)))
        try:
            name = str(json.loads(entry.read_bytes())["script"])
        except FileNotFoundError:
            name = ""
        if not name or not self.path_of(name).is_file():
            name = self._write(draw_volume(stack_of(one.digest), is_ct=one.in_hu), ".js")
            write_bytes(entry, canonical_json({"script": name}))
        return name

    def _key(self, group: PictureGroup, digest: str) -> str:
        facts = [DRAWING_VERSION, digest, asdict(group)]
        # Where the file lies in a release says nothing about what it shows, and the unit of its
        # values nothing about pictures: it is of the reduced volume.
        for volume in facts[2]["volumes"]:  # type: ignore[index]  # asdict gives a dict
            del volume["rel_path"], volume["in_hu"]
        return sha256_of_bytes(canonical_json(facts))

    def _entry(self, key: str) -> Path:
        return self.folder / "index" / key[:2] / f"{key}.json"

    def _read(self, key: str) -> VolumePictures | None:
        try:
            facts = json.loads(self._entry(key).read_bytes())
        except FileNotFoundError:
            return None
        made = VolumePictures(**{**facts, "sheets": tuple(facts["sheets"])})
        complete = all(self.path_of(name).is_file() for name in made.names)
        return made if complete else None

    def _write(self, data: bytes, suffix: str = ".webp") -> str:
        digest = sha256_of_bytes(data)
        name = f"{digest[:2]}/{digest}{suffix}"
        path = self.path_of(name)
        if not path.is_file():
            write_bytes(path, data)
        return name

    def link(self, names: Sequence[str], folder: Path) -> None:
        """Put pictures into a report folder; a link where the file system has them."""
        for name in names:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self.path_of(name), place)
            except OSError:
                place.write_bytes(self.path_of(name).read_bytes())


def draw_mosaic(
    stack: pictures.Stack, window: tuple[float, float], title: str, *, is_ct: bool = False
) -> tuple[bytes, str]:
    """Return six levels across the liver as WebP, and how they were found: `lung` or `stack`.

    What is written on it belongs to no language and stands outside the anatomy.
    """
    n_slices = stack.voxels.shape[stack.through]
    below_lung = pictures.frames_below_lung(stack) if is_ct else None
    levels = below_lung or pictures.liver_frames(n_slices, stack.voxels.shape[3] - 1)
    slices = [pictures.frame(stack, number) for number in levels]
    box = pictures.body_box(slices, window)
    tiles = [pictures.to_grey(one[box], window) for one in slices]
    rows = -(-len(tiles) // _MOSAIC_COLUMNS)
    size = pictures.picture_size(tiles[0].shape, pictures.pixel_mm(stack), _TILE, enlarge=True)
    canvas = Image.new("L", (_MOSAIC_COLUMNS * _TILE, rows * size[1] + 2 * _BAND), color=0)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, _MOSAIC_COLUMNS)
        left = column * _TILE + (_TILE - size[0]) // 2
        canvas.paste(_picture(tile, size), (left, _BAND + row * size[1]))
    _write_words(canvas, title, stack.through)
    return _webp_within(canvas, MOSAIC_BYTES), "lung" if below_lung else "stack"


def draw_sheets(stack: pictures.Stack, window: tuple[float, float]) -> list[bytes]:
    """Return all slices of a series, sixteen on a sheet, without a word on them."""
    width, height = _slice_size(stack)
    per_sheet = _SHEET_SIDE * _SHEET_SIDE
    sheets = []
    for first in range(0, stack.n_frames, per_sheet):
        numbers = range(first, min(first + per_sheet, stack.n_frames))
        rows = -(-len(numbers) // _SHEET_SIDE)
        canvas = Image.new("L", (_SHEET_SIDE * width, rows * height), color=0)
        for place, number in enumerate(numbers):
            row, column = divmod(place, _SHEET_SIDE)
            grey = pictures.to_grey(pictures.frame(stack, number), window)
            canvas.paste(_picture(grey, (width, height)), (column * width, row * height))
        sheets.append(_webp(canvas, _SHEET_QUALITY))
    return sheets


def _slice_size(stack: pictures.Stack) -> tuple[int, int]:
    shape = pictures.frame(stack, 0).shape
    return pictures.picture_size((shape[0], shape[1]), pictures.pixel_mm(stack), _SLICE_PIXELS)


def _read_stack(path: Path) -> pictures.Stack:
    image = Nifti1Image.from_filename(path)
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    return pictures.canonical_stack(voxels, np.asarray(image.affine, dtype=np.float64))


def _picture(grey: pictures.ByteArray, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR)


def _write_words(canvas: Image.Image, title: str, through: int) -> None:
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=14)
    left, right = ("A", "P") if through == 0 else ("R", "L")
    below = canvas.height - _BAND + 2
    draw.text((4, 2), title, fill=255, font=font)
    draw.text((4, below), left, fill=255, font=font)
    draw.text((canvas.width - 4, below), right, fill=255, font=font, anchor="ra")


def _webp_within(canvas: Image.Image, limit: int) -> bytes:
    for quality in _QUALITIES:
        data = _webp(canvas, quality)
        if len(data) <= limit:
            return data
    return _webp(canvas.resize((canvas.width // 2, canvas.height // 2)), _QUALITIES[-1])


def _webp(canvas: Image.Image, quality: int) -> bytes:
    stream = BytesIO()
    canvas.save(stream, "WEBP", quality=quality, method=2)
    return stream.getvalue()
