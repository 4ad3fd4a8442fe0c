"""Write digests, metrics and the log of nights below `operations/` and `logs/`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.nights import NightRecord
from schemas.run.zones import Zones
from tasks.operate.digest import digest_markdown
from tasks.operate.facts import Attention, HomeFacts, as_json_facts
from tasks.operate.metrics import home_metrics, night_metrics


def write_digest(zones: Zones, home: HomeFacts, told: Sequence[Attention], day: str) -> Path:
    """Write the digest of one morning as Markdown and JSON; return the Markdown."""
    folder = zones.operations / "digests"
    path = folder / f"{day}.md"
    write_bytes(path, digest_markdown(home, told, day).encode("utf-8"))
    facts = {**as_json_facts(home), "attention": [asdict(one) for one in told], "day": day}
    write_bytes(path.with_suffix(".json"), canonical_json(facts))
    write_bytes(_metrics(zones, "livercohort"), home_metrics(home).encode("utf-8"))
    return path


def write_night(zones: Zones, record: NightRecord) -> None:
    """Write the metrics of one night, and one line to the log of nights."""
    metrics = night_metrics(record).encode("utf-8")
    write_bytes(_metrics(zones, f"livercohort_{record.site_code}"), metrics)
    zones.logs.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(record), ensure_ascii=False, sort_keys=True) + "\n"
    # One write of one line: nights of two sites may end together.
    descriptor = os.open(
        zones.logs / "nights.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644
    )
    try:
        os.write(descriptor, line.encode("utf-8"))
    finally:
        os.close(descriptor)


def _metrics(zones: Zones, name: str) -> Path:
    return zones.operations / "metrics" / f"{name}.prom"
