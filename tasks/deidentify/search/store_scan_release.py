"""Search a release for every identifier that any batch ever brought."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from schemas.errors import BadInputError, GateBlockedError
from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from tasks.deidentify.identifiers import SubjectIdentifiers
from tasks.deidentify.search.free_text import identifying_kinds
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
    dictionary = Dictionary(_everybody(settings))
    return scan_paths(folders, dictionary, hospitals_allowed_in=HOSPITALS_ALLOWED_IN)


def require_nobody_in(settings: Settings, text: str) -> None:
    """Raise BadInputError if a text that somebody typed says who a person is.

    The message names the kind of what was found, never the text.
    """
    if not text.strip():
        return
    kinds = identifying_kinds(text, Dictionary(_everybody(settings)))
    if kinds:
        raise BadInputError(
            f"the text holds what identifies somebody: {', '.join(kinds)}",
            expected="a text without names, numbers and dates of persons",
            where="the comment",
            hint="Say it without; a pseudonym such as S91-ABCD2345 names a subject.",
        )


def _everybody(settings: Settings) -> list[SubjectIdentifiers]:
    ring = read_key_file(settings.master_key_file)
    sealed = sorted((settings.zones.restricted / "batches").glob(f"[SX]*/*/{IDENTIFIERS_NAME}"))
    return [person for path in sealed for person in read_identifiers(path, ring)]


def require_no_identifiers(settings: Settings, folder: Path) -> None:
    """Raise GateBlockedError if anything is found in a folder about to be published."""
    hits = scan_release(settings, [folder])
    if hits:
        kinds = ", ".join(sorted({hit.kind for hit in hits}))
        raise GateBlockedError(
            f"the identifier scan found {len(hits)} hits ({kinds}) in the staged release",
            hint="Nothing was released. Report this as a defect; do not share the home.",
        )
