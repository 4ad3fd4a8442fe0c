"""Search a release for every identifier that any batch ever brought."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from schemas.errors import BadInputError, GateBlockedError, SubjectsHeldError
from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from tasks.deidentify.identifiers import SubjectIdentifiers
from tasks.deidentify.search.free_text import identifying_kinds
from tasks.deidentify.search.hits import ScanHit, judge_hits, site_of, telling_hits
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_accepted_words import (
    ACCEPTED_NAME,
    read_accepted,
    without_accepted,
)
from tasks.deidentify.search.store_held_words import keep_held_words, sealed_files
from tasks.deidentify.search.store_identifiers import read_identifiers
from tasks.deidentify.search.store_kept_parts import KeptParts, stated_volumes
from tasks.deidentify.search.store_scan import scan_paths

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


def scan_release(
    settings: Settings,
    folder: Path,
    inside: Collection[str] | None = None,
    *,
    just_linked: bool = False,
) -> list[ScanHit]:
    """Return what is found in a folder of anything that any source said of those inside.

    Parameters
    ----------
    settings : Settings
        Where the sealed identifiers of all batches are, and their key.
    folder : Path
        A release, or what was made of one.
    inside : collection of str, optional
        Pseudonyms of everybody who is in it; default: those of its table of subjects.
    just_linked : bool
        Whether its volumes were linked and compared with its `SHA256SUMS` a moment ago: then
        what is searched of them is known from the release before.

    Raises
    ------
    EnvironmentProblemError
        If there is no key, or it is not the one the identifiers were sealed with.
    """
    dictionary = Dictionary(_everybody(settings))
    kept = _kept_parts(settings, folder) if just_linked else None
    hits = scan_paths([folder], dictionary, hospitals_allowed_in=HOSPITALS_ALLOWED_IN, kept=kept)
    if kept is not None:
        kept.write()
    return telling_hits(hits, subjects_of(folder) if inside is None else inside) if hits else []


def _kept_parts(settings: Settings, folder: Path) -> KeptParts:
    ring = read_key_file(settings.master_key_file)
    return KeptParts(settings.zones, ring, stated_volumes(folder))


def subjects_of(folder: Path) -> set[str]:
    """Return whom a release has a row of; everybody counts who has one in any table."""
    found: set[str] = set()
    for path in sorted(folder.glob("tables/*/*.parquet")):
        if "subject_id" in pq.read_schema(path).names:
            ids = pq.read_table(path, columns=["subject_id"])["subject_id"]
            found.update(ids.unique().drop_null().to_pylist())
    return found


def require_nobody_in(
    settings: Settings, text: str, *, where: str = "the comment", is_reference: bool = False
) -> None:
    """Raise BadInputError if a text that somebody typed says who a person is.

    The message names the kind of what was found and `where`, never the text. A reference may
    hold the long number of a document.
    """
    if not text.strip():
        return
    # Before the first batch there is nobody to know, and there need not be a key.
    people = _everybody(settings) if sealed_files(settings) else iter(())
    kinds = identifying_kinds(text, Dictionary(people), is_reference=is_reference)
    if kinds:
        raise BadInputError(
            f"the text holds what identifies somebody: {', '.join(kinds)}",
            expected="a text without names, numbers and dates of persons",
            where=where,
            hint="Say it without; a pseudonym such as S91-ABCD2345 names a subject.",
        )


def _everybody(settings: Settings) -> Iterator[SubjectIdentifiers]:
    """Yield everybody, of one batch after another: a cohort has a UID for each of its images."""
    ring = read_key_file(settings.master_key_file)
    accepted = read_accepted(settings.zones.restricted / ACCEPTED_NAME)
    for path in sealed_files(settings):
        for person in read_identifiers(path, ring):
            yield without_accepted(person, accepted)


def require_no_identifiers(
    settings: Settings,
    folder: Path,
    inside: Collection[str] | None = None,
    *,
    just_linked: bool = False,
) -> None:
    """Raise if anything is found in a folder about to be published; see `scan_release`.

    Raises
    ------
    SubjectsHeldError
        If it can be published without some subjects. Their words, with site, batch and kind,
        are in `restricted/` then, where a person can decide them.
    GateBlockedError
        If what was found is nobody's.
    """
    people = subjects_of(folder) if inside is None else inside
    hits = scan_release(settings, folder, people, just_linked=just_linked)
    judged = judge_hits(hits, people)
    if judged.is_clean:
        return
    keep_held_words(settings, hits, folder)
    if judged.stop:
        files = sorted({hit.path.relative_to(folder).as_posix() for hit in judged.stop})
        kinds = ", ".join(sorted({str(hit.kind) for hit in judged.stop}))
        raise GateBlockedError(
            f"the identifier scan found a {kinds} in what is nobody's alone",
            where=", ".join(files[:_NAMED_FILES]),
            hint="Nothing was released. Report this as a defect and share nothing.",
        )
    told = sorted({f"{hit.kind} of {site_of(hit.subject_id or hit.whose)}" for hit in hits})
    error = SubjectsHeldError(
        f"words of the source of {len(judged.hold)} subjects stand in what was to be published "
        f"({', '.join(told)})",
        hint="They are held. `livercohort words list` says where the words are and how one that "
        "names nobody is decided.",
    )
    error.subjects = judged.hold
    raise error


_NAMED_FILES = 3
