"""What one release computed and the next may take up: sealed, and for the same code alone.

A cache, never the truth: what cannot be read, was sealed with another key, or was made by another
version of the package, interpreter or libraries, is not there, and is computed anew.
"""

from __future__ import annotations

import pickle
from pathlib import Path

from cryptography.exceptions import InvalidTag

from schemas.run.atomic_files import make_folder, write_bytes
from schemas.run.made_by import made_by, read_made_by
from schemas.vault.keys import KeyRing

#: What the name of such a file ends with; all lie in the restricted zone.
KEPT_SUFFIX = ".kept"

# Asked as the code is loaded, not hours later when something is kept: of a package exchanged in
# between, what the old code computed would count as made by the new one.
made_by()


def read_kept(path: Path, ring: KeyRing, what: str) -> dict[str, object]:
    """Return what was kept, by its digest; {} where nothing counts.

    Parameters
    ----------
    path : Path
        In the restricted zone.
    ring : KeyRing
        Opens it.
    what : str
        What it is, and what besides the code it depends on: it opens for the same alone.
    """
    try:
        plain = ring.unseal(path.read_bytes(), context=_context(what))
    except (OSError, InvalidTag, ValueError):
        return {}
    # Authenticated: our own bytes, written by this very version of the code.
    found: dict[str, object] = pickle.loads(plain)  # noqa: S301
    return found


def write_kept(path: Path, ring: KeyRing, what: str, kept: dict[str, object]) -> None:
    """Keep what was computed; see `read_kept`.

    A package that was exchanged since this process read it may have lent code to what was
    computed: then nothing is kept.
    """
    if read_made_by() != made_by():
        return
    make_folder(path.parent, closed=True)
    write_bytes(path, ring.seal(pickle.dumps(kept), context=_context(what)), mode=0o600)


def _context(what: str) -> str:
    return f"kept/v1/{what}/{made_by()}"
