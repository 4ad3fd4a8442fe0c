"""Records of the stages to rows of the published tables. Pure; `conform` checks them.

Nothing is decided here: what a stage did not say stays empty.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from schemas.dicom.sub_stacks import SubStack, group_by_series, split_series
from schemas.errors import ContractError
from schemas.identifiers import BatchId
from schemas.records import CohortLabels, Finding, SeriesLabel, StudyRole, VolumeRecord
from schemas.run.site_files import SiteConfig
from schemas.run.sites import RegisteredSite
from schemas.states import FileState
from schemas.tables.contracts import Code
from tasks.publish.batches import CommittedBatch, CommittedBatches
from tasks.publish.naming import VolumeFacts, nifti_path

Row = dict[str, object]

PUBLISHED_VERDICTS = frozenset({"OK", "REPAIRABLE"})


def imaging_study_rows(
    labels: CohortLabels,
    stacks: Sequence[SubStack],
    batch_of_instance: Mapping[str, BatchId],
    batch_order: Sequence[BatchId],
) -> list[Row]:
    """Return one row per study; days count from the subject's earliest baseline CT."""
    baseline = _baseline_ct_days(labels.studies)
    sub_stacks = _by_study(stacks)
    rows: list[Row] = []
    for study in labels.studies:
        day = _day(study.study_date)
        zero = baseline.get(study.subject_id or "")
        own = sub_stacks[study.study_uid]
        rows.append(
            {
                "study_uid": study.study_uid,
                "subject_id": study.subject_id,
                "modality": study.modality,
                "role": study.role,
                "role_evidence": sorted(study.role_evidence),
                "study_date_shifted": day,
                "date_source": study.date_source or None,
                "days_from_baseline_ct": (day - zero).days if day and zero else None,
                "manufacturer": study.manufacturer,
                "model": study.model,
                "field_strength_t": study.field_strength_t,
                "contrast_agent_class": study.contrast_agent_class,
                "n_series": len(own),
                "n_instances": _n_instances(own),
                "batch_id": _newest_batch(own, batch_of_instance, batch_order, study.study_uid),
            }
        )
    return rows


def _n_instances(stacks: Iterable[SubStack]) -> int:
    """Return the number of instances; the frames of a multi-frame object are one."""
    return len({m.sop_uid for stack in stacks for m in stack.members})


def series_rows(
    labels: CohortLabels,
    stacks: Sequence[SubStack],
    volumes: Iterable[VolumeRecord],
    batch_of_instance: Mapping[str, BatchId],
    batch_order: Sequence[BatchId],
) -> list[Row]:
    """Return one row per sub-stack: its label, geometry, thickness and conversion verdict."""
    stack_of = {(stack.series_uid, str(stack.digest)): stack for stack in stacks}
    volume_of = {(v.series_uid, v.sub_stack_digest): v for v in volumes}
    rows: list[Row] = []
    for label in labels.series:
        key = (label.series_uid, label.sub_stack_digest)
        if key not in stack_of:
            raise ContractError("a label has no sub-stack", where=f"series {label.series_uid}")
        stack, volume = stack_of[key], volume_of.get(key)
        rows.append(
            {
                **_label_columns(label),
                **{name: _shared(stack, name) for name in _OF_IMAGES},
                "n_instances": _n_instances([stack]),
                "conversion_verdict": volume.verdict if volume else "not_converted",
                "conversion_codes": sorted(set(volume.codes)) if volume else [],
                "batch_id": _newest_batch(
                    [stack], batch_of_instance, batch_order, label.series_uid
                ),
            }
        )
    return rows


def _shared(stack: SubStack, field: str) -> object:
    """Return what all images of a sub-stack state, None when they differ."""
    stated = {getattr(member, field) for member in stack.members}
    return stated.pop() if len(stated) == 1 else None


def nifti_volume_rows(
    labels: CohortLabels, volumes: Iterable[VolumeRecord], series: Sequence[Row]
) -> list[Row]:
    """Return one row per proven volume whose sub-stack is in the series table."""
    label_of = {(item.series_uid, item.sub_stack_digest): item for item in labels.series}
    study_of = {study.study_uid: study for study in labels.studies}
    batch_of = {(row["series_uid"], row["sub_stack_digest"]): row["batch_id"] for row in series}
    rows: list[Row] = []
    for volume in volumes:
        key = (volume.series_uid, volume.sub_stack_digest)
        label = label_of.get(key)
        if label is None or not is_published(volume):
            continue
        study = study_of.get(label.study_uid or "")
        rows.append(
            {
                **_volume_columns(volume),
                "study_uid": label.study_uid,
                "subject_id": label.subject_id,
                "rel_path": nifti_path(_facts(label, study)),
                "batch_id": batch_of[key],
            }
        )
    return rows


