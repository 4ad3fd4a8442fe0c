"""Every delivered file in exactly one state, and the sums checked. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.errors import LivercohortError
from schemas.records import DeliveredFile, FileOutcome
from schemas.set_aside import set_aside
from schemas.states import FileState, ReasonCode


class AccountingError(LivercohortError):
    """Files in and states out do not add up: the batch is not committed."""


@dataclass(frozen=True)
class KnownInstance:
    """Whose an accepted instance is, of which study and series; UIDs are de-identified."""

    sop_uid: str
    study_uid: str
    series_uid: str
    subject_id: str


def count_states(outcomes: Iterable[FileOutcome]) -> dict[str, int]:
    """Return how many files ended in each state; every state is named, zero included."""
    counts = Counter(outcome.state for outcome in outcomes)
    return {state.value: counts[state] for state in FileState}


def require_all_accounted(
    files: Sequence[DeliveredFile], outcomes: Sequence[FileOutcome]
) -> tuple[FileOutcome, ...]:
    """Return the outcomes in file order, after checking that they cover the files exactly.

    Raises
    ------
    AccountingError
        If a file has no outcome, two, or one for other bytes, or a file was set aside
        without a reason.
    """
    delivered = {file.file_no: file for file in files}
    ended = Counter(outcome.file_no for outcome in outcomes)
    lost = sorted(set(delivered) - set(ended))
    extra = sorted(set(ended) - set(delivered)) + sorted(n for n, c in ended.items() if c > 1)
    if lost or extra:
        raise AccountingError(
            f"{len(lost)} files without a state, {len(extra)} with more than one or unknown",
            expected=f"{len(delivered)} files, one state each",
        )
    for outcome in outcomes:
        if outcome.source_sha256 != delivered[outcome.file_no].sha256:
            raise AccountingError(f"file {outcome.file_no} changed while it was read")
        if (outcome.state is FileState.QUARANTINED) != (outcome.reason is not None):
            raise AccountingError(f"file {outcome.file_no} is set aside without a reason")
    return tuple(sorted(outcomes, key=lambda outcome: outcome.file_no))


def settle_against_warehouse(
    outcomes: Sequence[FileOutcome], known: Mapping[str, str]
) -> tuple[list[FileOutcome], list[str]]:
    """Settle instances that an earlier batch has brought already.

    Parameters
    ----------
    outcomes : sequence of FileOutcome
        Outcomes of this batch.
    known : mapping of SOPInstanceUID to SHA-256 of its pixels
        Accepted instances of the site's committed batches.

    Returns
    -------
    list of FileOutcome
        The same pixels again are a duplicate; other pixels under a known UID are set aside.
    list of str
        SOPInstanceUIDs of the warehouse to hold: nobody can tell which of the two is right.
    """
    came_again = {
        uid: known[uid] == outcome.pixel_sha256
        for outcome in outcomes
        if outcome.state is FileState.ACCEPTED and (uid := str(outcome.sop_uid)) in known
    }
    reused = {uid: ReasonCode.UID_REUSED for uid, same in came_again.items() if not same}
    settled = [
        replace(outcome, state=FileState.DUPLICATE, output_sha256=None, features=None, facts=None)
        if outcome.state is FileState.ACCEPTED and str(outcome.sop_uid) in came_again
        else outcome
        for outcome in set_aside(outcomes, reused)
    ]
    return settled, sorted(reused)


def hold_what_two_subjects_share(
    outcomes: Sequence[FileOutcome], known: Iterable[KnownInstance]
) -> tuple[list[FileOutcome], dict[str, ReasonCode]]:
    """Hold every study and every series that has objects of more than one subject, whole.

    Of a series that names several studies of one subject what has arrived is held.

    Several PatientIDs of one subject are one subject. Nobody can tell from the objects whose
    study it is: not from which came first, nor from which are more. A series belongs to one
    study (PS3.3 A.1.2): two persons' studies that name one series are told apart by no reader.

    Parameters
    ----------
    outcomes : sequence of FileOutcome
        Outcomes of this batch, before what the warehouse has is taken away from them.
    known : iterable of KnownInstance
        Accepted instances of the site's committed batches, of the same studies and series at
        least.

    Returns
    -------
    list of FileOutcome
        Those of such a study or series set aside.
    dict of SOPInstanceUID to ReasonCode
        Objects of the warehouse to hold.
    """
    arrived = [
        KnownInstance(str(f.sop_uid), str(f.study_uid), str(f.series_uid), str(f.subject_id))
        for f in (outcome.features for outcome in outcomes)
        if f is not None
    ]
    listed = list(known)
    shared = _of_two_subjects([*arrived, *listed])
    divided = _of_two_studies(arrived, listed)

    def reason_of(instance: KnownInstance) -> ReasonCode | None:
        return shared.get(instance.study_uid) or shared.get(instance.series_uid)

    # A duplicate inside the batch has no features of its own; it is told by its UID.
    aside = {
        i.sop_uid: reason
        for i in arrived
        if (reason := reason_of(i) or divided.get(i.series_uid)) is not None
    }
    held = {i.sop_uid: reason for i in listed if (reason := reason_of(i)) is not None}
    return list(set_aside(outcomes, aside)), dict(sorted(held.items()))


def _of_two_studies(
    arrived: Iterable[KnownInstance], listed: Iterable[KnownInstance]
) -> dict[str, ReasonCode]:
    """Return UID → reason of each series whose new images name several studies.

    What an earlier night brought stays: it was of one study. The same image under another study
    is a duplicate like any other, as after a merge in the PACS.
    """
    before = {one.sop_uid: one for one in listed}
    studies: dict[str, set[str]] = defaultdict(set)
    for one in (*before.values(), *(a for a in arrived if a.sop_uid not in before)):
        studies[one.series_uid].add(one.study_uid)
    reason = ReasonCode.SERIES_OF_TWO_STUDIES
    return {uid: reason for uid, named in studies.items() if len(named) > 1}


def _of_two_subjects(instances: Iterable[KnownInstance]) -> dict[str, ReasonCode]:
    """Return UID → reason of each study and series that is not one subject's."""
    owners: dict[tuple[str, ReasonCode], set[str]] = defaultdict(set)
    for one in instances:
        owners[one.study_uid, ReasonCode.STUDY_OF_TWO_SUBJECTS].add(one.subject_id)
        owners[one.series_uid, ReasonCode.SERIES_OF_TWO_SUBJECTS].add(one.subject_id)
    return {uid: reason for (uid, reason), persons in owners.items() if len(persons) > 1}
