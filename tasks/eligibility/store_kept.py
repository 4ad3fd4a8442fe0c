"""Verdicts of unchanged subjects, kept from one release for the next: a cache, never the truth.

A verdict is taken up where everything it was made from is the same: all that is known of the
subject (`value_digest`), the code and rules (`schemas.vault.kept`) and the decisions in force.

The files hold what the forms say of people, so they are sealed, and an erasure removes them all.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from schemas.protocol import read_decisions
from schemas.reference import Judge
from schemas.run.zones import Zones
from schemas.value_digest import value_digest
from schemas.vault.kept import KEPT_SUFFIX, read_kept, write_kept
from schemas.vault.keys import KeyRing
from tasks.eligibility.decided import DecidedSubject, decide_subject
from tasks.eligibility.subjects import SubjectRecord


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
        self._before: dict[str, dict[str, object]] = {}
        self._now: dict[str, dict[str, object]] = {}
        self.n_kept = 0

    def decide(self, subject: SubjectRecord, judge: Judge, batch_id: str) -> DecidedSubject:
        """Return what `decide_subject` does, computed where it is not kept."""
        of_judge = f"{judge.__module__}.{judge.__qualname__}"
        try:
            key = value_digest(subject, batch_id, of_judge)
        except TypeError:  # a kind of value that nobody thought of: it is never kept
            return decide_subject(subject, judge, batch_id)
        kept = cast("DecidedSubject | None", self._of_site(subject.site).get(key))
        self.n_kept += kept is not None
        found = kept or decide_subject(subject, judge, batch_id)
        self._now.setdefault(subject.site, {})[key] = found
        return found

    def write(self) -> None:
        """Keep those of this release, and of no other: whoever is gone is gone here too."""
        for site, now in self._now.items():
            if now.keys() != self._before[site].keys():
                write_kept(self._file(site), self._ring, _what(site), now)
        for path in self._folder.glob(f"*{KEPT_SUFFIX}"):
            if path.stem not in self._now:
                path.unlink()

    def _of_site(self, site: str) -> dict[str, object]:
        if site not in self._before:
            self._before[site] = read_kept(self._file(site), self._ring, _what(site))
        return self._before[site]

    def _file(self, site: str) -> Path:
        return self._folder / f"{site}{KEPT_SUFFIX}"


def forget_verdicts(zones: Zones) -> None:
    """Remove all that is kept; the next release computes it anew."""
    shutil.rmtree(_folder(zones), ignore_errors=True)


def _folder(zones: Zones) -> Path:
    return zones.restricted / "verdicts"


def _what(site: str) -> str:
    decisions = value_digest([decision.model_dump() for decision in read_decisions()])
    return f"verdicts/{site}/{decisions}"
