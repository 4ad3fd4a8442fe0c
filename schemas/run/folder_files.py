"""What lies below a folder, without following any link."""

from __future__ import annotations

import os
from pathlib import Path


def list_files(src: Path) -> list[tuple[int, Path]]:
    """Return all below a folder that is no folder, counted from 1 over the sorted relative names.

    Links are among them, whatever they lead to, and not followed.
    """
    found: list[tuple[bytes, str]] = []
    waiting = [str(src)]
    # All paths begin with it: `os.path.relpath` would take apart each of them.
    n_before = len(os.path.join(src, ""))  # noqa: PTH118 - a `Path` has no slash at its end
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    name = entry.path[n_before:]
                    found.append((name.encode("utf-8", "replace"), entry.path))
    return [(number, Path(path)) for number, (_, path) in enumerate(sorted(found), start=1)]
