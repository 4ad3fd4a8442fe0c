"""Folds by subject, balanced by site and reference class, the same for the same seed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tasks.datalist.cases import CLASSES, Case, Part


def assign_folds(cases: Iterable[Case], n_folds: int, seed: str) -> dict[str, int]:
    """Return subject_id → fold of the cases that may be trained on.

    Within a class the subjects of one site follow each other in an order drawn by the seed, and
    are dealt out in turn; the turn goes on over sites and classes. So the folds differ by at most
    one subject in all, by at most one within a class, and by at most one within a class of a site.

    Parameters
    ----------
    cases : iterable of Case
        One per subject; those of the test part get no fold.
    n_folds : int
        How many folds, at least 2.
    seed : str
        Any text; another seed deals anew.
    """
    strata = sorted(
        (case for case in cases if case.part is Part.TRAINING),
        key=lambda case: (
            CLASSES.index(case.subject.reference),
            case.subject.site_code,
            _drawn(seed, case.subject.subject_id),
        ),
    )
    return {case.subject.subject_id: turn % n_folds for turn, case in enumerate(strata)}


def _drawn(seed: str, subject_id: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{subject_id}".encode()).digest()
