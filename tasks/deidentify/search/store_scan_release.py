"""Search a release for every identifier that any batch ever brought."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from schemas.errors import GateBlockedError
from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_identifiers import read_identifiers
from tasks.deidentify.search.store_scan import ScanHit, scan_paths

IDENTIFIERS_NAME = "identifiers.sealed"
#: Hospitals stand by name in the site table, in documents made from it, and in the report.
HOSPITALS_ALLOWED_IN = (
    "tables/site/*",
    "excel/site.csv",
    "data/site.csv",
    "*.duckdb",
    "README.md",
    "*.html",
    "*.js",
)


def scan_release(settings: Settings, folders: Iterable[Path]) -> list[ScanHit]:
    """Return what is found in the folders of anything that any source said of any person.

    Raises
    ------
    EnvironmentProblemError
        If there is no key, or it is not the one the identifiers were sealed with.
    """
    ring = read_key_file(settings.master_key_file)
    sealed = sorted((settings.zones.restricted / "batches").glob(f"[SX]*/*/{IDENTIFIERS_NAME}"))
    people = [person for path in sealed for person in read_identifiers(path, ring)]
    return scan_paths(folders, Dictionary(people), hospitals_allowed_in=HOSPITALS_ALLOWED_IN)


def require_no_identifiers(settings: Settings, folder: Path) -> None:
    """Raise GateBlockedError if anything is found in a folder about to be published."""
    hits = scan_release(settings, [folder])
    if hits:
        kinds = ", ".join(sorted({hit.kind for hit in hits}))
        raise GateBlockedError(
            f"the identifier scan found {len(hits)} hits ({kinds}) in the staged release",
            hint="Nothing was released. Report this as a defect; do not share the home.",
        )
