"""The list of cases for readers: the form `adjudication`, begun (restricted)."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable

from schemas.adjudication import AdjudicationCase
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.tables.spreadsheet_cells import plain_row

#: Columns of the form `adjudication` that stand in the list; readers fill in the rest.
_GIVEN = ("subject_no", "lesion_no", "evidence_digest")
_FILLED_IN = ("role", "reader_id", "reference_class", "decided_on")
_MARK = b"\xef\xbb\xbf"  # Excel reads UTF-8 by it


def write_cases(zones: Zones, cases: Iterable[AdjudicationCase], sites: Iterable[str]) -> None:
    """Write `restricted/outgoing/SITE/adjudication_SITE.csv` anew for each site.

    A site without cases gets a list without rows where an older one lies.
    """
    by_site: dict[str, list[AdjudicationCase]] = defaultdict(list)
    for case in cases:
        by_site[case.site].append(case)
    for site in sorted({*sites, *by_site}):
        path = zones.outgoing(site) / f"adjudication_{site}.csv"
        if not by_site[site] and not path.is_file():
            continue
        write_bytes(path, _MARK + _csv(by_site[site]).encode(), mode=0o600)


def _csv(cases: Iterable[AdjudicationCase]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow((*_GIVEN, *_FILLED_IN))
    for case in cases:
        given = (case.subject_no, case.lesion_no, case.evidence_digest)
        table.writerow((*plain_row(given), *("" for _ in _FILLED_IN)))
    return text.getvalue()
