"""Read what de-identification harvested from the delivered headers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
from schemas.errors import BadInputError
from schemas.run.pool import Loss, run_isolated

_FILE = f"{DELIVERED_FACTS_TABLE}.parquet"
_TIMEOUT_S, _MEMORY_BYTES = 60.0, 4 << 30


def read_delivered(src: Path) -> Mapping[str, DeliveredFacts]:
    """Return the delivered facts by SOPInstanceUID; none for a folder as a scanner sent it.

    Parameters
    ----------
    src : Path
        What `deidentify` wrote, or a folder of it.

    Raises
    ------
    BadInputError
        If the table is there and cannot be read: without it nothing proves the rewriting.
    """
    path = next((p for p in (src / _FILE, src.absolute().parent / _FILE) if p.is_file()), None)
    if path is None:
        return {}
    # In a worker: Arrow starts threads, after which converting workers cannot be forked.
    ((_, found),) = run_isolated(
        _read,
        [path],
        workers=1,
        timeout_s=lambda _: _TIMEOUT_S,
        memory_bytes=lambda _: _MEMORY_BYTES,
    )
    if isinstance(found, Loss):
        raise BadInputError(f"{_FILE} cannot be read", hint="De-identify the source again.")
    return {facts.sop_uid: facts for facts in found}


def _read(path: Path) -> list[DeliveredFacts]:
    import pyarrow.parquet as pq

    from schemas.tables.record_tables import records_from_table

    return records_from_table(pq.read_table(path), DeliveredFacts)
