"""From a delivery's linkage.csv to who each PatientID is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.delivery_names import LINKAGE_NAME, control_name
from schemas.errors import BadInputError
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.records import DeliveredFile, Delivery, FileKind, FileOutcome, SubjectAssignment
from schemas.run.zones import Zones
from schemas.states import FileState, ReasonCode
from schemas.vault.keys import KeyRing
from schemas.vault.subjects import LinkageConflictError, LinkageRow, Vault
from tasks.receive.control_files import read_linkage


@dataclass(frozen=True)
class Linkage:
    """What a delivery's control files gave (restricted).

    `resident_ids` are those of this delivery, by subject: the vault keeps them only as keyed
    tokens, and the scan must not find them in anything written.
    """

    assignments: Mapping[RawPatientId, SubjectAssignment] = field(repr=False)
    outcomes: tuple[FileOutcome, ...]
    resident_ids: Mapping[SubjectNo, frozenset[str]] = field(repr=False)


def link_subjects(zones: Zones, ring: KeyRing, delivery: Delivery) -> Linkage:
    """File the delivery's linkage in the vault and return all assignments of the site.

    A linkage that cannot be used is set aside and files nothing; what earlier deliveries have
    linked stays linked, and images of anyone else are held for want of a linkage.
    """
    vault = Vault(zones.vault, ring)
    outcomes: list[FileOutcome] = []
    resident_ids: dict[SubjectNo, frozenset[str]] = {}
    usable = [f for f in delivery.files if f.kind is not FileKind.REFUSED]
    linkages = [f for f in usable if control_name(f.relative_path) == LINKAGE_NAME]
    rows = _file_linkage(vault, delivery.site, linkages)
    for row in rows or ():
        known = resident_ids.get(row.subject_no, frozenset())
        resident_ids[row.subject_no] = known | {row.resident_id or ""} - {""}
    for file in delivery.files:
        if file.kind is FileKind.REFUSED:
            outcomes.append(_outcome(file, FileState.QUARANTINED, file.reason))
        elif file in linkages and rows is None:
            outcomes.append(_outcome(file, FileState.QUARANTINED, ReasonCode.BAD_LINKAGE))
        elif file.kind is FileKind.CONTROL:
            outcomes.append(_outcome(file, FileState.CONTROL, None))
    return Linkage(vault.assignments(delivery.site), tuple(outcomes), resident_ids)


def linkage_of_folder(
    src: Path, zones: Zones, ring: KeyRing, site: SiteCode
) -> dict[RawPatientId, SubjectAssignment] | None:
    """File `src/linkage.csv` in the vault and return the site's assignments; None without one.

    Raises
    ------
    BadInputError
        If the linkage cannot be used.
    """
    path = src / LINKAGE_NAME
    if path.is_symlink():
        raise BadInputError(
            f"{LINKAGE_NAME} is a link, and links are not followed",
            hint="Put the file itself into the folder.",
        )
    if not path.is_file():
        return None
    return Vault(zones.vault, ring).assign(site, read_linkage(path.read_bytes()))


def _file_linkage(
    vault: Vault, site: SiteCode, files: Sequence[DeliveredFile]
) -> list[LinkageRow] | None:
    """File all rows of an export's linkages together, or none: of two files neither is first."""
    try:
        rows = [row for file in files for row in read_linkage(file.path.read_bytes())]
        vault.assign(site, rows)
    except (BadInputError, LinkageConflictError):
        return None
    return rows


def _outcome(file: DeliveredFile, state: FileState, reason: ReasonCode | None) -> FileOutcome:
    return FileOutcome(file.file_no, state, file.sha256, file.size_bytes, reason)
