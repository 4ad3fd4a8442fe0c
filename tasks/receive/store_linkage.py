"""From a delivery's linkage.csv to who each PatientID is."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import BadInputError
from schemas.identifiers import RawPatientId, SiteCode
from schemas.keys import KeyRing
from schemas.records import DeliveredFile, Delivery, FileKind, FileOutcome, SubjectAssignment
from schemas.states import FileState, ReasonCode
from schemas.vault import LinkageConflictError, Vault
from schemas.zones import Zones
from tasks.receive.control_files import read_linkage
from tasks.receive.inventory import LINKAGE_NAME


def link_subjects(
    zones: Zones, ring: KeyRing, delivery: Delivery
) -> tuple[dict[RawPatientId, SubjectAssignment], list[FileOutcome]]:
    """File the delivery's linkage in the vault and return all assignments of the site.

    A linkage that cannot be used is set aside and files nothing; what earlier deliveries have
    linked stays linked, and images of anyone else are held for want of a linkage.
    """
    vault = Vault(zones.vault_file, ring)
    outcomes = []
    for file in delivery.files:
        if file.kind is FileKind.REFUSED:
            outcomes.append(_outcome(file, FileState.QUARANTINED, file.reason))
        elif file.kind is FileKind.CONTROL:
            reason = None
            if file.relative_path == LINKAGE_NAME:
                reason = _file_linkage(vault, delivery.site, file)
            state = FileState.QUARANTINED if reason else FileState.CONTROL
            outcomes.append(_outcome(file, state, reason))
    return vault.assignments(delivery.site), outcomes


def files_of_kind(delivery: Delivery, kind: FileKind) -> Sequence[DeliveredFile]:
    """Return the delivery's files of one kind, in file order."""
    return [file for file in delivery.files if file.kind is kind]


def _file_linkage(vault: Vault, site: SiteCode, file: DeliveredFile) -> ReasonCode | None:
    try:
        vault.assign(site, read_linkage(file.path.read_bytes()))
    except (BadInputError, LinkageConflictError):
        return ReasonCode.BAD_LINKAGE
    return None


def _outcome(file: DeliveredFile, state: FileState, reason: ReasonCode | None) -> FileOutcome:
    return FileOutcome(file.file_no, state, file.sha256, file.size_bytes, reason)
