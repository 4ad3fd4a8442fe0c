"""Run the pinned dcm2niix on one sub-stack in a fresh folder, and read what it wrote."""

from __future__ import annotations

import mmap
import os
import select
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack
from tasks.convert.codes import Code
from tasks.convert.nifti_header import (
    HEADER_BYTES,
    NiftiHeader,
    mended_header,
    parse_nifti_header,
)
from tasks.convert.proof import PROOF_EDITION, Converted
from tasks.convert.source import PixelFacts
from tasks.convert.store_binary import (
    CONVERTER_FLAGS,
    FLAGS,
    PRECISE_FLAGS,
    TOKEN,
    find_binary,
    flags_text,
)
from tasks.convert.verdict import Fault

#: Images interpolated by the converter, and overlay planes (60xx,3000) of CT; the native one
#: stands beside them.
_BESIDE = ("_Eq", "_Tilt", "_ROI")
#: The image with all volumes, beside one from which trace or ADC volumes were taken.
_ALL_VOLUMES = "_ADC"
_LOG_BYTES = 1 << 16


@dataclass(frozen=True)
class Run:
    """One run of the converter; without a fault `nifti` is its one native image."""

    faults: tuple[Fault, ...]
    exit_code: int | None
    n_warnings: int = 0
    nifti: Path | None = None
    flags: str = ""


def needs_precise_scaling(stack: SubStack, facts: Mapping[str, PixelFacts]) -> bool:
    """Return whether the converter ignores a changing slope unless told not to."""
    scales = {(facts[member_key(m)].slope, facts[member_key(m)].intercept) for m in stack.members}
    first = stack.members[0]
    # Frames are handed over without a manufacturer, see `store_rewrite`.
    by_itself = first.manufacturer == "Philips" and first.frame_number is None
    return len(scales) > 1 and not by_itself


def run_dcm2niix(
    sources: Sequence[Path], scratch: Path, *, timeout_s: float, precise: bool = False
) -> Run:
    """Convert exactly these files.

    Parameters
    ----------
    sources : sequence of Path
        Files of one sub-stack.
    scratch : Path
        An empty folder; links to sources go to `in/`, images to `out/`.
    timeout_s : float
        Wall time; then it is killed.
    precise : bool
        Write real values where slope or intercept change from slice to slice.
    """
    flags = PRECISE_FLAGS if precise else FLAGS
    folder_in, folder_out = scratch / "in", scratch / "out"
    folder_out.mkdir()
    if _fill_a_folder(sources):
        folder_in = sources[0].parent
    else:
        folder_in.mkdir()
        _link(sources, folder_in)
    command = [str(find_binary().path), *flags, "-o", str(folder_out), str(folder_in)]
    with (scratch / "log").open("w+b") as log:
        exit_code = _run(command, log, timeout_s)
        log.seek(0)
        n_warnings = log.read(_LOG_BYTES).count(b"Warning")
    if exit_code is None:
        return Run((Fault(Code.CONVERTER_TIMEOUT),), None, n_warnings)
    if exit_code < 0:
        return Run((Fault(Code.CONVERTER_CRASHED),), exit_code, n_warnings)
    native = [p for p in sorted(folder_out.glob("*.nii")) if not _is_beside(p)]
    if exit_code != 0 or not native:
        return Run((Fault(Code.CONVERTER_FAILED),), exit_code, n_warnings)
    image = _with_all_volumes(native)
    if image is None:
        return Run((Fault(Code.CONVERTER_SPLIT),), exit_code, n_warnings)
    return Run((), exit_code, n_warnings, image, flags_text(flags))


def _fill_a_folder(sources: Sequence[Path]) -> bool:
    """Return whether a folder holds these files and nothing else: then no link is needed."""
    folder = sources[0].parent
    if any(source.parent != folder for source in sources):
        return False
    return set(os.listdir(folder)) == {source.name for source in sources}  # noqa: PTH208 - names


def _link(sources: Sequence[Path], folder: Path) -> None:
    """Link the sources under neutral names, over one link per folder they lie in.

    A link with a target of over 59 bytes costs a disk block and 20 times as much.
    """
    places = {parent: n for n, parent in enumerate(sorted({source.parent for source in sources}))}
    for parent, n in places.items():
        (folder.parent / f"s{n}").symlink_to(parent.absolute(), target_is_directory=True)
    for number, source in enumerate(sources):
        target = Path("..", f"s{places[source.parent]}", source.name)
        (folder / f"{number:06d}.dcm").symlink_to(target)


