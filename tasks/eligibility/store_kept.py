"""Verdicts of unchanged subjects, kept from one release for the next: a cache, never the truth.

A verdict is taken up where everything it was made from is the same: all that is known of the
subject (`value_digest`), every file of the package, interpreter, libraries and the decisions in
force. The last four are part of what the file is sealed for: one that another version, other
decisions or another key made does not open. Whatever cannot be read is computed anew.

The files hold what the forms say of people, so they are sealed, and an erasure removes them all.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag

from schemas.protocol import read_decisions
from schemas.reference import Judge
from schemas.run.atomic_files import make_folder, write_bytes
from schemas.run.made_by import made_by, read_made_by
from schemas.run.zones import Zones
from schemas.value_digest import value_digest
from schemas.vault.keys import KeyRing
from tasks.eligibility.decided import DecidedSubject, decide_subject
from tasks.eligibility.subjects import SubjectRecord

_SUFFIX = ".kept"
Decide = Callable[[SubjectRecord, Judge, str], DecidedSubject]


class KeptVerdicts:
    """The verdicts of a home by the digest of what each was made from.

    Parameters
    ----------
    zones : Zones
        Whose restricted zone keeps them.
    ring : KeyRing
        Seals them.
    """

    def __init__(self, zones: Zones, ring: KeyRing) -> None:
        self._folder, self._ring = _folder(zones), ring
        self._before: dict[str, dict[str, DecidedSubject]] = {}
        self._now: dict[str, dict[str, DecidedSubject]] = {}
        self.n_kept = 0

    def decide(self, subject: SubjectRecord, judge: Judge, batch_id: str) -> DecidedSubject:
        """Return what `decide_subject` does, computed where it is not kept."""
        of_judge = f"{judge.__module__}.{judge.__qualname__}"
        try:
            key = value_digest(subject, batch_id, of_judge)
        except TypeError:  # a kind of value that nobody thought of: it is never kept
            return decide_subject(subject, judge, batch_id)
        before = self._of_site(subject.site)
        kept = before.get(key)
        self.n_kept += kept is not None
        found = kept or decide_subject(subject, judge, batch_id)
        self._now.setdefault(subject.site, {})[key] = found
        return found

    def write(self) -> None:
        """Keep those of this release, and of no other: whoever is gone is gone here too.

        A package that was exchanged meanwhile may have lent code to what was computed: then
        nothing is kept.
        """
        if read_made_by() != made_by():
            return
        for site in self._before.keys() | self._now.keys():
            now = self._now.get(site, {})
            if now.keys() != self._before.get(site, {}).keys():
                make_folder(self._folder, closed=True)
                sealed = self._ring.seal(pickle.dumps(now), context=_context(site))
                write_bytes(self._folder / f"{site}{_SUFFIX}", sealed, mode=0o600)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.stem not in self._now:
                path.unlink()

    def _of_site(self, site: str) -> dict[str, DecidedSubject]:
        if site not in self._before:
            self._before[site] = self._read(site)
        return self._before[site]

    def _read(self, site: str) -> dict[str, DecidedSubject]:
        try:
            sealed = (self._folder / f"{site}{_SUFFIX}").read_bytes()
            plain = self._ring.unseal(sealed, context=_context(site))
        except (OSError, InvalidTag, ValueError):
            return {}
        # Authenticated: our own bytes, written by this very version of the code.
        found: dict[str, DecidedSubject] = pickle.loads(plain)  # noqa: S301
        return found


def forget_verdicts(zones: Zones) -> None:
    """Remove all that is kept; the next release computes it anew."""
    shutil.rmtree(_folder(zones), ignore_errors=True)


def _folder(zones: Zones) -> Path:
    return zones.restricted / "verdicts"


def _context(site: str) -> str:
    decisions = value_digest([decision.model_dump() for decision in read_decisions()])
    return f"verdicts/v1/{site}/{made_by()}/{decisions}"
