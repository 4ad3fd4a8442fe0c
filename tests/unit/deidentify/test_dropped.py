"""What is dropped outside table E.1-1 has a reason; what has none is kept by contract."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tasks.deidentify.rules.dropped import load_dropped
from tasks.deidentify.rules.profile import ROOT, load_profile
from tests.unit.deidentify.helpers import accepted

_TABLE = Path(__file__).parents[2] / "golden" / "ps3_15_required_strength.csv"


@cache
def named_by_the_table() -> re.Pattern[str]:
    with _TABLE.open(encoding="utf-8", newline="") as stream:
        tags = [row["tag"].replace(",", "") for row in csv.DictReader(stream)]
    return re.compile("|".join(t.replace("x", "[0-9A-F]") for t in tags if t[:4] != "gggg"))


def places(data: Dataset, above: str = "") -> Iterator[tuple[str, int]]:
    """Every public attribute and where it stands; not what lies below one that the table names."""
    table = named_by_the_table()
    for element in data:
        # Lengths of groups are retired (PS3.5 7.2) and nobody writes them anew.
        if element.tag.group % 2 or not element.tag.element:
            continue
        yield above, int(element.tag)
        if element.VR == "SQ" and not table.fullmatch(f"{int(element.tag):08X}"):
            for item in element.value or ():
                yield from places(item, f"{above}/{element.keyword}")


def test_nothing_is_both_dropped_for_a_reason_and_kept_by_a_rule() -> None:
    kept = load_profile().rules[ROOT]
    assert [one.keyword for one in load_dropped() for tag in kept if one.is_of(tag)] == []
    assert [one.keyword for one in load_dropped() if one.is_of(0x60020022)] == [
        "OverlayDescription"
    ]


@pytest.mark.real_data
def test_real_objects_lose_nothing_outside_the_table_without_a_reason(real_dicom: Path) -> None:
    table, reasons = named_by_the_table(), load_dropped()
    objects: dict[str, Path] = {}
    for path in sorted(p for p in real_dicom.rglob("*") if p.suffix in (".dcm", "", ".IMA")):
        if path.is_file():
            objects.setdefault(str(path.parent), path)
    lost = set()
    for path in objects.values():
        raw = path.read_bytes()
        kept = set(places(dcmread(BytesIO(accepted(raw).output), stop_before_pixels=True)))
        before = set(places(dcmread(path, stop_before_pixels=True)))
        lost |= {tag for _, tag in before - kept if not table.fullmatch(f"{tag:08X}")}
    assert len(objects) > 8
    assert lost
    assert [f"{tag:08X}" for tag in lost if not any(one.is_of(tag) for one in reasons)] == []
