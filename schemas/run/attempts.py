"""How often a stage lost a worker over a batch: what no byte causes is tried again next night."""

from __future__ import annotations

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones

#: After so many nights it is taken to be the bytes themselves: one series must not keep its
#: whole batch out for ever.
MOST_NIGHTS = 3


def require_no_worker_lost(
    zones: Zones, site: SiteCode, batch: BatchId, stage: str, n_lost: int
) -> None:
    """Refuse a batch over which workers were lost, unless that was so on several nights.

    A worker that was killed for memory, or by a person, says nothing of the series it had; a
    batch committed like that would lack the series for good.

    Raises
    ------
    EnvironmentProblemError
        If workers were lost on fewer than `MOST_NIGHTS` nights: the export is taken in anew.
    """
    if not n_lost:
        return
    note = zones.operations / "attempts" / f"{site}-{batch}-{stage}"
    nights = (len(note.read_bytes()) if note.is_file() else 0) + 1
    write_bytes(note, b"." * nights)
    if nights < MOST_NIGHTS:
        raise EnvironmentProblemError(
            f"{n_lost} worker processes of {stage} were lost (night {nights} of {MOST_NIGHTS})",
            where=f"batch {batch} of {site}",
            expected="enough memory for the workers, and nobody who stops them",
            hint="Free memory or give fewer --workers. Nothing of the batch was committed; the "
            "next night takes it in again.",
        )
