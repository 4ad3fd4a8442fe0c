"""Writes the files of one export into a folder or a zip, links and closed doors included."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tasks.simulate.exports import ExportFile

# Zip members carry a time; a fixed one keeps the bytes the same.
_ZIP_TIME = (2026, 11, 20, 0, 0, 0)


def write_folder(staging: Path, contents: Iterable[tuple[ExportFile, bytes]]) -> None:
    """Write files below a new folder."""
    made: set[Path] = set()
    for file, data in contents:
        target = staging / file.path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        if file.link_target is not None:
            target.symlink_to(file.link_target)
            continue
        target.write_bytes(data)
        if file.mode is not None:
            target.chmod(file.mode)


def write_zip(staging: Path, contents: Iterable[tuple[ExportFile, bytes]]) -> None:
    """Write files as members of a new zip; a link is a member that says so."""
    with zipfile.ZipFile(staging, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file, data in contents:
            member = zipfile.ZipInfo(file.path, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            link = file.link_target is not None
            member.external_attr = (stat.S_IFLNK | 0o777 if link else 0o644) << 16
            archive.writestr(member, file.link_target.encode() if file.link_target else data)
