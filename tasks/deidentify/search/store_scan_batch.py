"""Search everything a batch is about to write, and withhold every person who is found in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from schemas.dicom.features import InstanceFeatures
from schemas.errors import GateBlockedError
from schemas.handover.records import ConvertedVolumes, LinkedSubjects, RealDates, SettledImages
from schemas.handover.workbench import Workbench
from schemas.identifiers import SubjectNo
from schemas.records import FileOutcome, SubjectAssignment, VolumeRecord
from schemas.set_aside import set_aside
from schemas.states import ReasonCode
from tasks.deidentify.identifiers import (
    Identifier,
    IdentifierKind,
    PersonsInHeaders,
    SubjectIdentifiers,
    merge_identifiers,
)
from tasks.deidentify.search.hits import ScanHit, telling_hits
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_accepted_words import Accepted, without_accepted
from tasks.deidentify.search.store_scan import scan_paths

_BIRTH_DATE_FIELD = "birth_date"


def batch_identifiers(bench: Workbench) -> list[SubjectIdentifiers]:
    """Return all that headers, linkage and forms of this batch say of each person (restricted)."""
    linked = bench.take(LinkedSubjects)
    persons = {str(a.subject_id): a for a in linked.assignments.values()}
    return merge_identifiers(
        [
            *bench.take(PersonsInHeaders).identifiers.values(),
            *linked_identifiers(bench),
            *_from_forms(bench.take(RealDates).of_subject, persons),
        ]
    )


def linked_identifiers(bench: Workbench) -> list[SubjectIdentifiers]:
    """Return what the linkage of this batch says of each person (restricted)."""
    linked = bench.take(LinkedSubjects)
    persons = {str(a.subject_id): a for a in linked.assignments.values()}
    return _from_linkage(persons.values(), linked.resident_ids)


def scan_staged(
    bench: Workbench, people: Sequence[SubjectIdentifiers], workers: int, accepted: Accepted
) -> list[ScanHit]:
    """Return what is found in the staged objects, volumes and tables of the batch.

    Words that a person decided about are not searched for. The voxels of a volume are left out
    where it is, byte for byte, what the conversion proved.
    """
    staged = [p for p in (bench.dicom, bench.nifti, bench.tables) if p.is_dir()]
    searched = [without_accepted(person, accepted) for person in people]
    proven = {
        str(bench.nifti / volume.series_uid / volume.file_name): volume.sha256
        for volume in bench.take(ConvertedVolumes).volumes
        if volume.round_trip_ok and volume.file_name and volume.sha256
    }
    return scan_paths(staged, Dictionary(searched), workers=workers, proven=proven)


def left_in_tables(bench: Workbench, hits: Sequence[ScanHit]) -> list[ScanHit]:
    """Return the hits that stay after `withhold`: what stands in a row, or is in nobody's place.

    What still holds a word of somebody of whom nothing is left does not have it from them.
    """
    inside = {hit.whose for hit in hits}
    for outcome in bench.take(SettledImages).outcomes:
        if outcome.features is not None:
            inside.add(outcome.features.subject_id or "")
    return telling_hits(hits, inside - {""})


def withhold(bench: Workbench, hits: Sequence[ScanHit]) -> tuple[SettledImages, ConvertedVolumes]:
    """Take back every object and volume of the persons found; return what remains.

    Raises
    ------
    GateBlockedError
        If an identifier stands in a table or belongs to nobody whose objects could be taken
        back: then the whole batch stays out.
    """
    images, volumes = bench.take(SettledImages), bench.take(ConvertedVolumes).volumes
    found = _persons_found(bench, hits, images.outcomes, volumes)
    held = {
        _take_back(bench, features): ReasonCode.IDENTIFIER_FOUND
        for features in (outcome.features for outcome in images.outcomes)
        if features is not None and features.subject_id in found
    }
    kept = tuple(volume for volume in volumes if _keeps(bench, volume, found))
    return replace(images, outcomes=set_aside(images.outcomes, held)), ConvertedVolumes(kept)


def _persons_found(
    bench: Workbench,
    hits: Sequence[ScanHit],
    outcomes: Sequence[FileOutcome],
    volumes: Sequence[VolumeRecord],
) -> set[str]:
    owner_of_series: dict[str, str | None] = {v.series_uid: v.subject_id for v in volumes}
    for features in (outcome.features for outcome in outcomes):
        if features is not None:
            owner_of_series[str(features.series_uid)] = features.subject_id
    found: set[str] = set()
    for hit in hits:
        owners = {one for one in (hit.subject_id, hit.whose) if one}
        if bench.tables not in hit.path.parents:
            owners |= {owner_of_series.get(hit.path.parent.name) or ""}
        if not owners or "" in owners:
            raise GateBlockedError(
                f"the scan found a {hit.kind} in what was written, and cannot tell whose object",
                where=f"batch {bench.batch} of {bench.site}",
                hint="Nothing of the batch was committed. Report this as a defect.",
            )
        found |= owners
    return found


def _take_back(bench: Workbench, features: InstanceFeatures) -> str:
    path = bench.dicom / str(features.series_uid) / f"{features.sop_uid}.dcm"
    path.unlink(missing_ok=True)
    return str(features.sop_uid)


def _keeps(bench: Workbench, volume: VolumeRecord, found: set[str]) -> bool:
    if volume.subject_id not in found:
        return True
    for path in (bench.nifti / volume.series_uid).glob(f"{volume.sub_stack_digest}.*"):
        path.unlink()
    return False


def _from_linkage(
    persons: Iterable[SubjectAssignment], resident_ids: Mapping[SubjectNo, frozenset[str]]
) -> list[SubjectIdentifiers]:
    return [
        SubjectIdentifiers(
            person.subject_id,
            person.shift_days,
            frozenset(
                {Identifier(IdentifierKind.PATIENT_ID, number) for number in person.patient_ids}
                | {Identifier(IdentifierKind.VISIT, person.subject_no)}
                | {
                    Identifier(IdentifierKind.RESIDENT_ID, number)
                    for number in resident_ids.get(person.subject_no, frozenset())
                }
            ),
        )
        for person in persons
    ]


def _from_forms(
    real_dates: Mapping[str, Sequence[tuple[str, str]]], persons: Mapping[str, SubjectAssignment]
) -> list[SubjectIdentifiers]:
    return [
        SubjectIdentifiers(
            subject_id,
            persons[subject_id].shift_days if subject_id in persons else None,
            frozenset(Identifier(_kind_of_field(name), day) for name, day in days),
        )
        for subject_id, days in real_dates.items()
    ]


def _kind_of_field(name: str) -> IdentifierKind:
    return IdentifierKind.BIRTH_DATE if name == _BIRTH_DATE_FIELD else IdentifierKind.DATE
