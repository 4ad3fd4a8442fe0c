"""Voxels of a compressed NIfTI that goes by once; only what was asked for beforehand is held."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from isal import igzip_lib
from nibabel.nifti1 import Nifti1Header

from tasks.measure.volume import Affine, Turn, turn_of
from tasks.measure.voxels import Asked, Block, HeldVoxels, Stored

#: Small enough that what is unpacked stays in the processor's cache.
_READ_BYTES, _UNPACKED_BYTES = 1 << 16, 1 << 17
_HEADER_BYTES = 348
# Any, because they are not annotated.
_Decompressor: Any = igzip_lib.IgzipDecompressor
_Header: Any = Nifti1Header


class NiftiFacts(NamedTuple):
    """What the header of a NIfTI says; `shape` is i, j, k, volumes."""

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    offset: int
    affine_ras: Affine
    slope: float
    intercept: float


class StreamedVoxels:
    """Voxels of one compressed file, on patient axes.

    Parameters
    ----------
    path : Path
        A `.nii.gz` of one gzip member.

    Raises
    ------
    ValueError, OSError, EOFError, IsalError
        If it is none, or ends too early; from `expect` too, which reads it to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.facts = _read_facts(path)
        self.turn = turn_of(self.facts.shape, self.facts.affine_ras)
        self._planes: dict[tuple[int, int], Stored] = {}
        self._blocks: dict[tuple[Block, int], Stored] = {}
        self._whole: HeldVoxels | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Voxels along x, y, z, and volumes."""
        x, y, z = (self.facts.shape[axis] for axis in self.turn.grid_of)
        return x, y, z, self.facts.shape[3]

    def expect(self, asked: Asked) -> None:
        """Let the volume go by, and keep what will be asked."""
        targets = self._targets(asked)
        for number, of, plane in self._passing():
            for target, some in targets.get((number, of), ()):
                target[...] = plane[some]
            if (number, of) in asked.planes:
                # In the order of the file, as a view of it would be: sums depend on it.
                self._planes[number, of] = plane.copy(order="K")

    def plane(self, number: int, of: int) -> Stored:
        """Return one slice as acquired, on the two patient axes that are left."""
        found = self._planes.get((number, of))
        return self._held().plane(number, of) if found is None else found

    def block(self, block: Block, of: int) -> Stored:
        """Return a part of one volume, thinned out."""
        found = self._blocks.get((block, of))
        return self._held().block(block, of) if found is None else found

    def _targets(
        self, asked: Asked
    ) -> Mapping[tuple[int, int], list[tuple[Stored, tuple[slice, slice]]]]:
        """Return by slice and volume where pixels of it go to, and which."""
        targets: dict[tuple[int, int], list[tuple[Stored, tuple[slice, slice]]]] = {}
        for block, of in asked.blocks:
            places = [steps.within(n) for steps, n in zip(block, self.shape, strict=False)]
            made: Stored = np.empty([len(p) for p in places], self.facts.dtype, order="F")
            self._blocks[block, of] = made
            by_slice = np.moveaxis(made, self.turn.through, 0)
            one, other = (s.as_slice() for i, s in enumerate(block) if i != self.turn.through)
            for row, number in enumerate(places[self.turn.through]):
                targets.setdefault((number, of), []).append((by_slice[row], (one, other)))
        return targets

    def _passing(self) -> Iterator[tuple[int, int, Stored]]:
        """Yield number, volume and pixels of each slice; these are gone when the next one comes."""
        turned = _turned_plane(self.turn)
        n_slices = self.facts.shape[2]
        for place, plane in enumerate(_planes(self._path, self.facts)):
            of, number = divmod(place, n_slices)
            if self.turn.flipped[self.turn.through]:
                number = n_slices - 1 - number
            yield number, of, plane.transpose(turned.axes)[turned.steps]

    def _held(self) -> HeldVoxels:
        """Return all voxels, for what nobody had announced."""
        if self._whole is None:
            whole = self.turn.seen(np.empty(self.facts.shape, self.facts.dtype, order="F"))
            by_slice = np.moveaxis(whole, self.turn.through, 0)
            for number, of, plane in self._passing():
                by_slice[number, ..., of] = plane
            self._whole = HeldVoxels(whole, self.turn.through)
        return self._whole


class _TurnedPlane(NamedTuple):
    axes: tuple[int, ...]
    steps: tuple[slice, ...]


def _turned_plane(turn: Turn) -> _TurnedPlane:
    """Return how a slice of the file, axes i and j, is turned to the patient's axes."""
    left = [world for world in range(3) if world != turn.through]
    steps = tuple(slice(None, None, -1 if turn.flipped[world] else 1) for world in left)
    return _TurnedPlane(tuple(turn.grid_of[world] for world in left), steps)


def _read_facts(path: Path) -> NiftiFacts:
    start = b""
    with closing(_pieces(path, _HEADER_BYTES)) as pieces:
        while len(start) < _HEADER_BYTES:
            start += next(pieces)
    header = _Header.from_fileobj(BytesIO(start[:_HEADER_BYTES]))
    i, j, k, *others = (int(size) for size in header.get_data_shape())
    n = prod(others)
    slope, intercept = header.get_slope_inter()
    return NiftiFacts(
        shape=(i, j, k, n),
        dtype=header.get_data_dtype(),
        offset=int(header.get_data_offset()),
        affine_ras=np.asarray(header.get_best_affine(), dtype=np.float64),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )


def _planes(path: Path, facts: NiftiFacts) -> Iterator[Stored]:
    i, j, k, n = facts.shape
    size = i * j * facts.dtype.itemsize
    buffer, filled, skipped, left = bytearray(size), 0, facts.offset, k * n
    for piece in _pieces(path, _UNPACKED_BYTES):
        some = memoryview(piece)[skipped:]
        skipped = max(0, skipped - len(piece))
        while len(some) and left:
            taken = min(len(some), size - filled)
            buffer[filled : filled + taken] = some[:taken]
            filled, some = filled + taken, some[taken:]
            if filled == size:
                filled, left = 0, left - 1
                yield np.frombuffer(buffer, facts.dtype).reshape((i, j), order="F")
    if left:
        raise EOFError("the image ends before its last slice")


def _pieces(path: Path, most: int) -> Generator[bytes]:
    """Yield what a gzip file of one member holds; its checksum is held against it at the end."""
    unpack = _Decompressor(flag=igzip_lib.DECOMP_GZIP)
    with path.open("rb") as stream:
        while not unpack.eof:
            packed = stream.read(_READ_BYTES) if unpack.needs_input else b""
            if unpack.needs_input and not packed:
                raise EOFError("the compressed image ends too early")
            piece = unpack.decompress(packed, most)
            if piece:
                yield piece
        if unpack.unused_data or stream.read(1):
            raise ValueError("something stands behind the compressed image")
