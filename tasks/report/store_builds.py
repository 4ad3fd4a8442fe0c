"""Report folders by name and hash: which builds of a release there are, and what they say."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.identifiers import Sha256
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file

MANIFEST = "report.json"
#: What is known of the report rather than said in it: its name, its hash, who signed it.
STATE = "data/run.js"
PICTURES = "img"
#: Stands where a report was that named an erased subject, so that its name is not given again.
ERASED_SUFFIX = ".erased"
_BUILD = re.compile(r"-build-(\d+)$")


def builds_of(reports: Path, name: str) -> list[Path]:
    """Return the builds of a report, oldest first: `<name>`, `<name>-build-2`, and so on."""
    found = [path for path in reports.glob(f"{name}*") if (path / MANIFEST).is_file()]
    numbered = [(_number(path.name), path) for path in found if _plain(path.name) == name]
    return [path for _, path in sorted(numbered)]


def next_build(reports: Path, name: str) -> Path:
    """Return the folder of the next build; no name that was ever given is given again."""
    erased = [path.stem for path in reports.glob(f"{name}*{ERASED_SUFFIX}")]
    given = [path.name for path in builds_of(reports, name)]
    given += [stem for stem in erased if _plain(stem) == name]
    return reports / (f"{name}-build-{max(map(_number, given)) + 1}" if given else name)


@dataclass(frozen=True)
class NewestReport:
    """The newest report of all: what has not changed is taken from it."""

    folder: Path
    files: Mapping[str, str]
    page_keys: Mapping[str, str]

    def same_as(self, name: str, sha256: str) -> Path | None:
        """Return its file of that name when it has these bytes."""
        return self.folder / name if self.files.get(name) == sha256 else None

    def take_pages(self, subject: str, key: str, names: Sequence[str]) -> dict[str, bytes] | None:
        """Return its pages of a subject made from the same facts; None when it has none.

        A page that somebody changed on disk is not taken.
        """
        if self.page_keys.get(subject) != key:
            return None
        try:
            pages = {name: (self.folder / name).read_bytes() for name in names}
        except OSError:
            return None
        whole = all(sha256_of_bytes(data) == self.files.get(n) for n, data in pages.items())
        return pages if whole else None


def newest_report(reports: Path) -> NewestReport:
    """Return the report that was written last; one without anything when there is none."""
    manifests = sorted(reports.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime_ns)
    if not manifests:
        return NewestReport(reports, {}, {})
    facts = json.loads(manifests[-1].read_text(encoding="utf-8"))
    return NewestReport(manifests[-1].parent, facts["files"], facts.get("page_keys", {}))


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


#: The same for a reader who rates: no decision and no rating of anybody.
RATER_STATE = "data/rater.js"


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
    outside = {folder / name for name in (MANIFEST, STATE, RATER_STATE)}
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
