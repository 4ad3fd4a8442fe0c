"""Names that mean something in a delivery, as far as ordinary computers spell them alike. Pure."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

LINKAGE_NAME = "linkage.csv"
MANIFEST_NAME = "manifest.csv"
READY_NAME = "READY"
CLINICAL_FOLDER = "clinical"
#: Folded names; an editor that hides suffixes saves the mark as `READY.txt`.
CONTROL_NAMES = {
    LINKAGE_NAME: LINKAGE_NAME,
    MANIFEST_NAME: MANIFEST_NAME,
    "ready": READY_NAME,
    "ready.txt": READY_NAME,
}
_SPACES = re.compile(r"\s+")


def control_name(relative_path: str) -> str | None:
    """Return the name of the control file that a path stands for, None if for none.

    Windows does not tell case apart, and spaces cannot be seen: `Linkage.CSV` is linkage.csv.
    """
    path = PurePosixPath(relative_path)
    return CONTROL_NAMES.get(folded_name(path.name)) if len(path.parts) == 1 else None


def folded_name(name: str) -> str:
    """Return a file name without spaces, in small letters of usual width."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", name)).lower()
