"""The STARD flow by reading, site, stratum and real month of screening (restricted).

Like all accrual by real month it stays in the restricted zone; see `accrual`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.clinical_rows import ClinicalRow
from tasks.eligibility.accrual import UNKNOWN, month_of, strata_of
from tasks.eligibility.flow import Place, flow_nodes


@dataclass(frozen=True)
class FlowCount:
    """How many persons of one site, stratum and month stand in one node under one reading.

    Nodes without a person have no row. The parts of a node sum to it within each site, stratum
    and month, and so in every sum over them.
    """

    reading: str
    site_code: str
    ascertainment: str
    month: str
    node_id: str
    parent_id: str
    n: int


def count_flow(
    places: Mapping[str, Sequence[Place]], rows: Iterable[ClinicalRow]
) -> list[FlowCount]:
    """Return the counts of every reading.

    Parameters
    ----------
    places : mapping of reading to places
        Where each person stands, as the published flow has it.
    rows : iterable of ClinicalRow
        The rows in force: stratum and month of each person. A person who is in no screening
        log, or was screened on a day that nobody knows, is in the month `unknown`.
    """
    known = list(rows)
    strata = strata_of(known)
    months = {str(row.subject_id): month_of(row) for row in known if row.form == "screening_log"}
    parents = {node.id: node.parent for node in flow_nodes()}
    counts: Counter[tuple[str, str, str, str, str]] = Counter()
    for reading, members in places.items():
        for place in members:
            stratum = strata.get(place.person, UNKNOWN)
            month = months.get(place.person, UNKNOWN)
            node = place.leaf
            while node:
                counts[reading, place.site, stratum, month, node] += 1
                node = parents[node]
    return [
        FlowCount(*key[:4], node_id=key[4], parent_id=parents[key[4]], n=n)
        for key, n in sorted(counts.items())
    ]
