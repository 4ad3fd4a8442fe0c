"""Series of a batch together with what earlier batches brought of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from schemas.features import InstanceFeatures
from schemas.identifiers import SeriesUid
from schemas.sub_stacks import group_by_series
from schemas.warehouse import read_instances
from schemas.workbench import Workbench
from tasks.convert.store_series import SeriesJob


def series_jobs(
    bench: Workbench, arrived: Sequence[InstanceFeatures], held: Collection[str]
) -> list[SeriesJob]:
    """Return one job per series that got new instances, with all its instances.

    A series that arrives over several nights is converted anew, whole; the volume of the
    shorter series stays where it is under its own digest.

    Parameters
    ----------
    bench : Workbench
        The running batch: its new objects are staged there.
    arrived : sequence of InstanceFeatures
        Accepted instances of this batch.
    held : collection of str
        SOPInstanceUIDs of the warehouse that are held.
    """
    new = group_by_series(arrived)
    delivered = {str(f.series_uid) for f in arrived}
    earlier_of: dict[str, list[InstanceFeatures]] = {uid: [] for uid in delivered}
    for f in read_instances(bench.zones, bench.site, column="series_uid", values=delivered):
        if f.sop_uid not in held:
            earlier_of[str(f.series_uid)].append(f)
    jobs = []
    for series_uid, instances in new.items():
        # A joined series has the slices of several; each lies under the UID it came with.
        own = sorted({str(f.series_uid) for f in instances})
        earlier = [f for uid in own for f in earlier_of[uid]]
        paths = {str(f.sop_uid): _place(bench, f) for f in earlier}
        paths |= {
            str(f.sop_uid): bench.dicom / f"{f.series_uid}/{f.sop_uid}.dcm" for f in instances
        }
        jobs.append(SeriesJob(paths, (*earlier, *instances), bench.nifti / series_uid))
    return jobs


def _place(bench: Workbench, f: InstanceFeatures) -> Path:
    folder = bench.zones.dicom_series(bench.site, SeriesUid(str(f.series_uid)))
    return folder / f"{f.sop_uid}.dcm"
