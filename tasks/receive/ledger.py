"""What `batch.json` says of a batch, and what `livercohort status` makes of many. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.records import Delivery, FileOutcome
from schemas.states import FileState
from tasks.receive.accounting import count_states

COMMITTED = "committed"
HELD = "held"


@dataclass(frozen=True)
class TableNote:
    """Rows and hash of one table of a batch."""

    rows: int
    sha256: str


def batch_record(
    delivery: Delivery,
    outcomes: Sequence[FileOutcome],
    tables: Mapping[str, TableNote],
    *,
    held: bool,
    edc_export_as_of: str | None,
    key_id: str,
    software_version: str,
    audit_head: str,
    sidecars: Mapping[str, str],
) -> dict[str, Any]:
    """Return the content of `batch.json`: states, counts and hashes, no clock and no path.

    `sidecars` are the hashes of the files beside the volumes, by `series/name`.
    """
    reasons = Counter(o.reason.value for o in outcomes if o.reason is not None)
    return {
        "batch_id": delivery.batch_id,
        "site_code": delivery.site,
        "state": HELD if held else COMMITTED,
        "n_files": len(delivery.files),
        "n_bytes": sum(file.size_bytes for file in delivery.files),
        "counts": count_states(outcomes),
        "reasons": dict(sorted(reasons.items())),
        "manifest_sha256": delivery.manifest_sha256,
        "edc_export_as_of": edc_export_as_of,
        "key_id": key_id,
        "anchored": True,
        "audit_head": audit_head,
        "software_version": software_version,
        **({"taken_again": True} if delivery.taken_again else {}),
        "tables": {
            name: {"rows": note.rows, "sha256": note.sha256}
            for name, note in sorted(tables.items())
        },
        "sidecars": dict(sorted(sidecars.items())),
    }


def status_of(batches: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    """Return the sums over batches, per site and whole, and whether they add up."""
    sites: dict[str, list[Mapping[str, object]]] = {}
    for batch in batches:
        sites.setdefault(str(batch["site_code"]), []).append(batch)
    totals = _sum_counts(batches)
    delivered = sum(int(str(batch["n_files"])) for batch in batches)
    return {
        "n_files": delivered,
        "states": totals,
        "adds_up": sum(totals.values()) == delivered,
        "sites": [
            {
                "site_code": site,
                "n_files": sum(int(str(batch["n_files"])) for batch in rows),
                "states": _sum_counts(rows),
                "reasons": _sum_named(rows, "reasons"),
                "batches": [
                    {
                        key: batch[key]
                        for key in ("batch_id", "state", "n_files", "counts", "reasons")
                    }
                    for batch in rows
                ],
            }
            for site, rows in sorted(sites.items())
        ],
    }


def _sum_counts(batches: Sequence[Mapping[str, object]]) -> dict[str, int]:
    sums = _sum_named(batches, "counts")
    return {state.value: sums.get(state.value, 0) for state in FileState}


def _sum_named(batches: Sequence[Mapping[str, object]], key: str) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for batch in batches:
        counts = batch[key]
        if isinstance(counts, Mapping):
            sums.update({str(name): int(count) for name, count in counts.items()})
    return dict(sorted(sums.items()))
