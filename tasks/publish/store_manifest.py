"""Read what a release states of itself: its manifest and its sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.errors import BadInputError
from tasks.publish.manifest import MANIFEST, SUMS, Manifest, listed_files, parse_sums


def read_manifest(release: Path) -> dict[str, Any]:
    """Return the manifest of a release folder.

    Raises
    ------
    BadInputError
        If it is missing, is no JSON, or does not state what a manifest states.
    """
    try:
        manifest = json.loads((release / MANIFEST).read_bytes())
        Manifest.model_validate(manifest)
    except OSError:
        raise _no_manifest(release, "no manifest.json that can be opened") from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"][:2])
        found = f"manifest.json is incomplete{f' at {place}' if place else ''}"
        raise _no_manifest(release, found) from None
    except (ValueError, RecursionError):
        raise _no_manifest(release, "manifest.json is no JSON, or was cut off") from None
    return dict(manifest)


def require_whole(release: Path) -> None:
    """Raise BadInputError if a file that the manifest of a release states is not there.

    Whether each is what it was is for `verify` to say.
    """
    lacking = [
        path
        for path in sorted(listed_files(read_manifest(release)))
        if not (release / path).is_file()
    ]
    if lacking:
        raise BadInputError(
            f"nothing changed, but {len(lacking)} files of the newest release are gone",
            where=f"release {release.name}, {lacking[0]}",
            hint="Restore the folder from backup; `livercohort verify` tells all that is wrong.",
        )


def _no_manifest(release: Path, found: str) -> BadInputError:
    return BadInputError(
        found,
        where=f"release {release.name}",
        hint="`livercohort verify` tells all that is wrong with a release.",
    )


def read_sums(release: Path) -> dict[str, str]:
    """Return path → SHA-256 as `SHA256SUMS` of a release states them.

    Raises
    ------
    BadInputError
        If it is missing, or a line of it states nothing.
    """
    try:
        sums, wrong = parse_sums((release / SUMS).read_bytes())
    except OSError:
        sums, wrong = {}, [1]
    if wrong:
        raise BadInputError(
            f"no {SUMS} that can be read, from line {wrong[0]}",
            where=f"release {release.name}",
            hint="`livercohort verify` tells all that is wrong with a release.",
        )
    return sums
