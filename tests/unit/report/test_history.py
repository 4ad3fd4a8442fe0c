"""Since when a finding stands: the first release of its unbroken run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.report.store_history import standing_since


def release(folder: Path, version: str, before: str | None, ids: Sequence[str]) -> None:
    """Write as much of a release as the history reads."""
    place = folder / version / "tables" / "finding"
    place.mkdir(parents=True)
    pq.write_table(pa.table({"finding_id": pa.array(ids, pa.string())}), place / "S91.parquet")
    facts = {"predecessor": before}
    (folder / version / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")


def test_a_finding_stands_since_the_first_release_of_its_unbroken_run(tmp_path: Path) -> None:
    release(tmp_path, "1.1.0", None, ["old", "back"])
    release(tmp_path, "1.2.0", "1.1.0", ["old"])
    release(tmp_path, "1.3.0", "1.2.0", ["old", "back", "new"])
    assert standing_since(tmp_path, "1.3.0") == {
        "old": "1.1.0",
        "back": "1.3.0",
        "new": "1.3.0",
    }


def test_where_an_earlier_release_is_gone_the_history_begins_after_it(tmp_path: Path) -> None:
    release(tmp_path, "1.2.0", "1.1.0", ["old"])
    assert standing_since(tmp_path, "1.2.0") == {"old": "1.2.0"}
