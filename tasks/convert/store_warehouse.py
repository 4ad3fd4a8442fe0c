"""Series of a batch together with what earlier batches brought of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import group_by_series
from schemas.handover.records import ReceivedExport
from schemas.handover.workbench import Workbench
from schemas.identifiers import SeriesUid
from schemas.records import Delivery, FileOutcome
from schemas.tables.warehouse import read_delivered_facts, read_instances
from tasks.convert.counts import NOTHING_STATED, StatedCounts, counts_from_manifest
from tasks.convert.store_series import SeriesJob
from tasks.convert.store_source import KnownFile


def series_jobs(
    bench: Workbench, outcomes: Sequence[FileOutcome], held: Collection[str]
) -> list[SeriesJob]:
    """Return one job per series that got new instances, with all its instances.

    A series that arrives over several nights is converted anew, whole; the volume of the
    shorter series stays where it is under its own digest.

    Parameters
    ----------
    bench : Workbench
        The running batch: its new objects are staged there.
    outcomes : sequence of FileOutcome
        Of the image files of this batch; those with features are accepted.
    held : collection of str
        SOPInstanceUIDs of the warehouse that are held.
    """
    arrived = [o.features for o in outcomes if o.features]
    said_of = {o.facts.sop_uid: o.facts for o in outcomes if o.facts}
    stated = _stated_counts(bench.take(ReceivedExport).delivery, outcomes)
    paths = {str(f.sop_uid): bench.dicom / f"{f.series_uid}/{f.sop_uid}.dcm" for f in arrived}
    delivered = {f.series_uid for f in arrived}
    # Of the whole study: slices that each carry a series UID may come in several nights too.
    studies = {str(f.study_uid) for f in arrived}
    earlier = [
        f
        for f in read_instances(bench.zones, bench.site, column="study_uid", values=studies)
        if f.sop_uid not in held
    ]
    paths = {str(f.sop_uid): _place(bench, f) for f in earlier} | paths
    said_of = read_delivered_facts(bench.zones, bench.site, _uids(earlier)) | said_of
    # De-identification hashed what it wrote; a release holds every file against that.
    hashed = {str(o.features.sop_uid): o.output_sha256 for o in outcomes if o.features}
    known = {uid: KnownFile(digest) for uid, digest in hashed.items() if digest}
    jobs = []
    for series_uid, members in group_by_series([*earlier, *arrived]).items():
        # A joined series has the slices of several; each lies under the UID it came with.
        own = sorted({str(f.series_uid) for f in members})
        if delivered.isdisjoint(own):
            continue
        said = next((stated[uid] for uid in own if uid in stated), NOTHING_STATED)
        of_series = {str(f.sop_uid): paths[str(f.sop_uid)] for f in members}
        out_dir = bench.nifti / series_uid
        facts = {uid: said_of[uid] for uid in of_series if uid in said_of}
        files = {uid: known[uid] for uid in of_series if uid in known}
        job = SeriesJob(of_series, tuple(members), out_dir, said, known=files, delivered=facts)
        jobs.append(job)
    return jobs


def _uids(instances: Iterable[InstanceFeatures]) -> set[str]:
    return {str(f.sop_uid) for f in instances}


def _stated_counts(delivery: Delivery, outcomes: Sequence[FileOutcome]) -> dict[str, StatedCounts]:
    if not delivery.absent_paths:
        return {}
    path_of = {file.file_no: file.relative_path for file in delivery.files}
    series = {path_of[o.file_no]: o.features.series_uid for o in outcomes if o.features}
    return counts_from_manifest(delivery.absent_paths, series)


def _place(bench: Workbench, f: InstanceFeatures) -> Path:
    folder = bench.zones.dicom_series(bench.site, SeriesUid(str(f.series_uid)))
    return folder / f"{f.sop_uid}.dcm"
