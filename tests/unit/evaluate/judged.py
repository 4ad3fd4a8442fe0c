"""A run that was judged, and a row of it."""

from __future__ import annotations

from pathlib import Path

from flows.evaluations import Sealed, evaluate
from schemas.vault.keys import read_key_file
from tasks.evaluate.rows import Row
from tasks.publish.signature import Signer
from tasks.publish.store_verify import verify_release
from tasks.simulate.outcomes.index_runs import lesion_places
from tasks.simulate.outcomes.reader_sessions import ReaderTruth, session_files
from tests.unit.evaluate.made import RUN, Made


def run(made: Made, tmp_path: Path) -> Sealed:
    folder = made.write_run(tmp_path / RUN)
    return evaluate(made.settings, folder, tmp_path / "reference")


def find(sealed: Sealed, **wanted: str) -> Row:
    defaults = {
        "unit": "patient",
        "reading": "literal",
        "analysis": "main",
        "subset": "all",
        "method": "wilson",
    }
    (row,) = [
        row
        for row in sealed.estimates
        if all(row[name] == value for name, value in (defaults | wanted).items())
    ]
    return row


def known_key(made: Made) -> bytes:
    return Signer.of(read_key_file(made.settings.master_key_file)).public


def rules_broken(made: Made) -> set[str]:
    return {one.rule_id for one in verify_release(made.release, known=known_key(made))}


def study(made: Made, tmp_path: Path, index_run: str | None) -> Sealed:
    folder = tmp_path / "readers"
    folder.mkdir()
    places = lesion_places(made.people, 1)
    files = session_files(made.people, places, ReaderTruth(), made.release.name, 1, index_run)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return evaluate(made.settings, folder, tmp_path / "reference")
