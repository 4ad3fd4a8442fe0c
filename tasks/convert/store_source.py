"""Read the source files of a sub-stack: facts of their pixels, and the pixels themselves."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack
from schemas.identifiers import Sha256
from tasks.convert.codes import Code
from tasks.convert.encoded import DEFLATED
from tasks.convert.facts_harvest import SeriesFacts
from tasks.convert.source import PixelFacts, pixel_facts, stored_values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_DEFER_BYTES = 1024
#: Holds all before the pixels in nearly every file; the full parser reads the others.
_HEADER_BYTES = 1 << 18


class UndecodableError(Exception):
    """The pixels of one instance cannot be decoded; carries its SOPInstanceUID."""

    def __init__(self, sop_uid: str) -> None:
        super().__init__("pixel data that cannot be decoded")
        self.sop_uid = sop_uid


@dataclass(frozen=True)
class KnownFile:
    """What was learnt of a file when its header was read, so that it is not read again."""

    sha256: Sha256
    facts: PixelFacts | None = None


def read_member_facts(
    members: Sequence[InstanceFeatures],
    paths: Mapping[str, Path],
    known: Mapping[str, KnownFile] | None = None,
) -> dict[str, PixelFacts]:
    """Return the facts of each member by its key; a file is read once for all its frames."""
    of_file = {uid: file.facts for uid, file in (known or {}).items() if file.facts is not None}
    facts, series = {}, SeriesFacts()
    for m in members:
        uid = m.sop_uid or ""
        if uid not in of_file:
            of_file[uid] = read_facts(paths.get(uid), uid, series)
        fact = of_file[uid]
        if m.frame_number is not None and fact.problem is None:
            fact = fact.of_frame(m.frame_number, m.grid_across)
        facts[member_key(m)] = fact
    return facts


def read_facts(path: Path | None, sop_uid: str, series: SeriesFacts) -> PixelFacts:
    """Read the pixel facts of one file; a file that is not this instance is UNREADABLE."""
    unreadable = PixelFacts(sop_uid=sop_uid, problem=Code.UNREADABLE)
    if path is None:
        return unreadable
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as stream:
            facts = series.read(stream.read(_HEADER_BYTES), size_bytes)
        facts = facts or read_facts_with_pydicom(path)
    except Exception:
        # pydicom raises many kinds on hostile bytes, and recursion errors on deep nesting.
        return unreadable
    return facts if facts.sop_uid == sop_uid else unreadable


def read_facts_with_pydicom(path: Path) -> PixelFacts:
    """Read the pixel facts with the full parser; it raises whatever hostile bytes provoke."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, defer_size=_DEFER_BYTES)
        syntax = header.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated or syntax == DEFLATED:
            # Whether compressed pixels are whole is seen in their bytes only.
            header = pydicom.dcmread(path)
        return pixel_facts(header, size_bytes=path.stat().st_size)


class SourceReader:
    """Stored values of any plane of one sub-stack, straight from the source files.

    The last file and the last image are kept: frames, tiles and planes are asked in order.
    """

    def __init__(
        self, stack: SubStack, facts: Mapping[str, PixelFacts], paths: Mapping[str, Path]
    ) -> None:
        self._members = stack.members
        self._facts = facts
        self._paths = paths
        self._dataset: tuple[Path, Dataset] | None = None
        self._image: tuple[object, NDArray[np.generic]] | None = None

    def __call__(self, member: int, tile: int) -> NDArray[np.generic]:
        """Return the stored values of a plane, shape (rows, columns).

        Raises
        ------
        UndecodableError
            If a decoder gives no image.
        """
        m = self._members[member]
        fact = self._facts[member_key(m)]
        image = self._read(m, fact)
        if fact.mosaic is not None:
            across = fact.mosaic.n_across
            return _tile(image, tile, across, (fact.rows // across, fact.columns // across))
        if fact.tile is not None:
            return _tile(image, fact.tile, m.grid_across or 1, (m.rows or 0, m.columns or 0))
        return image

    def _read(self, m: InstanceFeatures, fact: PixelFacts) -> NDArray[np.generic]:
        path = self._paths[m.sop_uid or ""]
        key = (path, fact.index)
        if self._image is None or self._image[0] != key:
            self._image = None
            self._image = (key, stored_values(self._decode(path, fact), fact.bits_stored))
        return self._image[1]

    def _decode(self, path: Path, fact: PixelFacts) -> NDArray[np.generic]:
        shape = (fact.rows, fact.columns)
        if not fact.encoded:
            return _read_values(path, fact).reshape(shape)
        from pydicom.pixels.utils import pixel_array

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image = np.asarray(pixel_array(self._open(path), index=fact.index))
        except Exception as error:
            # Decoders raise many kinds; their message may quote the file.
            raise UndecodableError(fact.sop_uid) from error
        if image.shape != shape:
            raise UndecodableError(fact.sop_uid)
        return image

    def _open(self, path: Path) -> Dataset:
        import pydicom

        if self._dataset is None or self._dataset[0] != path:
            self._dataset = None
            self._dataset = (path, pydicom.dcmread(path))
        return self._dataset[1]


def _read_values(path: Path, fact: PixelFacts) -> NDArray[np.generic]:
    """Return the native values of one image; fewer where the file ends before them."""
    values: NDArray[np.generic] = np.empty(fact.rows * fact.columns, fact.dtype)
    # A third of what a file object costs, which counts where images are small.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        n_bytes = os.preadv(file, [values.data], fact.offset)
    finally:
        os.close(file)
    return values[: n_bytes // values.itemsize]


def _tile(
    image: NDArray[np.generic], tile: int, across: int, shape: tuple[int, int]
) -> NDArray[np.generic]:
    rows, columns = shape
    down, right = divmod(tile, across)
    return image[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns]


def undecodable_members(
    stack: SubStack, facts: Mapping[str, PixelFacts], reader: SourceReader
) -> tuple[str, ...]:
    """Return the instances with compressed pixels that no decoder here opens."""
    lost = set()
    for i, m in enumerate(stack.members):
        if facts[member_key(m)].encoded:
            try:
                reader(i, 0)
            except UndecodableError as error:
                lost.add(error.sop_uid)
    return tuple(sorted(lost))
