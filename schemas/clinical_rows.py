"""Rows of the clinical forms as stages hand them on (restricted: real dates, subject numbers)."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from schemas.identifiers import BatchId, Sha256, SiteCode, SubjectId, SubjectNo
from schemas.partial_dates import PartialDate


class Missing(StrEnum):
    """Why a value is not there. The kinds are never mixed up.

    `INVALID` is ours: the site entered something that the contract cannot read; a finding
    stands beside it.
    """

    UNKNOWN = "UK"
    NOT_DONE = "ND"
    NOT_APPLICABLE = "NA"
    NOT_ENTERED = ""
    INVALID = "INVALID"


Cell: TypeAlias = PartialDate | float | int | str | Missing


@dataclass(frozen=True, kw_only=True)
class ClinicalRow:
    """The valid row of one key of one form, after merging all batches (restricted).

    `subject_no` is the study subject number, or the screening number of a person who was
    never enrolled; `enrolled` tells which. `shift_days` is how far this person's dates move
    back when they leave the restricted zone. `source_sha256` is the keyed digest of the form
    (`KeyRing.keyed_digest`), never its plain SHA-256. `content_digest` is that of what this row
    says (`digest_of_content`, keyed): it stays when another export repeats the row.
    """

    form: str
    site: SiteCode
    subject_no: SubjectNo = field(repr=False)
    subject_id: SubjectId
    enrolled: bool
    shift_days: int = field(repr=False)
    key: tuple[str, ...] = field(repr=False)
    values: Mapping[str, Cell] = field(repr=False)
    export_as_of: dt.date
    batch_id: BatchId
    source_sha256: Sha256
    content_digest: Sha256

    def text(self, name: str) -> str | None:
        """Return a code or short text, or None when it is missing."""
        value = self.values.get(name)
        return value if isinstance(value, str) and not isinstance(value, Missing) else None

    def date(self, name: str) -> PartialDate | None:
        """Return a date, or None when it is missing."""
        value = self.values.get(name)
        return value if isinstance(value, PartialDate) else None

    def number(self, name: str) -> float | None:
        """Return a number, or None when it is missing."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else None

    def is_not_done(self, name: str) -> bool:
        """Return whether the site entered ND, not done."""
        return self.values.get(name) is Missing.NOT_DONE


def digest_of_content(
    form: str, subject_id: SubjectId, key: tuple[str, ...], values: Mapping[str, Cell]
) -> Sha256:
    """Return the SHA-256 of what a row says, whatever order or export it came in.

    A field that is not entered says nothing, so that a new column of a form changes no digest.
    Dates can be found from it by trying: it must be keyed before anybody sees it.
    """
    said = sorted(
        (name, repr(value)) for name, value in values.items() if value is not Missing.NOT_ENTERED
    )
    return Sha256(hashlib.sha256(repr((form, subject_id, key, said)).encode()).hexdigest())