def labelled_stacks(labels: CohortLabels, committed: CommittedBatches) -> list[SubStack]:
    """Return the sub-stacks of the series that have labels."""
    wanted = {label.series_uid for label in labels.series}
    groups = group_by_series(committed.instances)
    return [
        stack for uid, members in groups.items() if uid in wanted for stack in split_series(members)
    ]


def image_rows(
    labels: CohortLabels,
    committed: CommittedBatches,
    stacks: Sequence[SubStack] | None = None,
) -> dict[str, list[Row]]:
    """Return the rows of `imaging_study`, `series` and `nifti_volume` for the labels given.

    `labels` are those of the instances in `committed`, or of some of their series; `stacks` what
    `labelled_stacks` gives of them, where somebody has them at hand.
    """
    if stacks is None:
        stacks = labelled_stacks(labels, committed)
    origin = (committed.batch_of_instance, committed.batch_order)
    series = series_rows(labels, stacks, committed.volumes, *origin)
    return {
        "imaging_study": imaging_study_rows(labels, stacks, *origin),
        "series": series,
        "nifti_volume": nifti_volume_rows(labels, committed.volumes, series),
    }


def is_published(volume: VolumeRecord) -> bool:
    """Return whether conversion proved this volume equal to its source and wrote a file."""
    return (
        volume.verdict in PUBLISHED_VERDICTS
        and volume.round_trip_ok
        and volume.file_name is not None
    )


def site_rows(registered: Iterable[RegisteredSite], active: Iterable[SiteConfig]) -> list[Row]:
    """Return the registered hospitals and the fictitious sites that deliver."""
    configured = {site.code: site for site in active}
    rows: list[Row] = []
    for hospital in registered:
        site = configured.pop(hospital.site_code, None)
        rows.append(
            _site_row(hospital, hospital.site_code, hospital.registration_status, approval=site)
        )
    rows.extend(
        _site_row(site, code, "fictitious", approval=site) for code, site in configured.items()
    )
    return rows


def ingest_batch_rows(batches: Iterable[CommittedBatch]) -> list[Row]:
    """Return one row per committed batch; the states add up to the files delivered."""
    rows: list[Row] = []
    for batch in batches:
        counts = {state: batch.counts.get(state.value, 0) for state in FileState}
        used = counts[FileState.ACCEPTED] + counts[FileState.CLINICAL]
        aside = counts[FileState.QUARANTINED]
        status = "published" if not aside else "partial" if used else "quarantined"
        rows.append(
            {
                "batch_id": batch.batch_id,
                "site_code": batch.site_code,
                "manifest_sha256": batch.manifest_sha256,
                "n_files": batch.n_files,
                "n_bytes": batch.n_bytes,
                **{f"n_{state.value}": number for state, number in counts.items()},
                "encoding": batch.encoding,
                "status": status,
            }
        )
    return rows


def code_list_rows(lists: Mapping[str, Sequence[Code]]) -> list[Row]:
    """Return one row per code of every list."""
    return [
        {
            "code_list": name,
            "code": code.code,
            "code_order": order,
            "label_en": code.label_en,
            "label_zh": code.label_zh,
        }
        for name, codes in lists.items()
        for order, code in enumerate(codes, start=1)
    ]


def finding_rows(findings: Iterable[Finding]) -> list[Row]:
    """Return one row per finding; the same finding from two stages is one row."""
    rows: dict[str, Row] = {}
    for item in findings:
        rows[item.finding_id] = {
            "finding_id": item.finding_id,
            "rule_id": item.rule_id,
            "severity": item.severity.value,
            "site_code": item.site_code or None,
            "object_type": item.object_type,
            "object_id": item.object_id,
            "column_name": item.column_name,
            "observed": item.observed,
            "expected": item.expected,
            "message_en": item.message_en,
            "message_zh": item.message_zh,
            "fix_en": item.fix_en,
            "fix_zh": item.fix_zh,
        }
    return list(rows.values())