def _run(command: Sequence[str], log: IO[bytes], timeout_s: float) -> int | None:
    """Return the exit code, negative for a signal, or None after a timeout."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={"LC_ALL": "C", "PATH": os.defpath},
    ) as process:
        # Popen.wait with a timeout sleeps up to 50 ms at a time, longer than most
        # conversions take; a process file descriptor becomes ready at the very end.
        ended = os.pidfd_open(process.pid)
        try:
            ready, _, _ = select.select([ended], [], [], timeout_s)
        finally:
            os.close(ended)
            if process.poll() is None:
                process.kill()
        code = process.wait()
        return code if ready else None


def _with_all_volumes(native: Sequence[Path]) -> Path | None:
    """Return the one image, or that with all volumes; None when there are several.

    Of a series with directions and the isotropic image (Philips) the converter writes one
    without the isotropic volumes and one with all; its gradient files belong to the first.
    """
    if len(native) == 1:
        return native[0]
    folder = native[0].parent
    part, whole = folder / f"{TOKEN}.nii", folder / f"{TOKEN}{_ALL_VOLUMES}.nii"
    if {*native} != {part, whole}:
        return None
    whole.replace(part)
    for suffix in (".bval", ".bvec"):
        part.with_suffix(suffix).unlink(missing_ok=True)
    return part


def _is_beside(image: Path) -> bool:
    return any(mark in image.stem for mark in _BESIDE)


def read_converted(nifti: Path) -> Converted:
    """Open what the converter wrote; the voxels are mapped, not loaded.

    Raises
    ------
    ValueError
        If the file is not one whole NIfTI-1 image of up to four dimensions.
    """
    header = _read_header(nifti)
    if not len(header.shape) <= 4 or min(header.shape) < 1:
        raise ValueError("not an image of up to four dimensions")
    mapped, data = _map_voxels(nifti, header)
    return Converted(
        data=data,
        affine_ras=header.affine_ras,
        slope=header.slope,
        intercept=header.intercept,
        b_values=_read_b_values(nifti.with_suffix(".bval")),
        directions=_read_directions(nifti.with_suffix(".bvec")),
        let_go=partial(mapped.madvise, mmap.MADV_DONTNEED),
    )


def _map_voxels(nifti: Path, header: NiftiHeader) -> tuple[mmap.mmap, NDArray[np.generic]]:
    shape = (*header.shape, *(1,) * (4 - len(header.shape)))
    with nifti.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    if len(mapped) < header.offset + prod(shape) * header.dtype.itemsize:
        raise ValueError("the image ends before its last voxel")
    return mapped, np.ndarray(shape, header.dtype, mapped, header.offset, order="F")


def _read_header(nifti: Path) -> NiftiHeader:
    with nifti.open("rb") as stream:
        return parse_nifti_header(stream.read(HEADER_BYTES))


def _read_b_values(path: Path) -> tuple[float, ...] | None:
    if not path.exists():
        return None
    return tuple(float(word) for word in path.read_text(encoding="ascii").split())


def _read_directions(path: Path) -> NDArray[np.float64] | None:
    if not path.exists():
        return None
    lines = path.read_text(encoding="ascii").splitlines()
    rows = [[float(word) for word in line.split()] for line in lines]
    if len(rows) != 3 or len({len(row) for row in rows}) != 1:
        raise ValueError("not three rows of directions")
    return np.asarray(rows)


def data_offset(nifti: Path) -> int:
    """Return where the voxels begin in an uncompressed NIfTI, in bytes."""
    return _read_header(nifti).offset


def mend_header(nifti: Path, affine_ras: NDArray[np.float64]) -> None:
    """Blank the header's free text and state the proven affine, in place; voxels stay."""
    mended = mended_header(_read_header(nifti), affine_ras)
    with nifti.open("r+b") as stream:
        stream.write(mended)


def cache_key(digest: str, input_sha256: Mapping[str, str]) -> dict[str, object]:
    """Return what an output depends on: same key, same output."""
    return {
        "sub_stack_digest": digest,
        "input_sha256": dict(sorted(input_sha256.items())),
        "converter_sha256": find_binary().sha256,
        "proof": PROOF_EDITION,
        # Which of the two it is follows from the inputs.
        "converter_flags": [list(flags) for flags in CONVERTER_FLAGS],
    }
