"""Queries and findings for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tasks.queries.states import About, Query, QueryEvent, fold
from tasks.queries.sync import Night, Scope, plan_sync

DAY = dt.date(2026, 11, 1)


def about(finding_id: str = "f1", **changes: Any) -> About:
    values: dict[str, Any] = {
        "site_code": "S91",
        "finding_id": finding_id,
        "rule_id": "SER-MISSING-SLICES",
        "severity": "major",
        "object_type": "series",
        "object_id": f"2.25.1/{finding_id}",
        "field": "n_missing_slices",
        "observed": "2",
        "expected": "0",
        "text_en": "Slices are missing.",
        "text_zh": "缺层。",
    }
    return About(**(values | changes))


def night(number: int, *abouts: About, **changes: Any) -> Night:
    values: dict[str, Any] = {
        "today": DAY + dt.timedelta(days=number),
        "abouts": abouts,
        "scope": Scope(whole=True),
        "n_batches": {"S91": number},
    }
    return Night(**(values | changes))


def after(*nights: Night) -> dict[str, Query]:
    """Return the queries after some nights without a person in between."""
    events: list[QueryEvent] = []
    for one in nights:
        events += plan_sync(fold(events), one)
    return fold(events)
