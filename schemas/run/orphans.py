"""What killed writers left beside their files: swept once nobody can still be writing it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from schemas.run.zones import Zones

#: `write_bytes` and `copy` name what is not whole yet like this.
_UNFINISHED = re.compile(r"\..+\.part")
OLD_ENOUGH_S = 86_400.0
#: For an erasure, which may leave no file of the person: no living writer is silent so long.
SILENT_S = 60.0


def sweep_orphans(zones: Zones, older_than_s: float = OLD_ENOUGH_S) -> int:
    """Remove unfinished files older than a day from the zones that we write; return how many."""
    removed = 0
    limit = time.time() - older_than_s
    for zone in (zones.warehouse, zones.restricted, zones.operations, zones.reports):
        for folder, _, names in os.walk(zone):
            for path in (Path(folder, name) for name in names if _UNFINISHED.fullmatch(name)):
                if path.lstat().st_mtime < limit:
                    path.unlink()
                    removed += 1
    return removed
