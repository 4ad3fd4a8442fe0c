"""Report folders by name and hash: which builds of a release there are, and what they say."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from schemas.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from schemas.identifiers import Sha256

MANIFEST = "report.json"
#: What is known of the report rather than said in it: its name, its hash, who signed it.
STATE = "data/run.js"
PICTURES = "img"
_BUILD = re.compile(r"-build-(\d+)$")


def builds_of(reports: Path, name: str) -> list[Path]:
    """Return the builds of a report, oldest first: `<name>`, `<name>-build-2`, and so on."""
    found = [path for path in reports.glob(f"{name}*") if (path / MANIFEST).is_file()]
    numbered = [(_number(path.name), path) for path in found if _plain(path.name) == name]
    return [path for _, path in sorted(numbered)]


def next_build(reports: Path, name: str) -> Path:
    """Return the folder of the next build; nothing published is ever overwritten."""
    builds = builds_of(reports, name)
    return reports / (f"{name}-build-{_number(builds[-1].name) + 1}" if builds else name)


def newest_files(reports: Path) -> dict[tuple[str, str], Path]:
    """Return the files of the newest report by name and SHA-256: what has not changed is linked."""
    manifests = sorted(reports.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime_ns)
    if not manifests:
        return {}
    facts = json.loads(manifests[-1].read_text(encoding="utf-8"))
    folder = manifests[-1].parent
    return {(name, sha256): folder / name for name, sha256 in facts["files"].items()}


def link_or_write(path: Path, data: bytes, same: Path | None) -> None:
    """Link a file to one with the same bytes, or write it.

    The bytes of the other are not believed: a file that somebody changed is written anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if same is not None and same.read_bytes() == data:
            os.link(same, path)
            return
    except OSError:
        pass  # another file system, or the old report is gone: then it is written
    path.write_bytes(data)


def hash_report(files: Mapping[str, bytes], pictures: Mapping[str, str]) -> Sha256:
    """Return the SHA-256 over the names and contents of all files of a report.

    Parameters
    ----------
    files : mapping of str to bytes
        Pages, assets and data scripts.
    pictures : mapping of str to str
        SHA-256 of every picture by its name in the folder.
    """
    return _hash_of({**{name: sha256_of_bytes(data) for name, data in files.items()}, **pictures})


def hash_folder(folder: Path) -> Sha256:
    """Return the same hash from a folder on disk; manifest and state do not count."""
    outside = {folder / MANIFEST, folder / STATE}
    return _hash_of(
        {
            path.relative_to(folder).as_posix(): sha256_of_file(path)
            for path in folder.rglob("*")
            if path.is_file() and path not in outside
        }
    )


def _hash_of(hashes: Mapping[str, str]) -> Sha256:
    return sha256_of_bytes(canonical_json(hashes))


def _plain(name: str) -> str:
    return _BUILD.sub("", name)


def _number(name: str) -> int:
    found = _BUILD.search(name)
    return int(found[1]) if found else 1
