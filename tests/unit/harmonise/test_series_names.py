"""Names that consoles and hospitals write, in the words of each vendor and language."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tasks.harmonise.text import label_string

NAMES = Path(__file__).parents[2] / "golden" / "series_names.csv"
with NAMES.open(encoding="utf-8", newline="") as _stream:
    ROWS = [(row["description"], row["modality"], row["label"]) for row in csv.DictReader(_stream)]


@pytest.mark.parametrize(("description", "modality", "expected"), ROWS)
def test_a_name_gets_its_label(description: str, modality: str, expected: str) -> None:
    assert label_string(description, "", modality).label == expected