#: Columns of a series that are what its images state alike (PS3.3 C.7.4.1, C.7.5.1, C.8.3.1).
_OF_IMAGES = ("frame_of_reference_uid", "device_id", "coil_id")
#: Facts of a label that have a column elsewhere, or under another name.
_NO_SERIES_COLUMN = ("agent_class", "acquisition_time_offset_s")


def _label_columns(label: SeriesLabel) -> Row:
    """Return what a label says, by the columns of the same names; the contract holds them."""
    same = (item.name for item in fields(label) if item.name not in _NO_SERIES_COLUMN)
    return {name: getattr(label, name) for name in same} | {
        "label_evidence": sorted(label.label_evidence),
        "thickness_verdict": label.thickness_verdict.value if label.thickness_verdict else None,
        "acquisition_time_offset_seconds": label.acquisition_time_offset_s,
    }


def _volume_columns(volume: VolumeRecord) -> Row:
    return {
        "volume_id": volume.sub_stack_digest,
        "series_uid": volume.series_uid,
        "sub_stack_digest": volume.sub_stack_digest,
        "sha256": volume.sha256,
        "pixel_sha256": volume.pixel_sha256,
        "dim_x": volume.dim_x,
        "dim_y": volume.dim_y,
        "dim_z": volume.dim_z,
        "n_volumes": volume.n_volumes,
        "voxel_x_mm": volume.voxel_x_mm,
        "voxel_y_mm": volume.voxel_y_mm,
        "voxel_z_mm": volume.voxel_z_mm,
        "dtype": volume.dtype,
        "orientation_code": volume.orientation_code,
        "affine_ras": list(volume.affine_ras) or None,
        "b_values": list(volume.b_values) or None,
        "verdict": volume.verdict,
        "codes": sorted(set(volume.codes)),
        "n_instances": volume.n_instances,
        "converter": volume.converter,
        "converter_version": volume.converter_version,
        "converter_sha256": volume.converter_sha256,
        "round_trip_ok": volume.round_trip_ok,
    }


def _site_row(
    place: RegisteredSite | SiteConfig, code: str, status: str, *, approval: SiteConfig | None
) -> Row:
    return {
        "site_code": code,
        "name_en": place.name_en,
        "name_zh": place.name_zh,
        "province_en": place.province_en or None,
        "province_zh": place.province_zh or None,
        "level_zh": place.level_zh or None,
        "registration_status": status,
        "ethics_ref": approval.ethics_ref if approval else None,
    }


def _facts(label: SeriesLabel, study: StudyRole | None) -> VolumeFacts:
    return VolumeFacts(
        subject_id=label.subject_id or "",
        sub_stack_digest=label.sub_stack_digest,
        modality=label.modality,
        role=study.role if study else "other",
        label=label.label,
        weighting=label.weighting,
        contrast_phase=label.contrast_phase,
        contrast_agent_class=label.agent_class,
    )


def _baseline_ct_days(studies: Iterable[StudyRole]) -> dict[str, dt.date]:
    days: dict[str, dt.date] = {}
    for study in studies:
        day = _day(study.study_date)
        if study.role == "baseline_ct" and day and study.subject_id:
            days[study.subject_id] = min(day, days.get(study.subject_id, day))
    return days


def _by_study(stacks: Iterable[SubStack]) -> Mapping[str | None, list[SubStack]]:
    found: dict[str | None, list[SubStack]] = defaultdict(list)
    for stack in stacks:
        studies = Counter(member.study_uid for member in stack.members)
        found[min(studies, key=lambda uid: (-studies[uid], uid or ""))].append(stack)
    return found


def _newest_batch(
    stacks: Iterable[SubStack],
    batch_of: Mapping[str, BatchId],
    order: Sequence[BatchId],
    uid: str,
) -> BatchId:
    """Return the last batch, in the order of batches, that delivered one of the instances."""
    rank = {batch: number for number, batch in enumerate(order)}
    uids = {member.sop_uid or "" for stack in stacks for member in stack.members}
    batches = {batch_of[one] for one in uids if one in batch_of}
    if not batches:
        raise ContractError("no batch delivered these images", where=f"object {uid}")
    return max(batches, key=rank.__getitem__)


def _day(text: str | None) -> dt.date | None:
    """Return the date of YYYYMMDD; None when absent or not a date."""
    if text is None or len(text) != len("YYYYMMDD") or not text.isdecimal():
        return None
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
