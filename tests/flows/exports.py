"""Small exports for tests of bad input: simulated, then cut to the series a test needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom

KEY = bytes(range(32))


def dicom_files(export: Path) -> list[Path]:
    """Return the image files of an export in path order."""
    return sorted(path for path in (export / "dicom").rglob("*.dcm"))


def cut_export(whole: Path, inbox: Path, *, series: int, planted: bool = False) -> Path:
    """Copy an export with its first MR series only, under an inbox of its own.

    Parameters
    ----------
    whole : Path
        An export as simulated, `.../S91/<night>`.
    inbox : Path
        Gets `S91/<night>`.
    series : int
        How many series are kept.
    planted : bool
        Keep the faults planted beside the images.
    """
    target = inbox / whole.parent.name / whole.name
    # mtimes are kept as they are: the quiet period never decides here, READY does.
    shutil.copytree(whole, target)
    folders = sorted(
        {path.parent for path in dicom_files(target) if "_MR" in path.parent.parent.name}
    )
    for folder in sorted({path.parent for path in dicom_files(target)}):
        if folder not in folders[:series]:
            shutil.rmtree(folder)
    if not planted:
        for path in dicom_files(target):
            if not path.name.startswith("IM"):
                path.unlink()
    return target


def file_bytes(root: Path, *patterns: str) -> dict[str, bytes]:
    """Return the bytes of the files below `root` that match, by relative path."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for pattern in patterns
        for path in sorted(root.glob(pattern))
        if path.is_file() and not path.is_symlink()
    }


def identifying_values(export: Path) -> set[str]:
    """Return what an error about this export must not quote: names, numbers, the site's paths."""
    values: set[str] = set()
    for path in dicom_files(export):
        values |= set(path.relative_to(export / "dicom").parts[:-2]) | {path.name}
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, EOFError):
            continue
        for keyword in ("PatientID", "PatientName", "AccessionNumber", "SOPInstanceUID"):
            values.add(str(header.get(keyword, "")))
    return {value for value in values if len(value) > 3}


def new_home(folder: Path, *, key: bytes = KEY) -> Path:
    """Return a home with a key that is the same in every test and an empty inbox."""
    home = folder / "home"
    (home / "inbox").mkdir(parents=True)
    (home / "restricted").mkdir(mode=0o700)
    write_key(home / "restricted" / "key", key)
    return home


def write_key(path: Path, key: bytes = KEY, *, mode: int = 0o600) -> Path:
    """Write a key file as `livercohort key create` does."""
    path.write_text(key.hex() + "\n", encoding="ascii")
    path.chmod(mode)
    return path
