"""Search a release for every identifier that any batch ever brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.errors import BadInputError, GateBlockedError
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from tasks.deidentify.identifiers import SubjectIdentifiers
from tasks.deidentify.search.free_text import identifying_kinds
from tasks.deidentify.search.hits import ScanHit
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_accepted_words import (
    ACCEPTED_NAME,
    read_accepted,
    without_accepted,
)
from tasks.deidentify.search.store_identifiers import read_identifiers
from tasks.deidentify.search.store_scan import scan_paths

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
    accepted = read_accepted(settings.zones.restricted / ACCEPTED_NAME)
    return [
        without_accepted(person, accepted)
        for path in _sealed(settings)
        for person in read_identifiers(path, ring)
    ]


def _sealed(settings: Settings) -> list[Path]:
    return sorted((settings.zones.restricted / "batches").glob(f"[SX]*/*/{IDENTIFIERS_NAME}"))


def require_no_identifiers(settings: Settings, folder: Path) -> None:
    """Raise GateBlockedError if anything is found in a folder about to be published."""
    hits = scan_release(settings, [folder])
    if not hits:
        return
    told = sorted({f"{hit.kind} of {hit.subject_id[:3] or 'unknown'}" for hit in hits})
    place = _keep_hits(settings, hits, folder)
    raise GateBlockedError(
        f"the identifier scan found {len(hits)} hits ({', '.join(told)}) in the staged release",
        where=f"restricted/{place.name} says which words, of which batch",
        hint="Nothing was released. Where a word names nobody, add it with a reason to "
        f"restricted/{ACCEPTED_NAME}; where it does, report a defect and share nothing.",
    )


def _keep_hits(settings: Settings, hits: Sequence[ScanHit], folder: Path) -> Path:
    """Write what was found, the words too, where only the data manager may read it."""
    ring = read_key_file(settings.master_key_file)
    wanted = {(hit.subject_id, hit.kind) for hit in hits}
    words = [
        {
            "site": path.parent.parent.name,
            "batch": path.parent.name,
            "subject_id": person.subject_id,
            "kind": str(one.kind),
            "value": one.value,
        }
        for path in _sealed(settings)
        for person in read_identifiers(path, ring)
        for one in sorted(person.identifiers)
        if (person.subject_id, one.kind) in wanted
    ]
    files = sorted({hit.path.relative_to(folder).as_posix() for hit in hits})
    place = settings.zones.restricted / "identifier_hits.json"
    write_bytes(place, canonical_json({"files": files, "words": words}), mode=0o600)
    return place
