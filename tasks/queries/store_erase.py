"""Take one person out of the register of queries and the files to and from sites."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from schemas.errors import BadInputError
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.zones import Zones
from tasks.queries.store import changing_queries, read_answer_table


def erase_from_queries(zones: Zones, subject_id: str, numbers: Collection[str]) -> int:
    """Remove the events of every query about a subject, and files that name it.

    The register keeps its numbered files, so that a lost one still shows. A file that went to a
    site or came from one is emptied, whoever else it names: what it said stands in the register.

    Parameters
    ----------
    zones : Zones
        Of this home.
    subject_id : str
        The pseudonym.
    numbers : collection of str
        The subject's own numbers at its site (restricted).

    Returns
    -------
    int
        How many queries went.
    """
    with changing_queries(zones) as register:
        gone = {
            event.query_id
            for event in register.events
            # Its site, object and subject: `repr` has them all.
            if subject_id in repr(event.about)
        }
        for path in sorted(register.folder.glob("[0-9]*.json")):
            events = json.loads(path.read_bytes())
            kept = [event for event in events if event["query_id"] not in gone]
            if len(kept) < len(events):
                write_bytes(path, canonical_json(kept))
    named = {*gone, subject_id, *numbers}
    for zone in ("outgoing", "answers"):
        for path in sorted((zones.restricted / zone).glob("*/*")):
            if path.is_file() and _names(path, named):
                write_bytes(path, b"", mode=0o600)
    return len(gone)


def _names(path: Path, named: Collection[str]) -> bool:
    data = path.read_bytes()
    if not data:
        return False
    try:
        cells = {cell.strip() for row in read_answer_table(data) for cell in row}
    except BadInputError:
        # What cannot be read may name the person.
        return True
    return not cells.isdisjoint(named)
