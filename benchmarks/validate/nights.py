"""The query loop over three simulated nights at one site, by the commands people use.

    python benchmarks/validate/nights.py FOLDER

Night 1 brings a series with a hole: a query is raised, sent and answered `corrected`. Night 2
brings the slice: the query closes. Night 3 brings the slice with other pixels under its UID, so
neither counts: the query comes back and is sent again. Prints its history as a table; ends with 1
when that is another one, or when one finding became two queries.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import shutil
import subprocess
import sys
from pathlib import Path

from schemas.run.zones import Zones
from tasks.queries.states import Query
from tasks.queries.store import read_queries

SITE, RULE = "S91", "SER-MISSING-SLICES"
EXPECTED = [
    ("night 1", "candidate"),
    ("night 1", "open"),
    ("night 1", "answered"),
    ("night 2", "closed"),
    ("night 3", "reissued"),
    ("night 3", "open"),
]


def main() -> None:
    """Run the nights and print what became of the query."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="A new folder for home and exports.")
    folder: Path = parser.parse_args().folder
    home = folder / "home"
    _run("key", "create", "--home", home)
    whole, holed = (_simulated(folder / faults, faults) for faults in ("none", "missing_slice"))
    (slice_path,) = _files(whole) - _files(holed)
    nights: list[tuple[str, int]] = []

    _deliver(holed, home, night=1)
    _send(home)
    _answer(home, folder / "answers.csv")
    nights.append(("night 1", _n_events(home)))
    _deliver(whole, home, night=2)
    nights.append(("night 2", _n_events(home)))
    spoilt = folder / "spoilt" / whole.name
    shutil.copytree(whole, spoilt)
    data = bytearray((spoilt / slice_path).read_bytes())
    data[-1] ^= 1
    (spoilt / slice_path).write_bytes(data)
    _deliver(spoilt, home, night=3)
    _send(home)
    nights.append(("night 3", _n_events(home)))
    _tell(_queries(home), nights)


def _simulated(out: Path, faults: str) -> Path:
    one = ("--sites", "1", "--subjects", "1", "--nights", "1")
    _run("simulate", out, *one, "--faults", faults)
    (export,) = (out / SITE).iterdir()
    return export


def _files(export: Path) -> set[Path]:
    return {path.relative_to(export) for path in export.glob("dicom/**/*") if path.is_file()}


def _deliver(export: Path, home: Path, *, night: int) -> None:
    """Put an export into the inbox under the day of its night; take it in and release."""
    day = dt.date.fromisoformat(export.name) + dt.timedelta(days=night - 1)
    shutil.copytree(export, home / "inbox" / SITE / day.isoformat())
    _run("ingest", SITE, "--home", home)
    _run("release", "--home", home)


def _send(home: Path) -> None:
    _run("queries", "export", SITE, "--home", home)


def _answer(home: Path, path: Path) -> None:
    """Answer as a site does: the one query as corrected, in the encoding of its Excel."""
    newest = max(Zones(home).outgoing(SITE).glob("queries_*.csv"))
    with newest.open(encoding="utf-8-sig", newline="") as stream:
        headings, *rows = csv.reader(stream)
    names = [heading.partition("（")[0] for heading in headings]
    for row in rows:
        if row[names.index("rule_id")] == RULE:
            row[names.index("answer")] = "已更正"
    with path.open("w", encoding="gb18030", newline="") as stream:
        csv.writer(stream).writerows([headings, *rows])
    _run("queries", "import", SITE, path, "--home", home)


def _queries(home: Path) -> list[Query]:
    return [q for q in read_queries(Zones(home)).values() if q.about.rule_id == RULE]


def _n_events(home: Path) -> int:
    return sum(len(query.events) for query in _queries(home))


def _tell(queries: list[Query], nights: list[tuple[str, int]]) -> None:
    history: list[tuple[str, str]] = []
    for event in (event for query in queries for event in query.events):
        night = next(name for name, n_events in nights if len(history) < n_events)
        history.append((night, event.status.value))
        why = event.closed_reason or event.answer or ""
        print(f"{night}  {event.query_id}  {event.seq}  {event.status:<10}{event.actor:<14}{why}")
    print(f"{len(queries)} query about one finding")
    sys.exit(0 if history == EXPECTED and len(queries) == 1 else 1)


def _run(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
