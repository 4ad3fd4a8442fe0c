"""What a release is told, and what it answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from schemas.conformity import ConformityRow
from schemas.identifiers import Sha256
from schemas.run.atomic_files import sha256_of_bytes
from tasks.publish.diff.differences import Differences


@dataclass(frozen=True, kw_only=True)
class ReleaseFacts:
    """Facts of a release that no table holds.

    Parameters
    ----------
    software_version, protocol_version, mapping_version : str
        Versions of livercohort, of the protocol rules and of the labelling rules.
    decisions_csv : bytes
        The decision register as it stood.
    input_ledger_sha256 : Sha256
        Hash over the committed batches the release is made of.
    key_id : str
        Id of the master key: pseudonyms of another key are other persons.
    year : int, optional
        Year of the latest export; its day, beside shifted days, would narrow shifts.
    kept_out : mapping of str to str
        Pseudonyms kept out of this release though their consent would let them in, and why.
    validation : mapping, optional
        What each rule said of the tables, in counts; no clock value and no value of a row. A
        version that erasure makes is not validated anew and has none.
    inspection : mapping, optional
        By which rules and models pixels were inspected, and of how many series.
    masks_sha256 : str, optional
        Over the reference masks beside the volumes; None without masks.
    conformity : tuple of ConformityRow
        What a validator said of one object of each series of all committed batches.
    """

    software_version: str
    protocol_version: str
    mapping_version: str
    decisions_csv: bytes = field(repr=False)
    input_ledger_sha256: Sha256
    key_id: str
    year: int | None = None
    kept_out: Mapping[str, str] = field(default_factory=dict, repr=False)
    validation: Mapping[str, object] | None = None
    inspection: Mapping[str, object] | None = None
    masks_sha256: str | None = None
    conformity: tuple[ConformityRow, ...] = field(default=(), repr=False)

    @property
    def registers(self) -> dict[str, str]:
        """What people decided: part of the content of a release."""
        masks = {"masks_sha256": self.masks_sha256} if self.masks_sha256 else {}
        return {
            "decisions_sha256": sha256_of_bytes(self.decisions_csv),
            **masks,
            "protocol_version": self.protocol_version,
        }


class ReleaseStatus(StrEnum):
    """How a request for a release ended."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, kw_only=True)
class ReleaseResult:
    """The answer: `path` is the release folder, or None after a dry run.

    When nothing changed, `version` and `path` are those of the release that stands.
    """

    status: ReleaseStatus
    version: str
    predecessor: str | None
    path: Path | None
    content_hash: Sha256
    differences: Differences
    rows: dict[str, int]
