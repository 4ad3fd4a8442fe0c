"""Series of a batch together with what earlier batches brought of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.features import InstanceFeatures
from schemas.identifiers import SeriesUid
from schemas.record_tables import records_from_table
from schemas.sub_stacks import group_by_series
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
    known = group_by_series([f for f in _committed(bench, set(new)) if f.sop_uid not in held])
    jobs = []
    for series_uid, instances in new.items():
        earlier = known.get(series_uid, [])
        place = bench.zones.dicom_series(bench.site, SeriesUid(series_uid))
        paths = {str(f.sop_uid): place / f"{f.sop_uid}.dcm" for f in earlier}
        staged = bench.dicom / series_uid
        paths.update({str(f.sop_uid): staged / f"{f.sop_uid}.dcm" for f in instances})
        jobs.append(SeriesJob(paths, (*earlier, *instances), bench.nifti / series_uid))
    return jobs


def _committed(bench: Workbench, series_uids: set[str]) -> list[InstanceFeatures]:
    features: list[InstanceFeatures] = []
    wanted = pc.field("series_uid").isin(sorted(series_uids))
    for path in sorted((bench.zones.warehouse / "batches" / bench.site).glob("*/instance.parquet")):
        if not path.parent.name.startswith("."):
            table = pq.read_table(path, filters=wanted)
            features += records_from_table(table, InstanceFeatures)
    return features
