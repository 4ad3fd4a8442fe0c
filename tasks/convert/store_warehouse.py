"""Series of a batch together with what earlier batches brought of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from schemas.features import InstanceFeatures
from schemas.identifiers import SeriesUid
from schemas.sub_stacks import group_by_series
from schemas.warehouse import read_instances
from schemas.workbench import Workbench
from tasks.convert.store import SeriesJob


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
    earlier_instances = read_instances(
        bench.zones, bench.site, column="series_uid", values=set(new)
    )
    known = group_by_series([f for f in earlier_instances if f.sop_uid not in held])
    jobs = []
    for series_uid, instances in new.items():
        earlier = known.get(series_uid, [])
        place = bench.zones.dicom_series(bench.site, SeriesUid(series_uid))
        paths = {str(f.sop_uid): place / f"{f.sop_uid}.dcm" for f in earlier}
        staged = bench.dicom / series_uid
        paths.update({str(f.sop_uid): staged / f"{f.sop_uid}.dcm" for f in instances})
        jobs.append(SeriesJob(paths, (*earlier, *instances), bench.nifti / series_uid))
    return jobs
